"""Settings of a layer in the layer table: its shape, its neurons, and how it learns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.network.general_table import fill_general
from spikewire.qcore.network.layer_spec import FULL, LayerSpec
from spikewire.qcore.network.learning_spec import NO_CARRY, LearningSpec
from spikewire.qcore.network.schedule import WIDEST_STORE, fine_step
from spikewire.qcore.network.spec import ROUNDS, NetworkSpec, Widths

RESETS = {
    "zero": neuron.RESET_ZERO,
    "subtract": neuron.RESET_SUBTRACT,
    "refractory": neuron.RESET_REFRACTORY,
    "none": neuron.RESET_NONE,
}

POOLS = {"or": at.POOL_OR, "sum": at.POOL_SUM}

BASE = Widths()
"""The widths in which the settings of :class:`LearningSpec` and ``slope`` are given."""


def neuron_count(L: npt.NDArray[np.int64]) -> int:
    """Count the neurons of a layer, before pooling."""
    return int(L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS])


def output_count(L: npt.NDArray[np.int64]) -> int:
    """Count the units of a layer's output map, after pooling."""
    return int(L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS])


def synapse_count(L: npt.NDArray[np.int64]) -> int:
    """Count the weights of a layer."""
    return int(group_inputs(L) * L[at.KERNEL_Y] * L[at.KERNEL_X] * L[at.CHANNELS])


def group_inputs(L: npt.NDArray[np.int64]) -> int:
    """Count the input channels that a neuron sees: all, or those of its group."""
    groups = L[at.GROUPS] if L[at.DYNAMICS] == at.GENERAL else 1
    return int(L[at.IN_CHANNELS] // groups)


def fill_shape(
    L: npt.NDArray[np.int64], layer: LayerSpec, n: int, rows: int, columns: int, channels: int
) -> None:
    """Fill in the shape of layer ``n``, which reads a map of ``rows``, ``columns``, ``channels``.

    Raises
    ------
    SpecError
        If nothing is left of the map.
    """
    L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS] = rows, columns, channels
    L[at.CHANNELS] = layer.channels
    L[at.POOL] = layer.pool
    L[at.POOL_KIND] = POOLS[layer.pool_kind] if layer.pool > 1 else at.POOL_OR
    if layer.general:
        fill_general(L, layer, n)
    if layer.kind != "conv":
        L[at.KIND] = at.DENSE
        L[at.KERNEL_Y], L[at.KERNEL_X], L[at.STRIDE] = rows, columns, 1
        out_rows = out_columns = 1
    else:
        L[at.KIND] = at.CONV
        kernel_x, stride_x = layer.kernel_x or layer.kernel, layer.stride_x or layer.stride
        pad_x = layer.pad if layer.pad_x < 0 else layer.pad_x
        L[at.KERNEL_Y], L[at.KERNEL_X] = layer.kernel, kernel_x
        L[at.STRIDE] = layer.stride
        L[at.PAD_Y], L[at.PAD_X] = layer.pad, pad_x
        tall = (layer.kernel - 1) * layer.dilation + 1
        wide = (kernel_x - 1) * (layer.dilation_x or layer.dilation) + 1
        out_rows = (rows + 2 * layer.pad - tall) // layer.stride + 1
        out_columns = (columns + 2 * pad_x - wide) // stride_x + 1
    pooled_rows, pooled_columns = out_rows // layer.pool, out_columns // layer.pool
    if pooled_rows < 1 or pooled_columns < 1:
        raise SpecError(
            f"layers[{n}] leaves nothing of a {rows}x{columns} map: kernel {layer.kernel}, "
            f"stride {layer.stride}, pad {layer.pad}, pool {layer.pool}."
        )
    L[at.ROWS], L[at.COLUMNS] = out_rows, out_columns
    L[at.OUT_ROWS], L[at.OUT_COLUMNS] = pooled_rows, pooled_columns


def fill_learning(L: npt.NDArray[np.int64], layer: LayerSpec, spec: NetworkSpec) -> None:
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
    if learn.feedback == "trained" and learn.carry_shift != NO_CARRY:
        # Weights times deltas are added to errors: their unit follows the widths of all three.
        narrower = BASE.weight - widths.weight + coarser + finer
        L[at.ERROR_SHIFT] = -1 - min(max(0, learn.carry_shift - narrower), 30)
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
