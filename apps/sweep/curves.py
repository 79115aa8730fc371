"""Curves of a sweep as data, as a table and as a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from spikewire.apps.sweep.grid import BASE

# Quantiles of Student's t for an interval of 95 %, by the number of values.
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
_MANY = 1.96


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Memory and accuracies of one network.

    Attributes
    ----------
    value
        Bits of the varied width; several are joined by commas.
    bits, bits_32
        Memory at the network's widths and at 32 bits, as `spikewire memory` counts it.
    accuracies
        One per seed.
    local
        For each seed, accuracies of the layers' own readouts; None for a layer without one.
    """

    value: str
    bits: int
    bits_32: int
    accuracies: tuple[float, ...]
    local: tuple[tuple[float | None, ...], ...] = ()

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds."""
        return statistics.fmean(self.accuracies)

    @property
    def margin(self) -> float | None:
        """Half of the 95 % interval of the mean, by Student's t; None for one seed."""
        count = len(self.accuracies)
        if count < 2:
            return None
        quantile = _STUDENT.get(count, _MANY)
        return quantile * statistics.stdev(self.accuracies) / math.sqrt(count)

    def local_means(self) -> list[float | None]:
        """Mean accuracy of each layer's own readout over the seeds."""
        means: list[float | None] = []
        for shares in zip(*self.local, strict=True):
            known = [share for share in shares if share is not None]
            means.append(statistics.fmean(known) if len(known) == len(shares) else None)
        return means


@dataclass(frozen=True, slots=True)
class Curve:
    """Variants of one network in one width.

    Attributes
    ----------
    model
        The base network.
    name
        The varied width, ``base`` or ``without``.
    points
        The variants.
    """

    model: str
    name: str
    points: list[CurvePoint]


def table(curves: Sequence[Curve]) -> Table:
    """Lay out all networks with their memory and accuracy."""
    laid = Table("network", "setting", "10^6 bits", "accuracy", "range", "seeds", "own readouts")
    for column in laid.columns[2:]:
        column.justify = "right"
    for curve in curves:
        for point in curve.points:
            margin = "" if point.margin is None else f" \N{PLUS-MINUS SIGN}{point.margin:.3f}"
            own = point.local_means()
            laid.add_row(
                curve.model,
                f"{curve.name}={point.value}" if point.value else curve.name,
                f"{point.bits / 1e6:.3f}",
                f"{point.mean:.4f}{margin}",
                f"{min(point.accuracies):.3f}-{max(point.accuracies):.3f}",
                str(len(point.accuracies)),
                " ".join("-" if share is None else f"{share:.3f}" for share in own),
            )
    return laid


def report(curves: Sequence[Curve], no_network: float) -> dict[str, Any]:
    """Return all networks with their memory and accuracy as plain data.

    ``base`` is the first network, or None where it is not known yet.
    """
    records = [
        {
            "model": curve.model, "setting": curve.name, "value": point.value, "bits": point.bits,
            "mean": round(point.mean, 4), "low": min(point.accuracies),
            "high": max(point.accuracies), "seeds": len(point.accuracies),
            "margin": None if point.margin is None else round(point.margin, 4),
            "local": [
                None if share is None else round(share, 4) for share in point.local_means()
            ],
        }
        for curve in curves
        for point in curve.points
    ]  # fmt: skip
    bases = [record for record in records if record["setting"] == BASE]
    return {
        "base": bases[0] if bases else None,
        "bases": bases,
        "settings": [record for record in records if record["setting"] != BASE],
        "no_network": no_network,
    }
