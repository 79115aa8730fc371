"""Figure of a sweep: accuracy against bits of memory."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikewire.apps.cli.figures import new_figure


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Memory and accuracies of one network.

    Attributes
    ----------
    value
        Bits of the varied width; several are joined by commas.
    bits
        Memory, as `spikewire memory` counts it.
    accuracies
        One per seed.
    """

    value: str
    bits: int
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds."""
        return statistics.fmean(self.accuracies)


def plot_sweep(
    panels: Mapping[str, Sequence[CurvePoint]], base: CurvePoint, title: str, path: Path
) -> None:
    """Draw one panel per varied width, as ``path`` (PNG).

    Each network stands at its bits of memory with mean and range over the seeds. A dotted line is
    the mean of the base. In a grid's panel, a line joins networks that differ in the last width.
    """
    figure = new_figure(4.2 * max(len(panels), 1) + 0.4, 3.9)
    [row] = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, (name, points) in zip(row, panels.items(), strict=True):
        lines: dict[str, list[CurvePoint]] = {}
        for point in points:
            lines.setdefault(point.value.rpartition(",")[0], []).append(point)
        first = name.rpartition(",")[0]
        for others, line in lines.items():
            line.sort(key=lambda point: point.bits)
            means = [point.mean for point in line]
            below = [point.mean - min(point.accuracies) for point in line]
            above = [max(point.accuracies) - point.mean for point in line]
            axes.errorbar(
                [point.bits / 1e6 for point in line], means, (below, above),
                fmt="o-", capsize=3, label=f"{first} = {others}" if others else None,
            )  # fmt: skip
            for point in line:
                axes.annotate(
                    point.value.rpartition(",")[2], (point.bits / 1e6, point.mean),
                    xytext=(3, -11), textcoords="offset points", fontsize=8,
                )  # fmt: skip
        axes.axhline(base.mean, linestyle=":", color="black", label="base widths")
        axes.set(xlabel="memory (10$^6$ bits)", title=f"bits of {name.rpartition(',')[2]}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    row[0].set(ylabel="accuracy on the validation part", ylim=(0, 1.03))
    figure.suptitle(title)
    figure.savefig(path, format="png", dpi=120)
