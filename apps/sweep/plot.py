"""A sweep's figure: accuracy against bits of memory."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spikewire.apps.cli.figures import new_figure


@dataclass(frozen=True, slots=True)
class Spot:
    """One setting's place in the figure: memory, and what its seeds reached.

    Attributes
    ----------
    value
        The bits of what is varied, comma-separated in a grid.
    bits
        Memory by the ledger.
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


def plot_sweep(panels: Mapping[str, Sequence[Spot]], base: Spot, title: str, path: Path) -> None:
    """Draw one panel per varied width, as ``path`` (PNG).

    Each setting stands at its bits of memory with mean and range over the seeds; a dotted line is
    the mean of the base setting. In a grid's panel, a line joins what differs in the last width.
    """
    figure = new_figure(4.2 * max(len(panels), 1) + 0.4, 3.9)
    [row] = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, (name, spots) in zip(row, panels.items(), strict=True):
        lines: dict[str, list[Spot]] = {}
        for spot in spots:
            lines.setdefault(spot.value.rpartition(",")[0], []).append(spot)
        first = name.rpartition(",")[0]
        for kept, line in lines.items():
            line.sort(key=lambda spot: spot.bits)
            means = [spot.mean for spot in line]
            below = [spot.mean - min(spot.accuracies) for spot in line]
            above = [max(spot.accuracies) - spot.mean for spot in line]
            axes.errorbar(
                [spot.bits / 1e6 for spot in line], means, (below, above),
                fmt="o-", capsize=3, label=f"{first} = {kept}" if kept else None,
            )  # fmt: skip
            for spot in line:
                axes.annotate(
                    spot.value.rpartition(",")[2], (spot.bits / 1e6, spot.mean),
                    xytext=(3, -11), textcoords="offset points", fontsize=8,
                )  # fmt: skip
        axes.axhline(base.mean, linestyle=":", color="black", label="base widths")
        axes.set(xlabel="memory (10$^6$ bits)", title=f"bits of {name.rpartition(',')[2]}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    row[0].set(ylabel="accuracy on the validation part", ylim=(0, 1.03))
    figure.suptitle(title)
    figure.savefig(path, format="png", dpi=120)
