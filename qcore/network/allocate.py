"""Lay a network's arrays out in flat arrays and fill the layer table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.network.layer_spec import FULL, LayerSpec
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.schedule import WIDEST_STORE, fine_step
from spikewire.qcore.network.spec import ROUNDS, NetworkSpec, Widths

RESETS = {
    "zero": neuron.RESET_ZERO,
    "subtract": neuron.RESET_SUBTRACT,
    "refractory": neuron.RESET_REFRACTORY,
}

POOLS = {"or": at.POOL_OR, "sum": at.POOL_SUM}

BASE = Widths()
"""The widths in which the settings of :class:`LearningSpec` and ``slope`` are given."""

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
        return State(*(array.copy() for array in self.arrays()))


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
        **{name: np.zeros(count, DTYPES[name]) for name, count in layout.lengths.items()},
    )
    state.lanes[:] = 1
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
    layers = np.zeros((len(spec.layers), at.LAYER_COLUMNS), np.int64)
    heads = _Heads()
    features = 0
    compacted = False
    rows, columns, channels = spec.height, spec.width, spec.polarities
    input_at = heads.i8.take(rows * columns * channels)
    for n, layer in enumerate(spec.layers):
        L = layers[n]
        _shape(L, layer, n, rows, columns, channels)
        L[at.AT_INPUT] = input_at
        # The first tick is computed even without events: biases and activations are not zero.
        L[at.LIVE] = 1
        _learning(L, layer, spec)
        small = compact and _fits_int8(layer, spec)
        _place_neurons(L, layer, heads, small)
        compacted |= small
        if layer.plastic:
            kept = _pairs(L, spec) if compact else 0
            _place_learning(L, layer, classes, heads, kept)
            compacted |= kept > 0
            _place_options(L, spec.learning, classes, heads)
        if layer.read:
            L[at.AT_FEATURES] = features
            features += _outputs(L)
        input_at = int(L[at.AT_OUTPUT])
        rows, columns, channels = int(L[at.OUT_ROWS]), int(L[at.OUT_COLUMNS]), layer.channels
    if spec.readout.answer == "local":
        layers[max(n for n, layer in enumerate(spec.layers) if layer.plastic), at.ANSWERS] = 1
    if features == 0 and spec.readout.answer == "trained":
        raise SpecError("No layer has read = true: the readout would have nothing to read.")
    registers = _registers(spec, classes, features, heads)
    registers[at.COMPACT] = compacted
    layers[:, at.AT_FEATURES] += registers[at.AT_FEATURE]
    lengths = {
        "i8": heads.i8.used,
        "i16": heads.i16.used,
        "i32": heads.i32.used,
        "lanes": max(64, *(layer.channels for layer in spec.layers)),
    }
    layout = Layout(registers, layers, lengths)
    if layout.nbytes > MOST_BYTES:
        raise SpecError(
            f"The network needs {layout.nbytes / 2**30:,.1f} GiB of memory; allowed are "
            f"{MOST_BYTES / 2**30:g} GiB."
        )
    return layout


def _neurons(L: npt.NDArray[np.int64]) -> int:
    return int(L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS])


def _outputs(L: npt.NDArray[np.int64]) -> int:
    return int(L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS])


def _synapses(L: npt.NDArray[np.int64]) -> int:
    return int(L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X] * L[at.CHANNELS])


def _fits_int8(layer: LayerSpec, spec: NetworkSpec) -> bool:
    """Tell whether all refractory values of a layer fit into 8 bits."""
    if layer.traced:
        return False
    if layer.reset == "refractory":
        return spec.widths.refractory <= 7
    return layer.refractory_ticks <= 127


def _place_neurons(L: npt.NDArray[np.int64], layer: LayerSpec, heads: _Heads, small: bool) -> None:
    """Place the arrays of every layer. Model files keep them in this order.

    ``small`` says that refractory values are int8.
    """
    neurons = _neurons(L)
    L[at.AT_WEIGHTS] = heads.i8.take(_synapses(L))
    L[at.AT_FIRED] = heads.i8.take(neurons)
    L[at.AT_OUTPUT] = heads.i8.take(_outputs(L)) if layer.pool > 1 else L[at.AT_FIRED]
    if layer.traced:
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

    ``pairs`` is how many gradients it keeps as pairs; 0 for a sum per synapse.
    """
    neurons, outputs, synapses = _neurons(L), _outputs(L), _synapses(L)
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
    size = (learn.apply_every - 1) * _neurons(L) + learn.apply_every * inputs
    return learn.apply_every if 0 < size < 4 * _synapses(L) and learn.apply_every > 0 else 0


