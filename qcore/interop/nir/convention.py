"""Rules that decide what a NIR graph computes and that it does not carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.graph import Floats, Graph, Node

FRAMEWORKS = ("snntorch", "norse", "sinabs", "spikingjelly", "rockpool")
RESETS = ("zero", "subtract", "late")
DECAYS = ("euler", "exponential")
SPIKES = ("one", "many")
GAINS = ("step", "one")
FLOORS = ("none", "threshold")

MANY = 127
"""Most spikes of a neuron in a tick where several are meant; counts have 7 bits."""

_SHORTEST, _LONGEST = 1e-9, 1e3


@dataclass(frozen=True, slots=True)
class Choices:
    """Rules given by hand; None stands for not given.

    Attributes
    ----------
    dt
        Seconds of a step, in the unit of the graph's time constants.
    reset
        "zero", "subtract", or "late" (by subtraction, one step late).
    floor
        "none", "threshold" (minus the threshold), or the lowest membrane in the graph's unit.
    decay
        "euler" (``1 - dt / tau``) or "exponential" (``exp(-dt / tau)``).
    spikes
        "one" or "many" in a step.
    gain
        "step" (inputs are currents that last for a step) or "one" (they are added as they are).
    """

    dt: float | None = None
    reset: str | None = None
    floor: str | float | None = None
    decay: str | None = None
    spikes: str | None = None
    gain: str | None = None

    def check(self) -> None:
        """Refuse impossible values, with a :class:`ModelError` that names what is allowed."""
        if self.dt is not None and not _SHORTEST <= _number("dt", self.dt) <= _LONGEST:
            raise ModelError(
                f"dt is {self.dt!r}; allowed are {_SHORTEST:g} to {_LONGEST:g} seconds."
            )
        for name, allowed in (
            ("reset", RESETS),
            ("decay", DECAYS),
            ("spikes", SPIKES),
            ("gain", GAINS),
        ):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ModelError(f"{name} is {value!r:.80}; allowed are {', '.join(allowed)}.")
        if (
            self.floor is not None
            and self.floor not in FLOORS
            and not -1e30 <= _number("floor", self.floor) <= 0
        ):
            raise ModelError(
                f"floor is {self.floor!r:.80}; allowed are {', '.join(FLOORS)}, and numbers up to "
                "0 in the unit of the graph's membranes."
            )


@dataclass(frozen=True, slots=True)
class Convention:
    """What decides how a graph's neurons compute, complete; the attributes are as for `Choices`.

    Attributes
    ----------
    like
        The framework, or an empty text.
    reached
        Whether a membrane at its threshold fires.
    assumptions
        A sentence for everything that the graph does not carry.
    whole
        Whether the graph's whole numbers are the engine's own, and stay as they are.
    """

    like: str
    dt: float
    reset: str
    floor: str | float
    decay: str
    spikes: str
    gain: str | None
    reached: bool
    assumptions: tuple[str, ...]
    whole: bool = False

    def floor_of(self, node: Node, threshold: Floats) -> Floats | None:
        """Return the lowest membrane of some neurons, or None."""
        if self.floor == "threshold" and self.like == "sinabs" and node.kind != "IF":
            return None
        if self.floor == "none":
            return None
        if self.floor == "threshold":
            return -threshold
        return np.full(threshold.shape, float(self.floor))


@dataclass(frozen=True, slots=True)
class _Framework:
    title: str
    dt: float | None
    reset: str
    floor: str
    decay: str
    spikes: str
    reached: bool
    why: str


_MEANT = {
    "snntorch": _Framework(
        "snnTorch", 1e-4, "late", "none", "euler", "one", False,
        "its exporter writes dt = 1e-4; neurons subtract the threshold one step late by default",
    ),
    "norse": _Framework(
        "Norse", 1e-3, "zero", "none", "euler", "one", False,
        "Euler steps of 1 ms; the synapse of its LIF passes a spike on with a gain of one",
    ),
    "sinabs": _Framework(
        "Sinabs", 1.0, "subtract", "threshold", "exponential", "many", True,
        "time constants count steps; its reader lets IF neurons not fall below minus the "
        "threshold; LIF neurons weigh inputs by 1 - decay (norm_input, its default; --gain one "
        "for a network without)",
    ),
    "spikingjelly": _Framework(
        "SpikingJelly", 1e-4, "zero", "none", "euler", "one", True,
        "its exporter writes dt = 1e-4 and refuses other resets",
    ),
    "rockpool": _Framework(
        "Rockpool", None, "subtract", "none", "exponential", "many", True,
        "dt is told by r = tau * exp(-dt / tau) / dt; synapses decay after their input",
    ),
}  # fmt: skip


def decide(graph: Graph, like: str | None, choices: Choices) -> Convention:
    """Complete the choices by what a framework means.

    Parameters
    ----------
    graph
        The graph, without nested ones.
    like
        One of `FRAMEWORKS`, or None.
    choices
        What is given by hand, which goes first.

    Raises
    ------
    ModelError
        If something is missing that decides the answer; the message names the option.
    """
    choices.check()
    if like is not None and like not in _MEANT:
        raise ModelError(f"like is {like!r:.80}; allowed are {', '.join(FRAMEWORKS)}.")
    if like is None:
        return _by_hand(graph, choices)
    meant = _MEANT[like]
    dt = choices.dt if choices.dt is not None else meant.dt
    if dt is None:
        dt = _rockpool_dt(graph)
    made = Convention(
        like=like,
        dt=dt,
        reset=choices.reset or meant.reset,
        floor=meant.floor if choices.floor is None else choices.floor,
        decay=choices.decay or meant.decay,
        spikes=choices.spikes or meant.spikes,
        gain=choices.gain,
        reached=meant.reached,
        assumptions=(),
    )
    unit = "steps" if like == "sinabs" else "s"
    given = [name for name in Choices.__slots__ if getattr(choices, name) is not None]
    byhand = f" ({', '.join(given)} as given)" if given else ""
    told = (
        f"Computed as by {meant.title}{byhand}: dt = {dt:g} {unit}, reset {made.reset}, floor "
        f"{made.floor}, {made.decay} decay, {made.spikes} spike{'s' * (made.spikes == 'many')} a "
        f"step, firing {'at' if made.reached else 'above'} the threshold.",
        f"{meant.title}: {meant.why}.",
    )
    return _with(made, told)


def _with(convention: Convention, told: tuple[str, ...]) -> Convention:
    values = {name: getattr(convention, name) for name in Convention.__slots__}
    return Convention(**{**values, "assumptions": (*convention.assumptions, *told)})


def _by_hand(graph: Graph, choices: Choices) -> Convention:
    timed = [n for n in graph.nodes.values() if n.kind in ("LIF", "CubaLIF", "LI", "CubaLI")]
    spiking = any(node.spikes for node in graph.nodes.values())
    delayed = bool(graph.of_kind("Delay"))
    missing = [
        name
        for name, needed in (("dt", bool(timed) or delayed), ("reset", spiking), ("floor", spiking))
        if needed and getattr(choices, name) is None
    ]
    if missing:
        raise ModelError(
            f"The graph does not carry what decides its answer: give {' and '.join(missing)} "
            f"(reset: {', '.join(RESETS)}; floor: {', '.join(FLOORS)} or a number; dt: seconds of "
            f"a step), or like, the framework that it comes from ({', '.join(FRAMEWORKS)})."
        )
    told = []
    if choices.decay is None and timed:
        told.append("Membranes and currents decay by Euler steps, 1 - dt / tau, by default.")
    if choices.spikes is None and spiking:
        told.append("A neuron fires at most once in a tick, as NIR's equations say, by default.")
    told.append("A neuron fires when its membrane is above the threshold, as NIR's equations say.")
    return Convention(
        like="",
        dt=1.0 if choices.dt is None else float(choices.dt),
        reset=choices.reset or "zero",
        floor="none" if choices.floor is None else choices.floor,
        decay=choices.decay or "euler",
        spikes=choices.spikes or "one",
        gain=choices.gain,
        reached=False,
        assumptions=tuple(told),
    )


def _rockpool_dt(graph: Graph) -> float:
    """Solve ``r = exp(-q) / q`` for ``q = dt / tau``; the first leaky neurons tell dt."""
    for node in graph.nodes.values():
        name = {"LIF": "tau", "LI": "tau", "CubaLIF": "tau_mem"}.get(node.kind)
        if name is None:
            continue
        tau, r = (float(np.max(node.array(key), initial=0)) for key in (name, "r"))
        if tau <= 0 or r <= 0:
            break
        low, high = 1e-12, 700.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if np.exp(-middle) / middle > r else (low, middle)
        # Files hold 32-bit numbers; steps are round numbers of seconds.
        return float(f"{low * tau:.4g}")
    raise ModelError("The graph has no leaky neurons that tell Rockpool's step: give dt.")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ModelError(f"{name} is {value!r:.80}, which is no number.")
    return float(value)
