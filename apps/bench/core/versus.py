"""One network beside all other libraries, and the activity at which they are even."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spikewire.apps.bench.core.integer import interleave, line, run, settled
from spikewire.apps.bench.core.opponents.sides import opponents, strongest

if TYPE_CHECKING:
    from spikewire.apps.bench.core.stream import Stream
    from spikewire.qcore import Network

OURS = "spikewire"
CLASSES = {
    "float32_stream": ("torch_float32", "stream"),
    "bfloat16_stream": ("torch_bfloat16", "stream"),
    "float32_batch": ("torch_float32", "batch"),
    "bfloat16_batch": ("torch_bfloat16", "batch"),
    "int8_stream": ("int8", "stream"),
    "int8_batch": ("int8", "batch"),
    "snntorch": ("snntorch",),
    "sinabs": ("sinabs",),
}
"""Kinds of opponents, and the parts that their names have in common."""


def busy(stream: Stream, spikes_per_tick: float) -> Stream:
    """Overlay parts of a stream until it has this many input spikes per tick, or all of it."""
    ticks = len(stream.parts) * stream.ticks
    for times in range(1, len(stream.parts) + 1):
        crowd = stream.overlaid(times)
        if crowd.spikes() >= spikes_per_tick * ticks:
            break
    return crowd


def versus(
    network: Network,
    stream: Stream,
    ticks: int,
    cores: int,
    rounds: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Time a network and all opponents that are installed, in turns.

    Returns
    -------
    dict
        ``sides`` with the times of each, ``strongest`` with the fastest opponent of each kind, and
        ``ratios``: its time over that of the network. ``library`` is the faster of snnTorch and
        Sinabs.
    """
    fixed = settled(network)
    sides: dict[str, Callable[[], float]] = {
        OURS: lambda: run(fixed, stream, learn=False).tick_s,
        **opponents(network, stream, ticks, cores),
    }
    timed = interleave(sides, rounds, lambda told: progress(f"{network.spec.name}, {told}"))
    best = {kind: strongest(timed, *parts) for kind, parts in CLASSES.items()}
    found = {kind: name for kind, name in best.items() if name is not None}
    ratios = {k: timed[name]["best_ms"] / timed[OURS]["best_ms"] for k, name in found.items()}
    scripts = [ratios[kind] for kind in ("snntorch", "sinabs") if kind in ratios]
    if scripts:
        ratios["library"] = min(scripts)
    return {
        "network": network.spec.name,
        "spikes_per_tick": stream.spikes() / (len(stream.parts) * stream.ticks),
        "activity": [round(share, 5) for share in run(fixed, stream, learn=False).activity],
        "sides": timed,
        "strongest": found,
        "ratios": ratios,
    }


def crossover(
    curve: list[dict[str, Any]], sides: dict[str, dict[str, float]]
) -> dict[str, float | None]:
    """Tell the mean activity of the layers at which a dense opponent is as fast.

    Parameters
    ----------
    curve
        Rows of :func:`by_activity`.
    sides
        Times by name. A dense opponent costs the same at each activity.

    Returns
    -------
    dict
        By kind of opponent: the share of active units, from a line through the curve; None if the
        line stays below the opponent up to a share of 1.
    """
    share = [sum(row["activity"]) / len(row["activity"]) for row in curve]
    fit = line(share, [row["forward_ms"] for row in curve])
    even: dict[str, float | None] = {}
    for kind, parts in CLASSES.items():
        name = strongest(sides, *parts)
        if name is None:
            continue
        level = sides[name]["best_ms"]
        at = (level - fit["at_rest"]) / fit["slope"] if fit["slope"] > 0 else 2.0
        even[kind] = round(max(at, 0.0), 4) if at <= 1 else None
    return even
