"""Figure of confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikewire.apps.cli.figures import new_figure

_NONE = "none"


@dataclass(frozen=True, slots=True)
class Panel:
    """One matrix of a figure.

    Attributes
    ----------
    title
        Unit of the numbers.
    counts
        (true class, predicted class) -> count; None stands for no prediction.
    """

    title: str
    counts: Mapping[tuple[str, str | None], int]


def plot_confusion(panels: Sequence[Panel], classes: Sequence[str], title: str, path: Path) -> None:
    """Draw confusion matrices as ``path`` (PNG or SVG).

    Rows are true classes; colours are shares of a row, numbers are counts. Absent classes have no
    row, and the column without a prediction is drawn only if it is not empty.

    Parameters
    ----------
    panels
        One or more matrices, side by side.
    classes
        The network's classes, in its order; unknown true classes come last.
    title
        Title of the figure.
    path
        The file to write.
    """
    present = {truth for panel in panels for truth, _ in panel.counts}
    rows = [name for name in classes if name in present]
    rows += sorted(present.difference(classes))
    silent = any(predicted is None for panel in panels for _, predicted in panel.counts)
    columns: list[str | None] = [*classes, *([None] if silent else [])]
    side = max(len(columns), len(rows))
    cell = 0.42 if side > 6 else 0.6
    longest = max(len(name) for name in (*classes, *rows))
    width = cell * len(columns) + 0.09 * longest + 1.6
    figure = new_figure(width * len(panels), max(cell * len(rows) + 0.09 * longest, 1.6) + 1.3)
    [line] = figure.subplots(1, len(panels), squeeze=False)
    for axes, panel in zip(line, panels, strict=True):
        counts = np.array(
            [[panel.counts.get((row, column), 0) for column in columns] for row in rows]
        )
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for y, x in np.argwhere(counts):
            colour = "white" if share[y, x] > 0.5 else "black"
            text = f"{counts[y, x]}"
            size = 8 if len(text) < 5 else 6
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=size)
        names = [_NONE if name is None else _plain(name) for name in columns]
        axes.set_xticks(range(len(columns)), names, rotation=90 if longest > 3 else 0)
        axes.set_yticks(range(len(rows)), [_plain(name) for name in rows])
        right = sum(count for (truth, name), count in panel.counts.items() if truth == name)
        axes.set(xlabel="recognised", ylabel="shown")
        axes.set_title(f"{panel.title}: {right} of {int(counts.sum())} right", fontsize=10)
    figure.colorbar(picture, ax=line, label="share of what was shown", shrink=0.8)
    figure.suptitle(title)
    figure.savefig(path, format=path.suffix.lower().removeprefix("."), dpi=120)


def _plain(name: str) -> str:
    # A dollar sign would begin a formula.
    return name.replace("_", " ").replace("$", r"\$")
