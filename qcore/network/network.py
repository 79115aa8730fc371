"""The network: one object that takes events, advances in ticks, learns and scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.binning import BinnedEvents, bin_events
from spikewire.qcore.kernels.learning_step import apply_layers
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.calibration import Calibration
from spikewire.qcore.network.catalogue import is_untrained, load_spec, read_model
from spikewire.qcore.network.engines import engine, keep_engine_ready
from spikewire.qcore.network.front_end import FrontEnd
from spikewire.qcore.network.initialise import grow, initialise
from spikewire.qcore.network.layer_views import LayerView, layer_views
from spikewire.qcore.network.model_file import (
    check_classes,
    check_outputs,
    from_bytes,
    to_bytes,
    write_whole,
)
from spikewire.qcore.network.results import RunResult, Steps, allocate_rows
from spikewire.qcore.network.run import Recorder, event_columns
from spikewire.qcore.network.schedule import shift_after, step_after
from spikewire.qcore.network.scratch import scratch_arrays
from spikewire.qcore.network.snapshot import Snapshot, restore
from spikewire.qcore.network.spec import NetworkSpec
from spikewire.qcore.network.spike_probe import SpikeProbe, no_probe
from spikewire.qcore.network.state_facts import StateFacts
from spikewire.qcore.network.state_views import bring_to_rest


class Network(StateFacts):
    """An integer spiking network that learns while it runs.

    Build one with :meth:`build` or :meth:`load`. One task may use it at a time: :meth:`advance`
    changes the arrays in place, without the GIL.
    ``calibration`` has numbers for the rules of decision, kept in the model file.
    """

    def __init__(self, spec: NetworkSpec, classes: Sequence[str], state: State, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self.front_end = FrontEnd(spec)
        self.calibration = Calibration()
        self._probed: tuple[SpikeProbe, npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
        self.replace(classes, state)

    @classmethod
    def build(cls, spec: NetworkSpec, classes: Sequence[str], seed: int = 0) -> Network:
        """Make an untrained network.

        Parameters
        ----------
        spec
            Its layers, learning and readout.
        classes
            Names of its classes.
        seed
            Draws weights, readouts and the rounding of later steps.

        Raises
        ------
        ModelError
            If the classes are none, too many, empty or repeated.
        """
        check_classes(classes)
        check_outputs(spec, classes)
        return cls(spec, classes, initialise(spec, len(classes), seed), seed)

    def to_bytes(self) -> bytes:
        """Serialise the whole network (safetensors): weights, state, generators, classes, tick."""
        return to_bytes(self.state, self.spec, self.classes, self.seed, self.calibration)

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "This model") -> Network:
        """Rebuild a network that continues bit for bit.

        Raises
        ------
        ModelError
            If ``data`` is no model of this version; the message begins with ``where``.
        """
        spec, classes, seed, state, calibration = from_bytes(data, where)
        check_outputs(spec, classes)
        for layer in layer_views(state):
            layer.derive_weights()
        network = cls(spec, classes, state, seed)
        network.calibration = calibration
        return network

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file ``path``; it appears whole or not at all."""
        write_whole(Path(path), self.to_bytes())

    @classmethod
    def load(
        cls, model: str | os.PathLike[str], classes: Sequence[str] = (), seed: int = 0
    ) -> Network:
        """Load a trained network, or build an untrained one by its name.

        Parameters
        ----------
        model
            The name of a network that comes with the package (``"gestures"``), the path of a model
            file, a preset's name (``"edge"``), or the path of a TOML file written like a preset.
        classes
            Names of the classes of an untrained network. A trained one keeps its own, and gains
            those that it lacks.
        seed
            Draws the weights of an untrained network; a trained one has its own.

        Raises
        ------
        ModelError
            If there is no such network, it has no classes, or the file is no model of this version.
        """
        if is_untrained(model):
            if not classes:
                raise ModelError(
                    f"The network {model} is not trained, and needs names for its classes: "
                    f'Network.load({str(model)!r}, classes=("a", "b")).'
                )
            return cls.build(load_spec(model), classes, seed)
        network = cls.from_bytes(read_model(model), str(model))
        for name in classes:
            if name not in network.classes:
                network.add_class(name)
        return network

    def add_class(self, name: str) -> int:
        """Add a class with an untrained readout; all else stays bit for bit.

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
        check_classes(classes)
        self.replace(classes, grow(self.state, self.spec, self.seed))
        return len(classes) - 1

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) of the plane that events are scaled to."""
        return self.spec.plane

    @property
    def tick_us(self) -> int:
        """Length of a tick in microseconds of event time."""
        return self.spec.tick_us

    @property
    def layers(self) -> tuple[LayerView, ...]:
        """Views of the layers, the first one first: ``network.layers[0].weights``."""
        return self._layers

    @property
    def read_maps(self) -> tuple[tuple[int, int, int], ...]:
        """(rows, columns, channels) of the layers that are read, as their features lie in order."""
        return tuple(self.layers[n].units for n, layer in enumerate(self.spec.layers) if layer.read)

    @property
    def scratch(
        self,
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Scratch arrays of the engine, which hold nothing between calls.

        Spikes of one map, int16[most of a map, 3]; spilled drive of the largest layer, or gradients
        of some of its channels, int32, zeroed; and sums, int32[2 * classes + most output units of a
        layer that learns].
        """
        return self._scratch

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

        A lesson of class means begins from rest, so that it is an example of its class alone.

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
            Units whose spikes to record.

        Raises
        ------
        ValueError
            If an event lies outside those ticks or the plane, the label is no class, or a unit to
            be probed is none.
        """
        now = self.tick
        if not -1 <= label < len(self.classes):
            raise ValueError(f"Label {label} is none of the {len(self.classes)} classes.")
        if until < now:
            raise ValueError(f"Tick {until} is past: the network stands at {now}.")
        events = self.front_end.take(events, now, until, self.state.registers)
        rows = allocate_rows(
            events, until - now, self.spec.result_every, len(self.classes), len(self.spec.layers)
        )
        probed, fired = no_probe(len(self.spec.layers))
        if probe is not None:
            probed = self._places_of(probe)
            fired = np.zeros((len(probed), min(probe.ticks, until - now), probed.shape[1]), np.int8)
        if self.prototypes is not None and learn and label >= 0 and not self._teaches(label):
            bring_to_rest(self.state)
        count = engine(self.state.layers, int(learn))(
            self.state.arrays(), self._scratch,
            (events.tick, events.x, events.y, events.p), until, label, int(learn),
            rows, (probed, fired),
        )  # fmt: skip
        cut = () if probe is None else probe.cut(fired)
        return Steps(rows[0][:count], rows[1][:count], rows[2][:count], cut)

    def _teaches(self, label: int) -> bool:
        R = self.state.registers
        return bool(R[at.LEARNING]) and int(R[at.LABEL]) == label

    def keep_ready(self, *, learn: bool) -> None:
        """Have the kernels that compute this network loaded before a service begins."""
        keep_engine_ready(self.state.layers, int(learn))

    def _places_of(self, probe: SpikeProbe) -> npt.NDArray[np.int64]:
        cached, layers = self._probed, self.state.layers
        if cached is None or cached[0] is not probe or cached[1] is not layers:
            cached = self._probed = probe, layers, probe.places(layers)
        return cached[2]

    def run(
        self,
        events: npt.NDArray[Any],
        *,
        size: tuple[int, int] | None = None,
        label: str | None = None,
        learn: bool = False,
        spikes: Sequence[int] = (),
        membranes: Sequence[int] = (),
    ) -> RunResult:
        """Compute a whole event array, and return all results as arrays.

        A service that plays the same events gives the same results in every bit. Ticks are counted
        from the first event, and end with the first result tick at or after the last one. A second
        run goes on from the network's state; :meth:`reset_state` brings it to rest before.

        Parameters
        ----------
        events
            Structured array[n] with the integer fields ``t`` (microseconds, not falling), ``x``,
            ``y`` (pixels) and ``p`` (1 for on, 0 for off, or the channel of a network with more
            than two), as readers return it; in any integer width, byte order and memory layout.
        size
            (width, height) of the sensor in pixels, which is scaled to the network's plane. By
            default it is that plane, :attr:`input_size`.
        label
            The true class.
        learn
            Whether to learn from the label.
        spikes
            Numbers of the layers whose output spikes to record: a byte per unit and tick.
        membranes
            Numbers of the layers whose membranes to record: four bytes per neuron and tick.

        Returns
        -------
        RunResult
            Times, scores, winning classes and operations; spikes and membranes of the layers.

        Raises
        ------
        ModelError
            If the events cannot be used, the label is no class, learning has no label, or a layer
            to record does not exist.

        Examples
        --------
        >>> import numpy as np
        >>> from spikewire import EVENT_DTYPE, Network
        >>> events = np.array([(0, 5, 7, 1), (15000, 6, 7, 0)], EVENT_DTYPE)
        >>> result = Network.load("gestures").run(events, size=(128, 128), spikes=[0])
        >>> result.scores.shape, result.spikes[0].shape
        ((2, 11), (2, 4096))
        """
        if label is not None and label not in self.classes:
            raise ModelError(
                f"The network has no class {label!r}; it has {', '.join(self.classes)}."
            )
        if learn and label is None:
            raise ModelError("Learning needs the label of the events.")
        size = self.input_size if size is None else size
        t, x, y, p = event_columns(events, size, max(2, self.spec.polarities))
        recorder = Recorder(self.state, spikes, membranes)
        every = self.spec.result_every
        first = -(-self.tick // every) * every
        if not len(t):
            return recorder.result(self.classes, first, 0, self.tick_us)
        start_us = int(t[0])
        binned = bin_events(
            t, x, y, p, sensor_size=size, input_size=self.input_size,
            origin_us=start_us, origin_tick=first, tick_us=self.tick_us,
        )  # fmt: skip
        k = -1 if label is None else self.classes.index(label)
        if first > self.tick:
            self.advance(binned.before(first)[0], first, learn=learn)
        end = -(-int(binned.tick[-1]) // every) * every + 1
        for i, j, until in recorder.chunks(binned, first, end):
            steps = self.advance(binned[i:j], until, label=k, learn=learn, probe=recorder.probe)
            recorder.take(steps)
        return recorder.result(self.classes, first, start_us, self.tick_us)

    def apply(self) -> int:
        """Step all plastic layers by their collected gradients; returns weights in reach."""
        a = self.state
        return int(apply_layers(a.layers, a.i8, a.i16, a.i32, a.lanes, self._scratch[1]))

    def schedule(self, done: int, total: int) -> None:
        """Set how fast to learn, having learned ``done`` of ``total`` portions.

        The layers' step goes evenly from ``learning.step`` to ``last_step``, and the readout's
        ``shift`` to its ``last_shift``, if any. At the end it has its first one, for live lessons.
        """
        done = min(max(done, 0), total)
        self.state.layers[:, at.STEP] = step_after(self.spec, done, total)
        if self.spec.readout.last_shift:
            self.state.registers[at.READ_SHIFT] = shift_after(self.spec, done, total)

    def snapshot(self) -> Snapshot:
        """Copy the knowledge, to :meth:`restore` it later."""
        return Snapshot(self.classes, self.state.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """Forget all that was learned since ``snapshot``; activity, tick and counters go on."""
        self.replace(snapshot.classes, restore(snapshot, self.state))

    def replace(self, classes: Sequence[str], state: State) -> None:
        """Work with a state from now on that was allocated for these classes."""
        self.classes, self.state = tuple(classes), state
        self._layers = layer_views(state)
        self._scratch = scratch_arrays(state)

    def reset_state(self) -> None:
        """Bring membranes, traces and features to rest; weights, generators and tick stay."""
        bring_to_rest(self.state)
