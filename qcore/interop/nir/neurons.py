"""Neurons of a NIR graph as one rule: decays, gains, thresholds and resets of each neuron.

Every kind becomes ``u <- keep_u * u + gain * x;  v <- keep_v * v + u + leak``, with a membrane that
is counted from its reset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.convention import Convention
from spikewire.qcore.interop.nir.graph import Floats, Node
from spikewire.qcore.interop.nir.linear import Shape

_NORSE_DT = 1e-3


@dataclass(frozen=True, slots=True)
class Dynamics:
    """The neurons of a layer; every array is float64[channels, rows, columns].

    Attributes
    ----------
    keep_u, keep_v
        Shares of current and membrane that a tick keeps; 0 for a current that does not last.
    gain
        Factor of inputs, into the unit of the membrane.
    leak
        Constant that a tick adds to the membrane.
    threshold, floor
        Membranes that fire, and the lowest; None without.
    filtered
        Whether inputs, biases among them, pass through a synaptic current.
    notes
        Sentences about what was assumed.
    """

    keep_u: Floats
    keep_v: Floats
    gain: Floats
    leak: Floats
    threshold: Floats | None
    floor: Floats | None
    filtered: bool
    notes: tuple[str, ...] = ()


def dynamics_of(node: Node, shape: Shape, rules: Convention) -> Dynamics:
    """Translate neurons.

    Parameters
    ----------
    node
        The neurons.
    shape
        Channels, rows and columns of what feeds them.
    rules
        What the graph does not carry.

    Raises
    ------
    ModelError
        If a parameter is missing, does not fit, or is impossible.
    """
    one, zero = np.ones(shape), np.zeros(shape)
    if node.kind == "Threshold":
        level = _positive(node, "threshold", _spread(node, "threshold", shape))
        return Dynamics(zero, zero, one, zero, level, None, False)
    notes: list[str] = []
    reset = zero
    if node.spikes:
        reset = _spread(node, "v_reset", shape, 0.0)
        if reset.any():
            notes.append("Membranes begin at their reset.")
            if rules.reset != "zero":
                raise ModelError(
                    f"In {node} v_reset is not 0, which a reset by subtraction does not use."
                )
    keep_v, gain, leak = _membrane(node, shape, rules, reset, notes)
    keep_u = zero
    filtered = node.kind in ("CubaLIF", "CubaLI")
    if filtered:
        keep_u, into = _synapse(node, shape, rules, notes)
        gain = gain * into
    threshold: Floats | None = None
    floor: Floats | None = None
    if node.spikes:
        graphs = _spread(node, "v_threshold", shape)
        threshold = _positive(node, "v_threshold", graphs - reset)
        floor = rules.floor_of(node, graphs)
        floor = None if floor is None else np.minimum(floor - reset, 0)
    return Dynamics(keep_u, keep_v, gain, leak, threshold, floor, filtered, tuple(notes))


def _membrane(
    node: Node, shape: Shape, rules: Convention, reset: Floats, notes: list[str]
) -> tuple[Floats, Floats, Floats]:
    """Return what a membrane keeps, the gain of its inputs, and its constant."""
    one = np.ones(shape)
    if node.kind in ("IF", "I"):
        return one, _integrator_gain(node, shape, rules, notes), np.zeros(shape)
    name = "tau_mem" if node.kind.startswith("Cuba") else "tau"
    tau = _time(node, name, shape, rules, notes)
    keep = _keep(node, name, tau, rules)
    r = _spread(node, "r", shape)
    leak = (1 - keep) * (_spread(node, "v_leak", shape, 0.0) - reset)
    if rules.gain == "one" or (rules.like == "rockpool" and rules.gain is None):
        return keep, one, leak
    return keep, r * (1 - keep), leak


def _synapse(
    node: Node, shape: Shape, rules: Convention, notes: list[str]
) -> tuple[Floats, Floats]:
    """Return what a synaptic current keeps, and the gain of its inputs."""
    tau = _time(node, "tau_syn", shape, rules, notes)
    keep = _keep(node, "tau_syn", tau, rules)
    weight = _spread(node, "w_in", shape, 1.0)
    if rules.like == "rockpool":
        return keep, weight * keep
    if rules.like == "norse" or rules.gain == "one":
        return keep, weight
    return keep, weight * (1 - keep)


def _integrator_gain(node: Node, shape: Shape, rules: Convention, notes: list[str]) -> Floats:
    """Return the gain of neurons without a leak: ``r`` for spikes, ``r * dt`` for currents."""
    r = _spread(node, "r", shape)
    if rules.like in ("sinabs", "norse", "rockpool"):
        return r
    if rules.gain == "one":
        return np.ones(shape)
    if rules.gain == "step" or rules.like or np.allclose(r * rules.dt, 1):
        return r * rules.dt
    if np.allclose(r, 1):
        notes.append(
            "r is 1: a spike adds its weight to the membrane (gain one), not its weight times dt."
        )
        return np.ones(shape)
    raise ModelError(
        f"In {node} r is neither 1 nor 1 / dt, and does not tell what a spike adds: give gain "
        "(step: r * dt times its weight; one: its weight)."
    )


def _time(node: Node, name: str, shape: Shape, rules: Convention, notes: list[str]) -> Floats:
    tau = _positive(node, name, _spread(node, name, shape))
    if rules.like == "norse" and (tau < _NORSE_DT).all():
        # Norse 1.1.0 writes tau * dt: no membrane is shorter than a step of Euler's.
        notes.append(f"{name} is shorter than Norse's step: read as tau * dt, as Norse 1.1 writes.")
        return tau / _NORSE_DT
    return tau


def _keep(node: Node, name: str, tau: Floats, rules: Convention) -> Floats:
    if rules.decay == "exponential":
        return np.exp(-rules.dt / tau)
    keep = 1 - rules.dt / tau
    # Files hold 32-bit numbers.
    keep = np.where(np.abs(keep) < 1e-5, 0, keep)
    if keep.min(initial=0) < 0:
        raise ModelError(
            f"In {node} {name} is {tau.min():.3g}, shorter than the step dt = {rules.dt:g}; give "
            "a shorter dt, or the framework (like)."
        )
    return keep


def _positive(node: Node, name: str, value: Floats) -> Floats:
    if value.size == 0 or value.min() <= 0:
        raise ModelError(f"In {node} {name} is not above 0, or not above v_reset.")
    return value


def _spread(node: Node, name: str, shape: Shape, default: float | None = None) -> Floats:
    """Return a parameter for each neuron; one value stands for all, one a channel for its map."""
    value = node.array(name) if default is None else node.optional(name, default)
    if value.size == 1:
        return np.full(shape, float(value.reshape(())))
    if value.size == np.prod(shape):
        return value.reshape(shape)
    if value.ndim == 1 and value.size == shape[0]:
        return np.broadcast_to(value.reshape(-1, 1, 1), shape).copy()
    raise ModelError(
        f"In {node} {name} has {value.size:,} numbers for {int(np.prod(shape)):,} neurons."
    )
