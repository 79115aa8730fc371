"""Lay a network's arrays out in flat arrays and fill the layer table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.kernels.answers import LEARNS
from spikewire.qcore.network.general_table import check_drive, columns_of, place_general
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.layer_table import (
    BASE,
    fill_learning,
    fill_shape,
    neuron_count,
    output_count,
    synapse_count,
)
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.prototypes_table import place_prototypes
from spikewire.qcore.network.spec import NetworkSpec
from spikewire.qcore.network.temporal_table import place_temporal

MOST_BYTES = 4 * 2**30
"""Largest state of a network, in bytes; a file or a preset cannot ask for more."""

DTYPES = {
    "registers": np.int64, "layers": np.int64, "i8": np.int8, "i16": np.int16, "i32": np.int32,
    "lanes": np.uint32,
}  # fmt: skip

ALIGN = 64  # bytes: one cache line, one AVX-512 register


class _Bump:
    """Hands out aligned places in a flat array that is allocated at the end."""

    def __init__(self, itemsize: int) -> None:
        self.step = ALIGN // itemsize
        self.used = 0

    def take(self, count: int) -> int:
        start = self.used
        self.used += -(-count // self.step) * self.step
        return start


def aligned_zeros(count: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Allocate a flat array that begins with a cache line, as all that is placed in it does.

    NumPy's own arrays begin anywhere, so that every other vector lies in two lines: layers take 1.1
    times as long.
    """
    size = count * np.dtype(kind).itemsize
    room = np.zeros(size + ALIGN, np.uint8)
    start = -room.ctypes.data % ALIGN
    return room[start : start + size].view(kind)


def _copied(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    copy = aligned_zeros(array.size, array.dtype)
    copy[...] = array
    return copy


@dataclass(slots=True)
class State:
    """The whole state of a network: everything the engine reads and writes."""

    registers: npt.NDArray[np.int64]
    layers: npt.NDArray[np.int64]
    i8: npt.NDArray[np.int8]
    i16: npt.NDArray[np.int16]
    i32: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.uint32]

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All arrays, in the engine's order."""
        return self.registers, self.layers, self.i8, self.i16, self.i32, self.lanes

    def copy(self) -> State:
        """Copy every array."""
        R, layers, *flat = self.arrays()
        return State(R.copy(), layers.copy(), *(_copied(array) for array in flat))


class _Heads:
    """The flat arrays that are laid out: how far each one is used."""

    def __init__(self) -> None:
        self.i8, self.i16, self.i32 = _Bump(1), _Bump(2), _Bump(4)


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a network's arrays: its tables, and the lengths of the others.

    Attributes
    ----------
    registers, layers
        The tables.
    lengths
        Lengths of the arrays ``i8``, ``i16``, ``i32`` and ``lanes``.
    """

    registers: npt.NDArray[np.int64]
    layers: npt.NDArray[np.int64]
    lengths: dict[str, int]

    @property
    def nbytes(self) -> int:
        """Memory of the whole state, in bytes."""
        sizes = {name: np.dtype(kind).itemsize for name, kind in DTYPES.items()}
        flat = sum(count * sizes[name] for name, count in self.lengths.items())
        return flat + self.registers.nbytes + self.layers.nbytes

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array of the state."""
        if name in self.lengths:
            return (self.lengths[name],)
        shape: tuple[int, ...] = getattr(self, name).shape
        return shape


SELDOM = 4
"""Layers that step at most once in so many ticks keep their gradients as pairs."""


def allocate(spec: NetworkSpec, classes: int, *, compact: bool = True) -> State:
    """Allocate the zeroed state of a network with that many classes, and fill its tables.

    ``compact`` is as for :func:`lay_out`.

    Raises
    ------
    SpecError
        As for :func:`lay_out`.
    """
    layout = lay_out(spec, classes, compact=compact)
    state = State(
        registers=layout.registers,
        layers=layout.layers,
        **{name: aligned_zeros(count, DTYPES[name]) for name, count in layout.lengths.items()},
    )
    state.lanes[:] = 1
    if spec.temporal.units:
        start = int(state.layers[0, at.AT_T_DELAY])
        state.i32[start : start + len(spec.temporal.delays)] = spec.temporal.delays
    if spec.prototypes.size:
        state.i32[state.layers[0, at.AT_M_STATE] + LEARNS] = 1
    return state


