"""A chain of NIR nodes as layers of the engine, in integers: settings and arrays of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.chain import Chain, Stage
from spikewire.qcore.interop.nir.convention import MANY, Convention
from spikewire.qcore.interop.nir.graph import Floats, Node
from spikewire.qcore.interop.nir.linear import (
    Conv,
    Dense,
    Linear,
    Shape,
    as_dense,
    compose,
    output_shape,
    take_pooling,
)
from spikewire.qcore.interop.nir.neurons import Dynamics, dynamics_of
from spikewire.qcore.interop.nir.quantise import FloatLayer, Reach, WholeLayer, quantise
from spikewire.qcore.interop.nir.shape import checked_shape, input_shape
from spikewire.qcore.interop.report import LayerReport

MOST_CHANNELS = 4096
MOST_DELAY = 63
COARSE, FINE = 12, 16
"""Bits of decays: of all layers, and of those whose decays these do not tell."""

NEAR = 2e-6
LEAST_DECAY = 16
"""Slower decays are too coarse for a gain to be told from them."""


@dataclass(slots=True)
class PlannedLayer:
    """One layer: settings as of :class:`LayerSpec`, and its arrays.

    Attributes
    ----------
    settings
        Settings of the specification.
    weights, recurrent, delays, biases
        Arrays as the engine takes them.
    shape
        Channels, rows and columns of its neurons.
    report
        What became of it.
    """

    settings: dict[str, Any]
    weights: npt.NDArray[np.int8]
    recurrent: npt.NDArray[np.int8] | None
    delays: npt.NDArray[np.int8] | None
    biases: npt.NDArray[np.int32] | None
    shape: Shape
    report: LayerReport


@dataclass(slots=True)
class Plan:
    """A whole network: the shape of its input, and its layers."""

    input: Shape
    layers: list[PlannedLayer] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)


def make_plan(chain: Chain, rules: Convention, bits: int, shape: Shape | None) -> Plan:
    """Plan all layers.

    Parameters
    ----------
    chain
        The graph's chain.
    rules
        What it does not carry.
    bits
        Bits of a weight.
    shape
        Channels, rows and columns of the input, where the graph has a vector.

    Raises
    ------
    ModelError
        If a node does not fit, or the engine has no counterpart of it.
    """
    plan = Plan(checked_shape(input_shape(chain, shape)))
    now = plan.input
    if any(node.kind != "Flatten" for node in chain.tail):
        raise ModelError(f"The graph ends with {chain.tail[0]}; supported at the end are neurons.")
    for stage in chain.stages:
        nodes, scale = stage.linear, 1.0
        if plan.layers:
            nodes, now, scale = _pool_before(plan.layers[-1], nodes, now)
        layer = _plan_layer(stage, nodes, now, rules, bits, scale)
        plan.layers.append(layer)
        now = layer.shape
    return plan


def _pool_before(
    layer: PlannedLayer, nodes: list[Node], now: Shape
) -> tuple[list[Node], Shape, float]:
    """Let the layer before pool, if the first node asks for what it can do."""
    most = int(layer.settings.get("most_spikes", 1))
    pooling, rest = take_pooling([n for n in nodes if n.kind != "Flatten"], now, most)
    if pooling is None:
        return nodes, now, 1.0
    layer.settings |= {"pool": pooling.size, "pool_kind": "sum"}
    if most > 1:
        layer.settings["most_spikes"] = MANY // pooling.size**2
    return rest, (now[0], now[1] // pooling.size, now[2] // pooling.size), pooling.scale


def _plan_layer(
    stage: Stage, nodes: list[Node], shape: Shape, rules: Convention, bits: int, scale: float
) -> PlannedLayer:
    node = stage.neuron
    linear = compose(nodes, shape)
    out = output_shape(linear, shape, str(node))
    neurons = dynamics_of(node, out, rules)
    decay_bits = _decay_bits(neurons)
    neurons = _compensated(neurons, decay_bits)
    if isinstance(linear, Conv) and not (
        node.spikes and _fits_engine(linear) and _by_channel(neurons) and not stage.loops
    ):
        linear = as_dense(linear, shape, str(node))
        count = linear.weight.shape[0]
        neurons, out = _reshaped(neurons, (count, 1, 1)), (count, 1, 1)
    if out[0] > MOST_CHANNELS:
        raise ModelError(f"In {node} there are {out[0]:,} channels; allowed are {MOST_CHANNELS:,}.")
    gain = neurons.gain[:, 0, 0]
    back, extra = _loops(stage, out, gain)
    weights = linear.weight * gain.reshape(-1, *[1] * (linear.weight.ndim - 1)) * scale
    drive = linear.bias * gain + extra
    leak = neurons.leak[:, 0, 0]
    if neurons.filtered and leak.any() and drive.any():
        raise ModelError(
            f"In {node} v_leak is not 0, and its inputs have a bias: supported is one of the two."
        )
    whole = quantise(
        FloatLayer(
            weights, back, _first(neurons.threshold), _first(neurons.floor),
            drive + leak, bool((_decays(neurons.keep_v, FINE) % 2**FINE).any() or neurons.filtered),
            _reach(neurons, rules),
        ),
        bits, str(node), rules.whole,
    )  # fmt: skip
    return _layer(stage, nodes, shape, out, linear, neurons, whole, rules, decay_bits)


def _layer(
    stage: Stage, nodes: list[Node], shape: Shape, out: Shape, linear: Linear,
    neurons: Dynamics, whole: WholeLayer, rules: Convention, bits: int,
) -> PlannedLayer:  # fmt: skip
    node = stage.neuron
    decay_u, decay_v = _decays(neurons.keep_u, bits), _decays(neurons.keep_v, bits)
    settings: dict[str, Any] = {
        "channels": out[0],
        "decay_u": _compact(decay_u[:, 0, 0]),
        "decay_v": _compact(decay_v[:, 0, 0]),
        "exponent": whole.exponent,
        "bias": _compact(whole.biases),
        "refractory_ticks": 0,
        "plastic": False,
        "read": False,
        **_shape_settings(linear),
        **_neuron_settings(node, whole, rules),
    }
    if bits != COARSE:
        settings["decay_bits"] = bits
    if neurons.filtered and whole.biases.any() and not neurons.leak.any():
        settings["bias_to"] = "current"
    if whole.recurrent is not None:
        settings |= {"recurrent": True, "recurrent_exponent": whole.recurrent_exponent}
    delays = _delays(nodes, shape, rules, settings)
    worst = max(
        float(np.abs(1 - decays / 2**bits - keeps).max())
        for decays, keeps in ((decay_u, neurons.keep_u), (decay_v, neurons.keep_v))
    )
    kind = "conv" if isinstance(linear, Conv) else "dense"
    lowest = 0 if whole.threshold is None else int(whole.threshold.min())
    report = LayerReport(
        node.name, f"{kind} {node.kind}", whole.weight_error, worst, lowest, whole.exponent,
        (*neurons.notes, *whole.notes),
    )  # fmt: skip
    weights = _engine_weights(linear, whole.weights, shape)
    return PlannedLayer(settings, weights, whole.recurrent, delays, None, out, report)


def _shape_settings(linear: Linear) -> dict[str, Any]:
    if isinstance(linear, Dense):
        return {"kind": "dense"}
    rows, columns = linear.weight.shape[2:]
    settings: dict[str, Any] = {
        "kind": "conv",
        "kernel": rows,
        "stride": linear.stride[0],
        "pad": linear.pad[0],
    }
    if columns != rows:
        settings["kernel_x"] = columns
    if linear.dilation[0] > 1:
        settings["dilation"] = linear.dilation[0]
    for name, pair in (("stride", linear.stride), ("dilation", linear.dilation)):
        if pair[0] != pair[1]:
            settings[f"{name}_x"] = pair[1]
    if linear.pad[0] != linear.pad[1]:
        settings["pad_x"] = linear.pad[1]
    if linear.groups > 1:
        settings["groups"] = linear.groups
    return settings


def _neuron_settings(node: Node, whole: WholeLayer, rules: Convention) -> dict[str, Any]:
    if whole.threshold is None:
        return {"kind": "membranes"}
    settings: dict[str, Any] = {"threshold": _compact(whole.threshold)}
    if node.kind == "Threshold":
        return {**settings, "reset": "zero"}
    settings["reset"] = "subtract" if rules.reset == "late" else rules.reset
    if rules.reset == "late":
        settings["reset_late"] = True
    if rules.reached:
        settings["fires"] = "reached"
    if rules.spikes == "many":
        settings["most_spikes"] = MANY
    if whole.floor is not None:
        settings["floor"] = _compact(whole.floor)
    return settings


def _loops(
    stage: Stage, out: Shape, gain: Floats
) -> tuple[Floats | None, npt.NDArray[np.float64] | float]:
    """Add up the recurrent edges of a layer: weights to and from its neurons, and biases."""
    if not stage.loops:
        return None, 0.0
    count = out[0]
    weights, biases = np.zeros((count, count)), np.zeros(count)
    for nodes in stage.loops:
        if any(node.kind == "Delay" for node in nodes):
            raise ModelError(
                f"The recurrent edge of {stage.neuron} has a delay; supported is one step."
            )
        loop = as_dense(compose(nodes, out), out, f"the recurrent edge of {stage.neuron}")
        if loop.weight.shape[0] != count:
            raise ModelError(
                f"The recurrent edge of {stage.neuron} leads to {loop.weight.shape[0]} neurons "
                f"of {count}."
            )
        weights += loop.weight
        biases += loop.bias
    return weights * gain[:, None], biases * gain


def _delays(
    nodes: list[Node], shape: Shape, rules: Convention, settings: dict[str, Any]
) -> npt.NDArray[np.int8] | None:
    """Return delays of the units that feed a layer, or set one delay of them all."""
    total = np.zeros(shape)
    behind = False
    found = False
    for node in nodes:
        if node.kind not in ("Delay", "Flatten"):
            behind = True
        if node.kind != "Delay":
            continue
        found = True
        value = node.array("delay")
        if value.size != 1 and (behind or value.size != np.prod(shape)) and np.ptp(value) > 0:
            raise ModelError(
                f"In {node} {value.size:,} delays differ; supported are delays of the units that "
                "feed a layer, and one delay for all."
            )
        one = value.size == 1 or np.ptp(value) == 0
        total = total + (value.reshape(-1)[0] if one else value.reshape(shape))
    if not found:
        return None
    ticks = np.round(total / rules.dt)
    if ticks.min() < 0 or ticks.max() > MOST_DELAY:
        raise ModelError(
            f"The delays of {total.min():.3g} to {total.max():.3g} s are {ticks.min():.0f} to "
            f"{ticks.max():.0f} steps of dt = {rules.dt:g}; allowed are 0 to {MOST_DELAY}."
        )
    if np.ptp(ticks) == 0:
        if ticks.max() > 0:
            settings["delay"] = int(ticks.max())
        return None
    settings |= {"delays": int(ticks.max()), "delays_by": "input"}
    return np.ascontiguousarray(ticks.transpose(1, 2, 0)).astype(np.int8)


def _engine_weights(
    linear: Linear, weights: npt.NDArray[np.int8], shape: Shape
) -> npt.NDArray[np.int8]:
    """Order weights as the engine does: inputs, rows, columns, outputs."""
    if isinstance(linear, Conv):
        return np.ascontiguousarray(weights.transpose(1, 2, 3, 0))
    return np.ascontiguousarray(weights.T.reshape(*shape, len(weights)))


def _decays(keep: Floats, bits: int) -> npt.NDArray[np.int64]:
    one = float(2**bits)
    return np.clip(np.round(one * (1 - keep)), 0, one).astype(np.int64)


def _decay_bits(neurons: Dynamics) -> int:
    """Return the bits that decays need: 12 where those tell them, else 16."""
    keeps = np.stack([neurons.keep_u, neurons.keep_v])
    error = np.abs(1 - _decays(keeps, COARSE) / 2**COARSE - keeps).max()
    return COARSE if error < NEAR else FINE


def _reach(neurons: Dynamics, rules: Convention) -> Reach:
    """Return how far drives move membranes; without a leak they move for ever."""
    current, own = (1 / np.maximum(1 - k[:, 0, 0], 1e-9) for k in (neurons.keep_u, neurons.keep_v))
    return Reach(current, current * own, rules.reset == "zero" or rules.spikes == "many")


def _compensated(neurons: Dynamics, bits: int) -> Dynamics:
    """Scale inputs so that constant ones give the current of decays that are not rounded.

    Over time the errors of decays add up to a wrong gain, which weights can undo. The membrane's
    own is left: it has the same effect on inputs and on what a spike subtracts.
    """
    decay = _decays(neurons.keep_u, bits)
    matters = (decay >= LEAST_DECAY) & (decay < 2**bits)
    factor = np.ones_like(neurons.gain)
    factor[matters] = decay[matters] / 2**bits / (1 - neurons.keep_u[matters])
    return replace(neurons, gain=neurons.gain * factor)


def _fits_engine(conv: Conv) -> bool:
    """Tell whether the engine has such a convolution; others become matrices."""
    return (
        max(conv.weight.shape[2:]) <= 64
        and max(conv.stride) <= 16
        and max(conv.pad) <= 64
        and max(conv.dilation) <= 64
    )


def _by_channel(neurons: Dynamics) -> bool:
    """Tell whether the neurons of a channel are all alike."""
    arrays = (neurons.keep_u, neurons.keep_v, neurons.gain, neurons.leak)
    optional = [a for a in (neurons.threshold, neurons.floor) if a is not None]
    return all(
        np.ptp(a.reshape(len(a), -1), 1).max() <= 1e-6 * np.abs(a).max()
        for a in (*arrays, *optional)
    )


def _reshaped(neurons: Dynamics, shape: Shape) -> Dynamics:
    def flat(array: Floats | None) -> Any:
        return None if array is None else array.reshape(shape)

    names = ("keep_u", "keep_v", "gain", "leak", "threshold", "floor")
    return replace(neurons, **{name: flat(getattr(neurons, name)) for name in names})


def _first(array: Floats | None) -> Floats | None:
    return None if array is None else np.ascontiguousarray(array[:, 0, 0])


def _compact(values: npt.NDArray[np.int64]) -> int | tuple[int, ...]:
    """Return one value if all are the same, else a tuple."""
    if (values == values[0]).all():
        return int(values[0])
    return tuple(int(value) for value in values)
