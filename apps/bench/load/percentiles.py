"""Percentiles of what was measured, by the names that reports have for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def percentiles(values: Iterable[int], names: Sequence[str] = ("p50", "p99")) -> dict[str, int]:
    """The values below which these shares of ``values`` lie, such as ``p99``; 0 without any."""
    ordered = sorted(values) or [0]
    last = len(ordered) - 1
    return {name: ordered[min(last, int(len(ordered) * int(name[1:]) / 100))] for name in names}