def lay_out(spec: NetworkSpec, classes: int, *, compact: bool = True) -> Layout:
    """Lay a network's arrays out, without allocating them.

    Parameters
    ----------
    spec
        The network's specification.
    classes
        Number of classes.
    compact
        Whether layers that seldom step keep gradients as pairs of errors and traces where that
        takes less memory than sums, and of their stored weights what those in use leave; and
        whether refractory values of at most 7 bits are int8. The results are the same. Model files
        of earlier versions are not compact.

    Raises
    ------
    SpecError
        If a layer has no room on the map before it, the readout reads no layer, or the arrays
        together take more than ``MOST_BYTES``.
    """
    columns_needed = columns_of(
        spec.layers, temporal=spec.temporal.units > 0, prototypes=spec.prototypes.size > 0
    )
    layers = np.zeros((len(spec.layers), columns_needed), np.int64)
    heads = _Heads()
    features = 0
    compacted = False
    rows, columns, channels = spec.height, spec.width, spec.polarities
    input_at = heads.i8.take(rows * columns * channels)
    for n, layer in enumerate(spec.layers):
        L = layers[n]
        fill_shape(L, layer, n, rows, columns, channels)
        L[at.AT_INPUT] = input_at
        # The first tick is computed even without events: biases and activations are not zero.
        L[at.LIVE] = 1
        fill_learning(L, layer, spec)
        small = compact and _fits_int8(layer, spec)
        _place_neurons(L, layer, heads, small)
        compacted |= small
        if layer.plastic:
            kept = _pairs(L, spec) if compact else 0
            own = 0 if spec.learning.feedback == "trained" else classes
            _place_learning(L, layer, own, heads, kept)
            compacted |= kept > 0
            _place_options(L, spec.learning, classes, heads)
        if layer.read:
            L[at.AT_FEATURES] = features
            features += output_count(L)
        input_at = int(L[at.AT_OUTPUT])
        rows, columns, channels = int(L[at.OUT_ROWS]), int(L[at.OUT_COLUMNS]), layer.channels
    if spec.readout.answer == "local":
        layers[max(n for n, layer in enumerate(spec.layers) if layer.plastic), at.ANSWERS] = 1
    _check_drives(layers, spec)
    if features == 0 and spec.readout.answer == "trained":
        raise SpecError("No layer has read = true: the readout would have nothing to read.")
    registers = _registers(spec, classes, features, heads)
    registers[at.COMPACT] = compacted
    if spec.temporal.units:
        place_temporal(layers, spec, classes, (heads.i8.take, heads.i16.take, heads.i32.take))
    if spec.prototypes.size:
        place_prototypes(layers, spec, classes, (heads.i16.take, heads.i32.take))
    layers[:, at.AT_FEATURES] += registers[at.AT_FEATURE]
    lengths = {
        "i8": heads.i8.used,
        "i16": heads.i16.used,
        "i32": heads.i32.used,
        "lanes": max(64, spec.temporal.units, *(layer.channels for layer in spec.layers)),
    }
    layout = Layout(registers, layers, lengths)
    if layout.nbytes > MOST_BYTES:
        raise SpecError(
            f"The network needs {layout.nbytes / 2**30:,.1f} GiB of memory; allowed are "
            f"{MOST_BYTES / 2**30:g} GiB."
        )
    return layout


