"""Percentiles of measurements, by their names in reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def percentiles(values: Iterable[int], names: Sequence[str] = ("p50", "p99")) -> dict[str, int]:
    """Return percentiles by name, such as ``p99``; 0 without values."""
    ordered = sorted(values) or [0]
    last = len(ordered) - 1
    return {name: ordered[min(last, int(len(ordered) * int(name[1:]) / 100))] for name in names}
