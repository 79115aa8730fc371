"""Proof that the layers of a network cannot learn, by their widths alone."""

from __future__ import annotations

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import lay_out
from spikewire.qcore.network.spec import NetworkSpec


def learning_fault(spec: NetworkSpec) -> str | None:
    """Say why no weight of a plastic layer can ever move; None if one might, or none is plastic.

    Parameters
    ----------
    spec
        The network.
    """
    table = lay_out(spec, 1).layers
    fault = ""
    for n, layer in enumerate(spec.layers):
        if not layer.plastic:
            continue
        L = [int(value) for value in table[n]]
        before = spec.layers[n - 1] if n else None
        count = before.pool**2 if before is not None and before.pool_kind == "sum" else 1
        high = highest_trace(L, count)
        if high >> max(L[at.TRACE_SHIFT], 0) and L[at.ERROR_RAIL] > L[at.DEAD_ZONE]:
            return None
        fault = fault or _sentence(spec, L, n, high)
    return fault or None


def highest_trace(L: list[int], count: int) -> int:
    """Compute what the trace P reaches when its input fires ``count`` spikes in every tick.

    No other input takes it higher: both steps of a trace keep the order of their arguments.
    """
    if L[at.DYNAMICS] == at.TRACES:
        return _highest_driving(L, count)
    q = p = 0
    while True:
        q_next = min(q - -(-q >> L[at.FAST]) + L[at.KICK] * count, L[at.Q_RAIL])
        lift = L[at.P_LIFT]
        gap = (q_next << lift if lift >= 0 else q_next >> -lift) - p
        p_next = p + (gap >> L[at.SLOW])
        if (q_next, p_next) == (q, p):
            return p
        q, p = q_next, p_next


def _highest_driving(L: list[int], count: int) -> int:
    """Compute the same of a trace that drives neurons, whose decays are the layer's own."""
    q = p = 0
    more_q, more_p = max(L[at.P_LIFT], 0), max(-L[at.P_LIFT], 0)
    while True:
        kept = (4096 - L[at.DECAY_P]) * (p << more_p) + L[at.DECAY_P] * (q << more_q)
        p_next = min((kept + (2048 << more_p)) >> (12 + more_p), L[at.P_RAIL])
        kept = (4096 - L[at.DECAY_Q]) * q + L[at.KICK] * count
        q_next = min((kept + 2048) >> 12, L[at.Q_RAIL])
        if (q_next, p_next) == (q, p):
            return p
        q, p = q_next, p_next


def _sentence(spec: NetworkSpec, L: list[int], n: int, high: int) -> str:
    widths = spec.widths
    if high >> max(L[at.TRACE_SHIFT], 0):
        return (
            f"layers[{n}] can never learn: an error of {widths.error} bits is at most "
            f"{L[at.ERROR_RAIL]}, inside the dead zone of {L[at.DEAD_ZONE]}."
        )
    why = "never leaves zero" if high == 0 else f"is at most {high}, which a gradient shifts to 0"
    return (
        f"layers[{n}] can never learn: its trace P of {widths.p} bits, behind a Q of {widths.q}, "
        f"{why}. More bits of them, a smaller learning.slow or learning.trace_shift let it move."
    )