def _check_drives(layers: npt.NDArray[np.int64], spec: NetworkSpec) -> None:
    """Refuse general layers whose sums could leave 32 bits."""
    most = spec.front.most
    for n, (L, layer) in enumerate(zip(layers, spec.layers, strict=True)):
        if layer.general:
            check_drive(L, n, synapse_count(L) // layer.channels, most)
        most = layer.most_spikes * (layer.pool**2 if layer.pool_kind == "sum" else 1)


def _fits_int8(layer: LayerSpec, spec: NetworkSpec) -> bool:
    """Tell whether all refractory values of a layer fit into 8 bits."""
    if layer.traced or layer.general:
        return False
    if layer.reset == "refractory":
        return spec.widths.refractory <= 7
    return layer.refractory_ticks <= 127


def _place_neurons(L: npt.NDArray[np.int64], layer: LayerSpec, heads: _Heads, small: bool) -> None:
    """Place the arrays of every layer. Model files keep them in this order.

    ``small`` says that refractory values are int8.
    """
    neurons = neuron_count(L)
    L[at.AT_WEIGHTS] = heads.i8.take(synapse_count(L))
    L[at.AT_FIRED] = heads.i8.take(neurons)
    L[at.AT_OUTPUT] = heads.i8.take(output_count(L)) if layer.pool > 1 else L[at.AT_FIRED]
    if layer.general:
        place_general(L, layer, synapse_count(L), heads.i8.take, heads.i32.take)
    elif layer.traced:
        _place_traces(L, heads)
        # There is one sum per neuron, which stands for current and membrane.
        L[at.AT_U] = L[at.AT_V] = heads.i32.take(neurons)
        L[at.AT_R] = heads.i32.take(neurons)
    else:
        L[at.AT_DRIVE] = heads.i16.take(neurons)
        for column in (at.AT_U, at.AT_V):
            L[column] = heads.i32.take(neurons)
        if small:
            L[at.AT_SMALL_R], L[at.AT_R] = heads.i8.take(neurons), -1
        else:
            L[at.AT_R] = heads.i32.take(neurons)
    L[at.AT_TABLE] = heads.i32.take(neuron.PARAMETERS * layer.channels)
    L[at.AT_COUNT] = heads.i32.take(layer.channels)


def _place_traces(L: npt.NDArray[np.int64], heads: _Heads) -> None:
    """Place the traces of a layer's input map."""
    inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
    L[at.AT_Q] = heads.i16.take(inputs)
    L[at.AT_P] = heads.i16.take(inputs)


def _place_learning(
    L: npt.NDArray[np.int64], layer: LayerSpec, classes: int, heads: _Heads, pairs: int
) -> None:
    """Place the arrays of a layer that can learn. Model files keep them in this order.

    ``classes`` is how many its own readout has; ``pairs`` is how many gradients it keeps as pairs;
    0 for a sum per synapse.
    """
    neurons, outputs, synapses = neuron_count(L), output_count(L), synapse_count(L)
    L[at.AT_ACTIVATION] = heads.i8.take(neurons)
    L[at.AT_DELTA] = heads.i8.take(max(pairs, 1) * neurons)
    L[at.AT_OUT_ACTIVATION], L[at.AT_OUT_DELTA] = L[at.AT_ACTIVATION], L[at.AT_DELTA]
    if layer.pool > 1:
        L[at.AT_OUT_ACTIVATION] = heads.i8.take(outputs)
        L[at.AT_OUT_DELTA] = heads.i8.take(outputs)
    L[at.AT_G] = heads.i8.take(classes * outputs)
    if pairs and L[at.USED_SHIFT] <= 7:
        L[at.AT_REST], L[at.AT_STORE] = heads.i8.take(synapses), -1
    else:
        L[at.AT_STORE] = heads.i16.take(synapses)
    if not layer.traced:
        _place_traces(L, heads)
    if pairs:
        inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
        L[at.AT_PAIR_TRACES] = heads.i8.take(pairs * inputs)
        L[at.AT_GRADIENT] = -1
    else:
        L[at.AT_GRADIENT] = heads.i32.take(synapses)
    L[at.AT_BIAS_GRADIENT] = heads.i32.take(layer.channels)
    L[at.AT_MEAN] = heads.i32.take(classes)


def _pairs(L: npt.NDArray[np.int64], spec: NetworkSpec) -> int:
    """Return how many gradients a layer keeps as pairs; 0 where sums are needed, or smaller."""
    learn, widths = spec.learning, spec.widths
    # Stepping sixteen channels at a time takes 1.5 times as long: it pays where steps are rare.
    if learn.cadence * learn.apply_every < SELDOM:
        return 0
    shift = learn.trace_shift + widths.p - BASE.p
    # Kept traces have 7 bits. Gradients of a whole layer are measured before any is applied.
    if shift < 0 or widths.p - shift > 7 or learn.gradient_scale == "tensor":
        return 0
    inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
    size = (learn.apply_every - 1) * neuron_count(L) + learn.apply_every * inputs
    return learn.apply_every if 0 < size < 4 * synapse_count(L) and learn.apply_every > 0 else 0


def _place_options(
    L: npt.NDArray[np.int64], learn: LearningSpec, classes: int, heads: _Heads
) -> None:
    """Place what only some ways of learning need, behind all that every one does."""
    if learn.feedback == "trained":
        L[at.AT_FEEDBACK] = -1
    if learn.feedback == "concordant":
        L[at.AT_FEEDBACK] = heads.i8.take(classes * output_count(L))
    if learn.learn_biases:
        L[at.AT_BIAS_STORE] = heads.i16.take(int(L[at.CHANNELS]))


def _registers(
    spec: NetworkSpec, classes: int, features: int, heads: _Heads
) -> npt.NDArray[np.int64]:
    """Place the readout's arrays, and fill in the network's registers."""
    R = np.zeros(at.REGISTERS + classes, np.int64)
    R[at.AT_FEATURE] = heads.i16.take(features)
    R[at.AT_NORMAL] = heads.i16.take(features)
    R[at.AT_READ_STORE] = heads.i16.take(classes * features)
    R[at.AT_SLOTS] = heads.i8.take(classes * spec.readout.slots * -(-features // 8))
    R[at.CLASSES] = classes
    R[at.FEATURES] = features
    R[at.LABEL] = -1
    R[at.RESULT_EVERY] = spec.result_every
    R[at.CADENCE] = spec.learning.cadence
    R[at.BURN_IN] = spec.learning.burn_in
    R[at.APPLY_EVERY] = spec.learning.apply_every
    R[at.READ_EVERY] = spec.readout.every
    R[at.SLOTS] = spec.readout.slots
    R[at.REPLAYS] = spec.readout.replays
    R[at.FEATURE_KICK] = spec.readout.kick
    R[at.FEATURE_SLOW] = spec.readout.slow
    R[at.READ_TARGET] = spec.readout.target
    R[at.READ_SHIFT] = spec.readout.shift
    R[at.READ_DEAD_ZONE] = spec.readout.dead_zone
    R[at.PERIOD] = spec.learning.period
    R[at.LEARN_LAYERS] = 1
    R[at.LOCAL_GAIN] = spec.readout.local_from << 16 | spec.readout.local_gain
    R[at.GAIN] = spec.gain.packed(spec.learning)
    R[at.INPUT_MOST] = spec.front.most if spec.front.most > 1 else 0
    if spec.readout.answer == "output":
        R[at.OWN_CLASSES] = spec.layers[-1].channels
    return R
