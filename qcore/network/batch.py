"""Recordings side by side: many neuron states, one set of weights.

Consecutive updates of one recording share a label and pull every weight the same way. Shown side
by side, many recordings add their gradients before each step: every recording has its own membranes
and traces, all share weights, thresholds, gradients and readout. The engine is the same; only its
tables point elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.kernels.learning_step import apply_layers, regulate_layers
from spikewire.qcore.kernels.local_learning import local_readout
from spikewire.qcore.kernels.pairs import sum_layer
from spikewire.qcore.network.allocate import State, aligned_zeros
from spikewire.qcore.network.engines import engine
from spikewire.qcore.network.general_table import place_ring
from spikewire.qcore.network.network import Network
from spikewire.qcore.network.results import allocate_rows
from spikewire.qcore.network.spike_probe import no_probe

# Every recording has these for itself; all else is shared.
_OWN_I32 = (at.AT_U, at.AT_V)
_COUNTERS = (at.SPIKES, at.SYNAPTIC_OPERATIONS, at.NEURON_UPDATES, at.UPDATES)
_OWN_COUNTERS = (at.T_OPERATIONS, at.T_UPDATES)
"""Further counters of a network with a temporal layer."""

_TALLIES = (at.EVENTS, at.MERGED, at.READ_UPDATES, at.TICKS_RUN, at.TICKS_SKIPPED)
_NEVER = 1 << 62
# A portion holds many classes and people, so that its activity is typical of all of them.
_SLOWEST = 8


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Results of a batch of n recordings.

    Attributes
    ----------
    scores
        int64[n, classes]: the trained readout's, summed over the result ticks after the burn-in;
        where the last layer answers, those of the last result tick.
    local
        int64[layers, n, classes]: the fixed local readouts less their slow means, summed over the
        learning cadence's ticks after the burn-in; zero for layers without one.
    spikes
        int64[n, layers]: output spikes.
    synaptic_ops
        int64[n, layers]: synaptic operations.
    neuron_updates
        int64[n, layers]: membranes computed.
    ticks
        Length of each recording.
    """

    scores: npt.NDArray[np.int64]
    local: npt.NDArray[np.int64]
    spikes: npt.NDArray[np.int64]
    synaptic_ops: npt.NDArray[np.int64]
    neuron_updates: npt.NDArray[np.int64]
    ticks: int


