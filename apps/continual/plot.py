"""Figure of a continual-learning experiment: accuracy matrices, and accuracy over the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.apps.cli.figures import new_figure
from spikewire.apps.continual.tasks import Tasks


def plot_continual(
    report: dict[str, Any], runs: Sequence[dict[str, Any]], tasks: Tasks, title: str, path: Path
) -> None:
    """Draw the mean accuracy matrices, and the mean over tasks so far, as ``path`` (PNG).

    The network trained jointly has no matrix; it is a dotted line.
    """
    means = {}
    for name in report["strategies"]:
        mine = [run for run in runs if run["strategy"] == name]
        means[name] = np.mean([np.array(run["matrix"], float) for run in mine], 0)
    squares = [name for name, matrix in means.items() if len(matrix) == matrix.shape[1]]
    figure = new_figure(3.0 * len(squares) + 4.2, 3.6)
    row = figure.subplots(1, len(squares) + 1, width_ratios=[*[1] * len(squares), 1.25])
    row = np.atleast_1d(row)
    named = ["\n".join(task) if len(task) < 3 else str(n + 1) for n, task in enumerate(tasks)]
    for axes, name in zip(row, squares, strict=False):
        _draw_matrix(axes, means[name], name, named)
    lines = row[-1]
    for name in squares:
        matrix = means[name]
        height = [np.mean(matrix[n][: n + 1]) for n in range(len(matrix))]
        lines.plot(range(1, len(tasks) + 1), height, "o-", label=name)
    for name in means.keys() - set(squares):
        lines.axhline(np.mean(means[name][-1]), linestyle=":", color="black", label=name)
    lines.set(
        xlabel="tasks learned", ylabel="mean accuracy on the tasks so far", ylim=(0, 1.03),
        xticks=range(1, len(tasks) + 1),
    )  # fmt: skip
    lines.grid(alpha=0.3)
    lines.legend(fontsize=8)
    figure.suptitle(f"{title}; mean of {len(report['seeds'])} seeds")
    figure.savefig(path, dpi=120)


def _draw_matrix(axes: Any, matrix: Any, name: str, named: Sequence[str]) -> None:
    axes.imshow(np.ma.masked_invalid(matrix), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    for (i, j), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            axes.text(
                j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=9,
                color="white" if value < 0.55 else "black",
            )  # fmt: skip
    axes.set(
        title=name, xlabel="evaluated on", ylabel="after task", xticks=range(len(named)),
        xticklabels=named, yticks=range(len(named)), yticklabels=range(1, len(named) + 1),
    )  # fmt: skip
