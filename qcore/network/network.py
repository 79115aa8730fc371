"""The network: one object that takes events, advances in ticks, learns and scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.kernels.engine import advance
from spikewire.qcore.kernels.learning_step import apply_layers
from spikewire.qcore.kernels.random import fill_lanes, fill_uniform
from spikewire.qcore.network.allocate import State, allocate
from spikewire.qcore.network.model_file import from_bytes, to_bytes
from spikewire.qcore.network.snapshot import Snapshot, restore, take
from spikewire.qcore.network.spec import NetworkSpec, per_channel
from spikewire.qcore.network.spike_probe import SpikeProbe, no_probe

MOST_CLASSES = 1024


@dataclass(frozen=True, slots=True)
class Steps:
    """What a call of :meth:`Network.advance` computed: one row per result tick with activity.

    ``tick`` int64[m]; ``scores`` int32[m, classes]; ``spikes`` int64[m, layers], counted since the
    row before. ``fired`` has the spikes of the units that were watched, for each layer
    int8[ticks, units], up to the last tick; it is empty if none were.
    """

    tick: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]
    spikes: npt.NDArray[np.int64]
    fired: tuple[npt.NDArray[np.int8], ...] = ()


class Network:
    """An integer spiking network and its learner.

    Build one with :meth:`build` or :meth:`load`. One task may use it at a time: :meth:`advance`
    changes the arrays in place, without the GIL.
    """

    def __init__(self, spec: NetworkSpec, classes: Sequence[str], state: State, seed: int) -> None:
        self.spec = spec
        self.classes = tuple(classes)
        self.state = state
        self.seed = seed
        biggest = max(
            spec.width * spec.height * spec.polarities,
            *(int(np.prod(L[[at.ROWS, at.COLUMNS, at.CHANNELS]])) for L in state.layers),
        )
        self._spikes = np.zeros((biggest, 3), np.int16)
        self._spill = np.zeros(biggest, np.int32)
        self._looked: tuple[SpikeProbe, npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
        self._make_scratch()

    def _make_scratch(self) -> None:
        """Allocate what learning a layer needs: scores, errors, and a sum per output unit."""
        learning = [n for n, layer in enumerate(self.spec.layers) if layer.plastic]
        units = max((int(np.prod(self.units(n))) for n in learning), default=0)
        self._scratch = np.zeros(2 * len(self.classes) + units, np.int32)

    @classmethod
    def build(cls, spec: NetworkSpec, classes: Sequence[str], seed: int = 0) -> Network:
        """Make an untrained network: random weights and readouts from ``seed``.

        Raises
        ------
        ModelError
            If the classes are none, too many, empty or repeated.
        """
        _check_classes(classes)
        state = allocate(spec, len(classes))
        network = cls(spec, classes, state, seed)
        fill_lanes(state.lanes, seed, 0)
        for n, layer in enumerate(spec.layers):
            L = state.layers[n]
            lanes = np.zeros(64, np.uint32)
            fill_lanes(lanes, seed, 1 + n)
            drawn = np.zeros(network.weights(n).size, np.int16)
            fill_uniform(drawn, lanes, int(L[at.STORE_RAIL]))
            store = drawn.reshape(network.weights(n).shape)
            network.weights(n)[...] = store >> int(L[at.USED_SHIFT])
            if layer.plastic:
                network.store(n)[...] = store
            table = network.table(n)
            table[neuron.KEEP_U] = 4096 - per_channel(layer.decay_u, layer.channels)
            table[neuron.KEEP_V] = 4096 - per_channel(layer.decay_v, layer.channels)
            table[neuron.THRESHOLD] = per_channel(layer.threshold, layer.channels)
            table[neuron.BIAS] = per_channel(layer.bias, layer.channels)
            table[neuron.KEEP_R] = layer.refractory_keep
            table[neuron.KICK_R] = (
                table[neuron.THRESHOLD] if layer.reset == "refractory" else layer.refractory_ticks
            )
            if layer.plastic:
                network._draw_readout(n, 0)
        return network

    def _draw_readout(self, n: int, first: int) -> None:
        """Draw the fixed random readout rows of layer ``n`` from class ``first`` on.

        Each class has a generator of its own, so that adding one leaves the others as they were.
        """
        rail = 2 ** (self.spec.widths.readout - 1) - 1
        G = self.readout(n)
        lanes = np.zeros(64, np.uint32)
        for k in range(first, len(G)):
            fill_lanes(lanes, self.seed, 1000 + 1000 * n + k)
            row = np.zeros(G.shape[1], np.int16)
            fill_uniform(row, lanes, rail)
            G[k] = row

    # -- files -----------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Serialise the whole learner (safetensors): weights, state, generators, classes, tick."""
        return to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "This model") -> Network:
        """Rebuild a network that continues bit for bit.

        Raises
        ------
        ModelError
            If ``data`` is no model of this version; the message begins with ``where``.
        """
        spec, classes, seed, state = from_bytes(data, where)
        _check_classes(classes)
        return cls(spec, classes, state, seed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file ``path``; it appears whole or not at all."""
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "wb") as file:
                file.write(self.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a model file.

        Raises
        ------
        ModelError
            If there is no such file, or it is no model of this version.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from None
        return cls.from_bytes(data, str(path))

    def add_class(self, name: str) -> int:
        """Add a class whose readout knows nothing yet; everything else stays bit for bit.

        Returns
        -------
        int
            Its index.

        Raises
        ------
        ModelError
            If the name is empty or taken, or there are too many.
        """
        classes = (*self.classes, name)
        _check_classes(classes)
        old, new = self.state, allocate(self.spec, len(classes))
        grown = Network(self.spec, classes, new, self.seed)
        new.lanes[...] = old.lanes
        for column in at.STATE_COLUMNS:
            new.layers[:, column] = old.layers[:, column]
        for register in at.STATE_REGISTERS:
            new.registers[register] = old.registers[register]
        known = len(self.classes)
        new.registers[at.REGISTERS : at.REGISTERS + known] = old.registers[at.REGISTERS :]
        for before, after in zip(self._parts(), grown._parts(), strict=True):
            after[tuple(slice(n) for n in before.shape)] = before
        for n, layer in enumerate(self.spec.layers):
            if layer.plastic:
                grown._draw_readout(n, known)
        self.replace(grown.classes, new)
        return known

    def _parts(self) -> list[npt.NDArray[Any]]:
        """Every array of the state, in a fixed order; per-class ones have the class first."""
        a, R, k = self.state, self.state.registers, len(self.classes)
        features = int(R[at.FEATURES])
        parts: list[npt.NDArray[Any]] = []
        for n, L in enumerate(a.layers):
            inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
            channels = int(L[at.CHANNELS])
            neurons = self._neurons(n)
            parts += [self.weights(n), self.table(n), self._view(a.i8, L[at.AT_FIRED], *neurons)]
            parts.append(self._view(a.i8, L[at.AT_OUTPUT], *self.units(n)))
            parts += [self._view(a.i32, L[c], *neurons) for c in (at.AT_U, at.AT_V, at.AT_R)]
            parts.append(self._view(a.i32, L[at.AT_COUNT], channels))
            if self.spec.layers[n].plastic:
                parts += [self.store(n), self.activation(n)]
                parts.append(self._view(a.i8, L[at.AT_OUT_ACTIVATION], *self.units(n)))
                parts += [self._view(a.i16, L[c], inputs) for c in (at.AT_Q, at.AT_P)]
                parts += [self.gradient(n), self.bias_gradient(n)]
                parts += [self.readout(n), self.readout_mean(n)]
        parts += [self._view(a.i16, R[c], features) for c in (at.AT_FEATURE, at.AT_NORMAL)]
        parts.append(self.read_store())
        parts.append(self._view(a.i8, R[at.AT_SLOTS], k, int(R[at.SLOTS]), -(-features // 8)))
        return parts

    # -- facts -----------------------------------------------------------------------------------

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) of the plane that events are scaled to."""
        return self.spec.width, self.spec.height

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds of event time."""
        return self.spec.tick_us

    @property
    def tick(self) -> int:
        """The next tick to compute."""
        return int(self.state.registers[at.TICK])

    @property
    def updates(self) -> int:
        """Weight updates so far: of layers (weights in reach) and of the readout (classes)."""
        R = self.state.registers
        return int(R[at.READ_UPDATES] + self.state.layers[:, at.UPDATES].sum())

    @property
    def synaptic_ops(self) -> int:
        """Weights added to a neuron so far, one by one: the synaptic operations."""
        return int(self.state.layers[:, at.SYNAPTIC_OPERATIONS].sum())

    # -- views -----------------------------------------------------------------------------------

    def _view(self, flat: npt.NDArray[np.generic], start: int, *shape: int) -> npt.NDArray:  # type: ignore[type-arg]
        return flat[start : start + int(np.prod(shape))].reshape(shape)

    def _taps(self, flat: npt.NDArray[np.generic], start: int, n: int) -> npt.NDArray:  # type: ignore[type-arg]
        """View layer ``n``'s synapses, whose columns lie in memory from the last to the first."""
        return self._view(flat, start, *self._synapses(n))[:, :, ::-1]

    def _synapses(self, n: int) -> tuple[int, int, int, int]:
        L = self.state.layers[n]
        return (
            int(L[at.IN_CHANNELS]), int(L[at.KERNEL_Y]), int(L[at.KERNEL_X]), int(L[at.CHANNELS]),
        )  # fmt: skip

    def _neurons(self, n: int) -> tuple[int, int, int]:
        L = self.state.layers[n]
        return int(L[at.ROWS]), int(L[at.COLUMNS]), int(L[at.CHANNELS])

    def units(self, n: int) -> tuple[int, int, int]:
        """Shape of a layer's output map: rows, columns, channels."""
        L = self.state.layers[n]
        return int(L[at.OUT_ROWS]), int(L[at.OUT_COLUMNS]), int(L[at.CHANNELS])

    def weights(self, n: int) -> npt.NDArray[np.int8]:
        """Weights in use of layer ``n``: int8[c_in, rows, columns, c_out]."""
        start = self.state.layers[n, at.AT_WEIGHTS]
        return self._taps(self.state.i8, start, n)

    def store(self, n: int) -> npt.NDArray[np.int16]:
        """Stored weights of layer ``n``, at full width: int16[c_in, rows, columns, c_out].

        A layer that never learns stores none but those in use: this is a copy of them, then.
        """
        if not self.spec.layers[n].plastic:
            shift = int(self.state.layers[n, at.USED_SHIFT])
            return self.weights(n).astype(np.int16) << np.int16(shift)
        return self._taps(self.state.i16, self.state.layers[n, at.AT_STORE], n)

    def set_weights(self, n: int, weights: npt.NDArray[np.integer[Any]]) -> None:
        """Give layer ``n`` these weights.

        Parameters
        ----------
        n
            Index of the layer.
        weights
            Integers [c_in, rows, columns, c_out] of the used width, ``widths.weight``: -128 to 127
            if it is 8. A convolution correlates, as PyTorch's does.

        Raises
        ------
        ModelError
            If their shape, dtype or range is another.
        """
        values = np.asarray(weights)
        rail = 2 ** (self.spec.widths.weight - 1)
        wanted = self._synapses(n)
        if values.shape != wanted or not np.issubdtype(values.dtype, np.integer):
            raise ModelError(
                f"Layer {n} takes whole numbers of shape {wanted}, not {values.dtype} of shape "
                f"{values.shape}."
            )
        if values.min() < -rail or values.max() >= rail:
            raise ModelError(
                f"Layer {n} takes weights from {-rail} to {rail - 1}, not {values.min()} to "
                f"{values.max()}."
            )
        self.weights(n)[...] = values
        if self.spec.layers[n].plastic:
            shift = int(self.state.layers[n, at.USED_SHIFT])
            self.store(n)[...] = values.astype(np.int64) << shift

    def gradient(self, n: int) -> npt.NDArray[np.int32]:
        """Collected gradient of layer ``n``: int32[c_in, rows, columns, c_out]."""
        return self._taps(self.state.i32, self.state.layers[n, at.AT_GRADIENT], n)

    def bias_gradient(self, n: int) -> npt.NDArray[np.int32]:
        """Collected bias gradient of layer ``n``: int32[c_out]."""
        L = self.state.layers[n]
        return self._view(self.state.i32, L[at.AT_BIAS_GRADIENT], int(L[at.CHANNELS]))

    def readout_mean(self, n: int) -> npt.NDArray[np.int32]:
        """Slow mean of layer ``n``'s local readout, times 16: int32[classes]."""
        return self._view(self.state.i32, self.state.layers[n, at.AT_MEAN], len(self.classes))

    def readout(self, n: int) -> npt.NDArray[np.int8]:
        """Fixed random readout of layer ``n``: int8[classes, units]."""
        units = int(np.prod(self.units(n)))
        start = self.state.layers[n, at.AT_G]
        return self._view(self.state.i8, start, len(self.classes), units)

    def table(self, n: int) -> npt.NDArray[np.int32]:
        """Parameters of layer ``n``'s channels: int32[8, channels], rows named in ``_neuron``."""
        L = self.state.layers[n]
        return self._view(self.state.i32, L[at.AT_TABLE], 8, int(L[at.CHANNELS]))

    def membrane(self, n: int) -> npt.NDArray[np.int32]:
        """Membranes of layer ``n``: int32[rows, columns, channels]."""
        return self._view(self.state.i32, self.state.layers[n, at.AT_V], *self._neurons(n))

    def spikes(self, n: int) -> npt.NDArray[np.int8]:
        """Output map of layer ``n`` in the last tick: int8[rows, columns, channels], pooled."""
        return self._view(self.state.i8, self.state.layers[n, at.AT_OUTPUT], *self.units(n))

    def activation(self, n: int) -> npt.NDArray[np.int8]:
        """Last activations of layer ``n``, before pooling: int8[rows, columns, c_out].

        They are taken in every ``learning.cadence``-th tick, and only of layers that can learn.

        They have ``widths.activation`` bits: half the range at the threshold, and an end where the
        surrogate's window is closed.
        """
        return self._view(self.state.i8, self.state.layers[n, at.AT_ACTIVATION], *self._neurons(n))

    @property
    def features(self) -> npt.NDArray[np.int16]:
        """Low-passed spikes of the layers that are read, as they stand: int16[features]."""
        R = self.state.registers
        return self._view(self.state.i16, R[at.AT_FEATURE], int(R[at.FEATURES]))

    @property
    def read_maps(self) -> tuple[tuple[int, int, int], ...]:
        """(rows, columns, channels) of the layers that are read, as their features lie in order."""
        return tuple(self.units(n) for n, layer in enumerate(self.spec.layers) if layer.read)

    def read_store(self) -> npt.NDArray[np.int16]:
        """Stored weights of the trained readout: int16[classes, features]."""
        R = self.state.registers
        return self._view(
            self.state.i16, R[at.AT_READ_STORE], len(self.classes), int(R[at.FEATURES])
        )

    # -- running ---------------------------------------------------------------------------------

    def advance(
        self,
        events: BinnedEvents,
        until: int,
        *,
        label: int = -1,
        learn: bool = False,
        probe: SpikeProbe | None = None,
    ) -> Steps:
        """Compute every tick before ``until``, with the events that fall into them.

        Parameters
        ----------
        events
            Events of ticks ``self.tick`` to ``until - 1``.
        until
            First tick not computed.
        label
            Index of the true class, or -1.
        learn
            Whether to learn from the label.
        probe
            Whose spikes are wanted.

        Raises
        ------
        ValueError
            If an event lies outside those ticks or the plane, the label is no class, or a unit to
            be watched is none.
        """
        if not -1 <= label < len(self.classes):
            raise ValueError(f"Label {label} is none of the {len(self.classes)} classes.")
        if until < self.tick:
            raise ValueError(f"Tick {until} is past: the network stands at {self.tick}.")
        if len(events):
            if int(events.tick[0]) < self.tick or int(events.tick[-1]) >= until:
                raise ValueError(
                    f"Events of ticks {events.tick[0]} to {events.tick[-1]} do not fall into "
                    f"ticks {self.tick} to {until - 1}."
                )
            if int(events.x.max()) >= self.spec.width or int(events.y.max()) >= self.spec.height:
                raise ValueError(
                    f"An event lies outside the model's {self.spec.width}x{self.spec.height} plane."
                )
        most = (until - self.tick) // self.spec.result_every + 2
        if most > 4096:
            # A long quiet stretch yields few rows: bound them by what can be active.
            active = (
                int(np.unique(events.tick // self.spec.result_every).size) if len(events) else 0
            )
            most = min(most, active * 64 + 8192)
        rows = np.zeros(most, np.int64)
        scores = np.zeros((most, len(self.classes)), np.int32)
        spikes = np.zeros((most, len(self.spec.layers)), np.int64)
        watched, fired = no_probe(len(self.spec.layers))
        if probe is not None:
            watched = self._places_of(probe)
            seen = min(probe.ticks, until - self.tick)
            fired = np.zeros((watched.shape[0], seen, watched.shape[1]), np.int8)
        m = advance(
            self.state.arrays(), (self._spikes, self._spill, self._scratch),
            (events.tick, events.x, events.y, events.p), until, label, int(learn),
            (rows, scores, spikes), (watched, fired),
        )  # fmt: skip
        seen_spikes = () if probe is None else probe.cut(fired)
        return Steps(rows[:m], scores[:m], spikes[:m], seen_spikes)

    def _places_of(self, probe: SpikeProbe) -> npt.NDArray[np.int64]:
        # Asked for in every call, and the same for as long as the layer table is.
        kept, layers = self._looked, self.state.layers
        if kept is None or kept[0] is not probe or kept[1] is not layers:
            kept = self._looked = probe, layers, probe.places(layers)
        return kept[2]

    def apply(self) -> int:
        """Step all plastic layers by their collected gradients; returns weights in reach."""
        a = self.state
        return int(apply_layers(a.layers, a.i8, a.i16, a.i32, a.lanes))

    def schedule(self, done: int, total: int) -> None:
        """Set how fast to learn, having learned ``done`` of ``total`` portions.

        The layers' step goes evenly from ``learning.step`` to ``learning.last_step``, and the
        readout's shift, if it has a last one, from ``readout.shift`` to ``readout.last_shift``.
        When all is done the readout has its first shift again, to be taught live as before.
        """
        learn = self.spec.learning
        done = min(max(done, 0), total)
        step = learn.step + (learn.last_step - learn.step) * done // max(total, 1)
        self.state.layers[:, at.STEP] = step
        read = self.spec.readout
        if read.last_shift:
            way = (read.last_shift - read.shift) * (done % max(total, 1)) * 2 + total
            self.state.registers[at.READ_SHIFT] = read.shift + way // max(2 * total, 1)

    def dynamic_state(self) -> list[npt.NDArray[Any]]:
        """What the network is in the middle of: membranes, outputs, traces, features, as views."""
        a, R = self.state, self.state.registers
        parts: list[npt.NDArray[Any]] = []
        for n, L in enumerate(a.layers):
            parts += [
                self._view(a.i32, L[c], *self._neurons(n)) for c in (at.AT_U, at.AT_V, at.AT_R)
            ]
            parts.append(self._view(a.i8, L[at.AT_FIRED], *self._neurons(n)))
            parts.append(self._view(a.i8, L[at.AT_OUTPUT], *self.units(n)))
            if not self.spec.layers[n].plastic:
                continue
            inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
            parts += [self._view(a.i16, L[c], inputs) for c in (at.AT_Q, at.AT_P)]
            parts.append(self.activation(n))
            parts.append(self._view(a.i8, L[at.AT_OUT_ACTIVATION], *self.units(n)))
        parts += [self._view(a.i16, R[c], R[at.FEATURES]) for c in (at.AT_FEATURE, at.AT_NORMAL)]
        return parts

    def snapshot(self) -> Snapshot:
        """Copy what is learned, to :meth:`restore` to it."""
        return take(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Forget what was learned since ``snapshot``; what goes on now, and the tick, go on."""
        restore(self, snapshot)

    def replace(self, classes: Sequence[str], state: State) -> None:
        """Work with these arrays from now on, laid out for these classes."""
        self.classes, self.state = tuple(classes), state
        self._make_scratch()

    def reset_state(self) -> None:
        """Bring membranes, traces and features to rest; weights, generators and tick stay."""
        for part in self.dynamic_state():
            part[...] = 0
        a, R = self.state, self.state.registers
        a.layers[:, at.LIVE] = 1
        a.layers[:, [at.TRACE_LIVE, at.FEATURE_LIVE]] = 0
        R[at.CHANGED] = 0
        R[at.LABEL] = -1


def _check_classes(classes: Sequence[str]) -> None:
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise ModelError(f"A network has 1 to {MOST_CLASSES} classes, not {len(classes)}.")
    for name in classes:
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"{name!r} is no name for a class.")
    if len(set(classes)) != len(classes):
        raise ModelError(f"Class names repeat: {', '.join(classes)}.")