class Batch:
    """Shows recordings to a network side by side, learning from them together.

    Between two calls of :meth:`show` the network itself holds all that was learned: saving it then
    and continuing later gives the same bits as going on.

    Parameters
    ----------
    network
        The network that learns. Its own membranes and traces are not used.
    size
        The most recordings side by side.

    Raises
    ------
    ValueError
        If the size is not between 1 and 1,024.
    """

    def __init__(self, network: Network, size: int) -> None:
        if not 1 <= size <= 1024:
            raise ValueError(f"A batch shows 1 to 1024 recordings at a time, not {size}.")
        self.network = network
        self.size = size
        self._allocate()

    def _allocate(self) -> None:
        """Append the recordings' own arrays to the network's flat arrays."""
        net, old = self.network, self.network.state
        shared = (len(old.i8), len(old.i16), len(old.i32))
        ends = list(shared)
        self._layers = np.repeat(old.layers[None], self.size, 0)
        self._layers[:, :, at.PAIRS] = 0
        self._share_sums(ends)
        self._registers = np.repeat(old.registers[None], self.size, 0)
        for b in range(self.size):
            self._place(b, ends)
        i8 = aligned_zeros(ends[0], np.int8)
        i16 = aligned_zeros(ends[1], np.int16)
        i32 = aligned_zeros(ends[2], np.int32)
        i8[: shared[0]], i16[: shared[1]], i32[: shared[2]] = old.i8, old.i16, old.i32
        self._flat = (i8, i16, i32)
        self._own = (i8[shared[0] :], i16[shared[1] :], i32[shared[2] :])
        self._state = State(
            registers=old.registers, layers=old.layers,
            i8=i8[: shared[0]], i16=i16[: shared[1]], i32=i32[: shared[2]], lanes=old.lanes,
        )  # fmt: skip
        net.replace(net.classes, self._state)

    def _share_sums(self, ends: list[int]) -> None:
        """Place sums of all recordings' gradients, for layers that keep their own as pairs.

        Errors have a place beside, so that pairs stay until they are added.
        """
        for n, L in enumerate(self.network.state.layers):
            if L[at.AT_GRADIENT] >= 0:
                continue
            synapses = int(L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X] * L[at.CHANNELS])
            self._layers[:, n, at.AT_GRADIENT] = ends[2]
            ends[2] += -(-synapses // 16) * 16
            self._layers[:, n, at.AT_DELTA] = ends[0]
            if L[at.POOL] == 1:
                self._layers[:, n, at.AT_OUT_DELTA] = ends[0]
            ends[0] += -(-int(L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS]) // 64) * 64

    def _take_pairs(self) -> None:
        """Add what the network has kept as pairs to the recordings' sums."""
        for n, L in enumerate(self.network.state.layers):
            if L[at.PAIRS] > 0:
                sum_layer(L, self._flat[0], self._flat[2][self._layers[0, n, at.AT_GRADIENT] :])
                L[at.PAIRS] = 0

    def _place(self, b: int, ends: list[int]) -> None:
        """Point recording ``b``'s tables at places of its own."""

        def take(index: int, count: int) -> int:
            start = ends[index]
            step = 64 >> index
            ends[index] += -(-count // step) * step
            return start

        R = self._registers[b]
        R[at.AT_FEATURE] = take(1, int(R[at.FEATURES]))
        shift = R[at.AT_FEATURE] - self.network.state.registers[at.AT_FEATURE]
        if self.network.temporal is not None:
            first = self._layers[b, 0]
            first[at.AT_T_RING] = take(
                0, int(first[at.T_PLACES]) * -(-int(first[at.T_INPUTS]) // 8)
            )
        input_at = -1
        for L in self._layers[b]:
            neurons = int(L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS])
            outputs = int(L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS])
            inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
            L[at.AT_FIRED] = take(0, neurons)
            L[at.AT_OUTPUT] = take(0, outputs) if L[at.POOL] > 1 else L[at.AT_FIRED]
            if L[at.PLASTIC] != 0:
                L[at.AT_ACTIVATION] = take(0, neurons)
                L[at.AT_OUT_ACTIVATION] = L[at.AT_ACTIVATION]
                if L[at.POOL] > 1:
                    L[at.AT_OUT_ACTIVATION] = take(0, outputs)
            traced = bool(L[at.DYNAMICS] == at.TRACES)
            if L[at.PLASTIC] != 0 or traced:
                for column in (at.AT_Q, at.AT_P):
                    L[column] = take(1, inputs)
            for column in _OWN_I32[traced:]:
                L[column] = take(2, neurons)
            if traced:
                L[at.AT_U] = L[at.AT_V]
            if L[at.DYNAMICS] == at.GENERAL:
                place_ring(L, neurons, partial(take, 2))
            if L[at.AT_SMALL_R] > 0:
                L[at.AT_SMALL_R] = take(0, neurons)
            else:
                L[at.AT_R] = take(2, neurons)
            L[at.AT_FEATURES] += shift
            if input_at >= 0:
                L[at.AT_INPUT] = input_at
            input_at = int(L[at.AT_OUTPUT])

    def show(
        self,
        samples: Sequence[BinnedEvents],
        labels: Sequence[int] | None,
        ticks: int,
        *,
        learn: bool = False,
        regulate: bool = False,
    ) -> BatchResult:
        """Show recordings from rest, tick by tick side by side.

        Parameters
        ----------
        samples
            Up to ``size`` recordings, their ticks counted from 0; later ones than ``ticks`` are
            left out.
        labels
            Their classes' indices; needed for learning.
        ticks
            Number of ticks that each recording lasts.
        learn
            Whether to learn: layers every ``learning.cadence`` ticks after the burn-in from the sum
            of all recordings' gradients, the readout every ``readout.every`` ticks from one
            recording after the other. Thresholds are regulated at the same cadence.
        regulate
            Whether to adapt thresholds even without learning.

        Raises
        ------
        ValueError
            If there are too many samples, a label is no class, or learning has no labels.
        """
        count, net = len(samples), self.network
        classes = len(net.classes)
        if count > self.size:
            raise ValueError(f"This batch shows up to {self.size} recordings, not {count}.")
        if labels is not None and len(labels) != count:
            raise ValueError(f"There are {count} recordings, but {len(labels)} labels.")
        if learn and labels is None:
            raise ValueError("Learning needs the recordings' labels.")
        for label in labels if labels is not None and learn else ():
            if not 0 <= label < classes:
                raise ValueError(f"Label {label} is none of the {classes} classes.")
        if net.state is not self._state:
            self._allocate()
        samples = [net.front_end.map(sample) for sample in samples]
        for own in self._own:
            own[:] = 0
        self._begin(labels if learn else None, learn or regulate)
        cadence = net.spec.learning.cadence
        result = BatchResult(
            np.zeros((count, classes), np.int64),
            np.zeros((len(net.spec.layers), count, classes), np.int64),
            np.zeros((count, len(net.spec.layers)), np.int64),
            np.zeros((count, len(net.spec.layers)), np.int64),
            np.zeros((count, len(net.spec.layers)), np.int64),
            ticks,
        )
        stops = [*range(1, ticks, cadence), ticks]
        edges = [np.searchsorted(sample.tick, stops) for sample in samples]
        starts = [0] * count
        for step, until in enumerate(stops):
            for b, sample in enumerate(samples):
                part = slice(starts[b], int(edges[b][step]))
                starts[b] = part.stop
                self._advance(b, sample[part], until, result)
            if until > net.spec.learning.burn_in:
                self._read_locally(count, result)
            if learn or regulate:
                self._step(count)
        self._finish(count, result)
        return result

    def _begin(self, labels: Sequence[int] | None, moving: bool) -> None:
        net = self.network
        R = self._registers
        R[:, at.TICK] = R[:, at.LABEL_SINCE] = 0
        R[:, at.LABEL] = -1
        if labels is not None:
            R[: len(labels), at.LABEL] = labels
        R[:, at.LEARNING] = int(moving)
        R[:, at.BATCHED] = 1
        R[:, [at.PENDING, at.CHANGED, at.PERIOD_TICKS, at.GAIN_MEAN, *_TALLIES]] = 0
        # Steps and regulation are taken here, over all recordings.
        R[:, at.APPLY_EVERY] = 0
        R[:, at.PERIOD] = _NEVER if net.spec.learning.period > 0 else 0
        for register in (at.LEARN_LAYERS, at.READ_SHIFT):
            R[:, register] = net.state.registers[register]
        self._layers[:, :, [at.TRACE_LIVE, at.FEATURE_LIVE, at.SPIKES_REPORTED]] = 0
        self._layers[:, :, at.LIVE] = 1
        self._layers[:, :, list(self._counters())] = 0
        if net.temporal is not None:
            self._layers[:, :, at.T_LIVE] = 0
        if net.prototypes is not None:
            # Every recording is a lesson of its own.
            self._layers[:, 0, at.M_SINCE] = -1

    def _advance(self, b: int, part: BinnedEvents, until: int, result: BatchResult) -> None:
        net = self.network
        classes = len(net.classes)
        R, memory = self._registers[b], net.state.registers[at.REGISTERS :]
        rows = allocate_rows(
            part, until - int(R[at.TICK]), net.spec.result_every, classes, len(net.spec.layers)
        )
        # How often each class was remembered belongs to the readout, which all share.
        R[at.REGISTERS :] = memory
        learn = int(R[at.LEARNING])
        count = engine(self._layers[b], learn)(
            (R, self._layers[b], *self._flat, net.state.lanes),
            net.scratch,
            (part.tick, part.x, part.y, part.p),
            until, int(R[at.LABEL]), learn,
            rows, no_probe(len(net.spec.layers)),
        )  # fmt: skip
        memory[:] = R[at.REGISTERS :]
        if net.spec.readout.answer == "output":
            # Counts and membranes hold the past already: the last answer is the answer.
            result.scores[b] = rows[1][count - 1] if count else result.scores[b]
            return
        late = rows[0][:count] >= net.spec.learning.burn_in
        result.scores[b] += rows[1][:count][late].sum(0)

    def _read_locally(self, count: int, result: BatchResult) -> None:
        net = self.network
        y = np.zeros(len(net.classes), np.int32)
        for n, layer in enumerate(net.layers):
            if not layer.has_readout:
                continue
            G, mean = net.layers[n].readout, net.layers[n].readout_mean >> 4
            for b in range(count):
                start = self._layers[b, n, at.AT_OUT_ACTIVATION]
                local_readout(G, self._flat[0][start : start + G.shape[1]], y)
                result.local[n, b] += y - mean

    def _step(self, count: int) -> None:
        net, R = self.network, self.network.state.registers
        if self._registers[:count, at.PENDING].any():
            self._registers[:, at.PENDING] = 0
            self._take_pairs()
            layers = net.state.layers
            own = layers[:, at.AT_GRADIENT].copy()
            layers[:, at.AT_GRADIENT] = self._layers[0, :, at.AT_GRADIENT]
            apply_layers(layers, *self._flat, net.state.lanes, net.scratch[1])
            layers[:, at.AT_GRADIENT] = own
        ticks = int(self._registers[:count, at.PERIOD_TICKS].sum())
        if ticks:
            self._registers[:, at.PERIOD_TICKS] = 0
            R[at.PERIOD_TICKS] = ticks
            regulate_layers(R, net.state.layers, self._flat[2], _SLOWEST)
        # A layer at rest need not be so under other weights, thresholds and biases.
        self._layers[:, :, at.LIVE] = 1

    def _counters(self) -> tuple[int, ...]:
        return _COUNTERS if self.network.temporal is None else _COUNTERS + _OWN_COUNTERS

    def _finish(self, count: int, result: BatchResult) -> None:
        """Hand the recordings' counters to the network."""
        layers = self._layers[:count]
        result.spikes[:] = layers[:, :, at.SPIKES]
        result.synaptic_ops[:] = layers[:, :, at.SYNAPTIC_OPERATIONS]
        result.neuron_updates[:] = layers[:, :, at.NEURON_UPDATES]
        for column in self._counters():
            self.network.state.layers[:, column] += layers[:, :, column].sum(0)
        # Result rows count the spikes since the row before: these are reported here.
        self.network.state.layers[:, at.SPIKES_REPORTED] = self.network.state.layers[:, at.SPIKES]
        for register in _TALLIES:
            self.network.state.registers[register] += self._registers[:count, register].sum()