def _place_options(
    L: npt.NDArray[np.int64], learn: LearningSpec, classes: int, heads: _Heads
) -> None:
    """Place what only some ways of learning need, behind all that every one does."""
    if learn.feedback == "concordant":
        L[at.AT_FEEDBACK] = heads.i8.take(classes * _outputs(L))
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
    R[at.LOCAL_GAIN] = spec.readout.local_gain
    return R


def _shape(
    L: npt.NDArray[np.int64], layer: LayerSpec, n: int, rows: int, columns: int, channels: int
) -> None:
    L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS] = rows, columns, channels
    L[at.CHANNELS] = layer.channels
    L[at.POOL] = layer.pool
    L[at.POOL_KIND] = POOLS[layer.pool_kind] if layer.pool > 1 else at.POOL_OR
    if layer.kind == "dense":
        L[at.KIND] = at.DENSE
        L[at.KERNEL_Y], L[at.KERNEL_X], L[at.STRIDE] = rows, columns, 1
        out_rows = out_columns = 1
    else:
        L[at.KIND] = at.CONV
        L[at.KERNEL_Y] = L[at.KERNEL_X] = layer.kernel
        L[at.STRIDE] = layer.stride
        L[at.PAD_Y] = L[at.PAD_X] = layer.pad
        out_rows = (rows + 2 * layer.pad - layer.kernel) // layer.stride + 1
        out_columns = (columns + 2 * layer.pad - layer.kernel) // layer.stride + 1
    pooled_rows, pooled_columns = out_rows // layer.pool, out_columns // layer.pool
    if pooled_rows < 1 or pooled_columns < 1:
        raise SpecError(
            f"layers[{n}] leaves nothing of a {rows}x{columns} map: kernel {layer.kernel}, "
            f"stride {layer.stride}, pad {layer.pad}, pool {layer.pool}."
        )
    L[at.ROWS], L[at.COLUMNS] = out_rows, out_columns
    L[at.OUT_ROWS], L[at.OUT_COLUMNS] = pooled_rows, pooled_columns


def _learning(L: npt.NDArray[np.int64], layer: LayerSpec, spec: NetworkSpec) -> None:
    """Fill in the settings, rescaled so that narrower numbers cover the same range, more coarsely.

    A weight of fewer bits is cut from the same store; the exponent makes up for the bits left out.
    An activation of fewer bits has larger steps, so readouts come out smaller by as much, and
    their targets and shifts with them; likewise for readouts and errors. A trace's kick and rail
    follow its width, and gradients are shifted less.
    """
    learn, widths = spec.learning, spec.widths
    # By how many bits the local readout's sums are larger than at the base widths.
    taller = (widths.readout - BASE.readout) + (widths.activation - BASE.activation)
    finer = widths.error - BASE.error
    L[at.EXPONENT] = layer.exponent + BASE.weight - widths.weight
    L[at.RESET] = RESETS[layer.reset]
    L[at.SLOPE] = max(0, layer.slope + BASE.activation - widths.activation)
    L[at.COARSE_BITS] = 0 if widths.refractory == FULL else widths.refractory
    leaks = _leak(layer.decay_u), _leak(layer.decay_v)
    L[at.LEAK_U], L[at.LEAK_V] = leaks if min(leaks) >= 0 else (-1, -1)
    L[at.RATE_LOW] = layer.activity * 65536 // 2000
    L[at.RATE_HIGH] = layer.activity * 65536 // 500
    L[at.RAIL] = 2**widths.activation - 1
    L[at.PLASTIC] = layer.plastic
    L[at.READ] = layer.read
    L[at.STORE_RAIL] = 2 ** (widths.store - 1) - 1
    L[at.USED_SHIFT] = widths.store - widths.weight
    L[at.LEARN_TARGET] = _scaled(learn.target, taller)
    L[at.ERROR_SHIFT] = max(0, learn.error_shift + taller - finer)
    L[at.ERROR_RAIL] = 2 ** (widths.error - 1) - 1
    L[at.DEAD_ZONE] = _scaled(learn.dead_zone, finer)
    coarser = BASE.delta - widths.delta
    L[at.DELTA_SHIFT] = max(0, learn.delta_shift + widths.readout - BASE.readout + finer + coarser)
    _ways(L, learn, widths)
    L[at.TRACE_SHIFT] = learn.trace_shift + widths.p - BASE.p
    if spec.version >= ROUNDS:
        L[at.ROUNDED] = 1
        L[at.STEP_BITS] = WIDEST_STORE - widths.store
    L[at.STEP] = fine_step(spec, learn.step)
    L[at.BIAS_STEP] = learn.bias_step
    L[at.KICK] = _scaled(120, widths.q - BASE.q)
    L[at.Q_RAIL] = 2**widths.q - 1
    L[at.P_LIFT] = widths.p - widths.q
    L[at.FAST] = 3
    L[at.SLOW] = learn.slow
    L[at.R_NEAREST] = layer.refractory_rounding == "nearest"
    L[at.OWN_KICK] = layer.refractory_kick > 0
    if layer.traced:
        _dynamics(L, layer, widths)


def _dynamics(L: npt.NDArray[np.int64], layer: LayerSpec, widths: Widths) -> None:
    """Fill in the settings of a layer on traces: its traces' own decays, kick and range."""
    L[at.DYNAMICS] = at.TRACES
    L[at.DECAY_Q], L[at.DECAY_P] = layer.decay_u, layer.decay_v
    L[at.KICK] = min(int(L[at.DECAY_Q]) << (widths.q + layer.trace_gain), 2**29)
    L[at.P_RAIL] = 2**widths.p - 1
    # By default a sum's unit is the neuron's, at the base widths.
    narrower = BASE.weight - widths.weight + BASE.p - widths.p
    L[at.SUM_LIFT] = layer.exponent - 4 + narrower


def _ways(L: npt.NDArray[np.int64], learn: LearningSpec, widths: Widths) -> None:
    """Fill in the ways of learning; all are 0 by default, as in model files without them."""
    L[at.DELTA_CUT] = BASE.delta - widths.delta
    L[at.ERROR_LARGEST] = learn.error_scale == "largest"
    L[at.DELTA_LARGEST] = learn.delta_scale == "largest"
    L[at.GRADIENT_KIND] = at.BY_TENSOR * (learn.gradient_scale == "tensor")
    L[at.GRADIENT_KIND] += at.WITH_MEAN * (not learn.centre_gradients)
    L[at.SIGMOID_BITS] = widths.activation if learn.surrogate == "sigmoid" else 0
    if learn.learn_biases:
        L[at.BIAS_EXPONENT] = learn.bias_exponent + BASE.weight - widths.weight


def _leak(decay: int | list[int] | tuple[int, ...]) -> int:
    """Return n if all decays are ``4096 / 2**n``, else -1."""
    values = {decay} if isinstance(decay, int) else set(decay)
    value = values.pop()
    return 13 - value.bit_length() if not values and value.bit_count() == 1 else -1


def _scaled(value: int, bits: int) -> int:
    """Return ``value * 2**bits``, rounded down."""
    return value << bits if bits >= 0 else value >> -bits
