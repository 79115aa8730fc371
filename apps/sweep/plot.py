"""Figure of a sweep: accuracy against bits of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.cli.figures import new_figure
from spikewire.apps.sweep.ablation import WITHOUT
from spikewire.apps.sweep.curves import Curve, CurvePoint
from spikewire.apps.sweep.grid import BASE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 5
_MARKERS = "os^Dv*"


@dataclass(frozen=True, slots=True)
class _Panels:
    curves: Sequence[Curve]
    colours: dict[str, str]
    bases: dict[str, CurvePoint]
    no_network: float

    def of(self, name: str) -> list[Curve]:
        """Return the curves of a panel."""
        return [curve for curve in self.curves if curve.name == name]

    def x(self, name: str, point: CurvePoint) -> float:
        """Return a point's place: parts that are left out stand side by side.

        Networks of different sizes are compared by the share that is left of their 32 bits.
        """
        if name == WITHOUT:
            return float(self.parts(name).index(point.value))
        if len(self.colours) > 1:
            return 100 * point.bits / point.bits_32
        return point.bits / 1e6

    def parts(self, name: str) -> list[str]:
        """List the values of a panel, each once."""
        return list(dict.fromkeys(p.value for curve in self.of(name) for p in curve.points))

    @property
    def layers(self) -> list[int]:
        """Layers with readouts of their own."""
        measured = (enumerate(point.local_means()) for c in self.curves for point in c.points)
        return sorted({n for own in measured for n, share in own if share is not None})


def plot_sweep(found: Sequence[Curve], no_network: float, title: str, path: Path) -> None:
    """Draw two panels per varied width, as ``path`` (PNG): the answer, the layers' own readouts.

    Each network stands at its memory with its mean and range over the seeds. A dotted line is the
    mean of a base, a dashed line the accuracy without a network. In a grid's panel, a line joins
    networks that differ in the last width.

    Parameters
    ----------
    found
        The variants, and the base of each model as a curve of one point.
    no_network
        Accuracy of the baseline without a network.
    title, path
        Of the figure.
    """
    curves = [curve for curve in found if curve.name != BASE]
    models = dict.fromkeys(curve.model for curve in found)
    panels = _Panels(
        curves, {model: f"C{n}" for n, model in enumerate(models)},
        {curve.model: curve.points[0] for curve in found if curve.name == BASE}, no_network,
    )  # fmt: skip
    names = list(dict.fromkeys(curve.name for curve in curves))
    kinds = (_draw_answers, _draw_local) if panels.layers else (_draw_answers,)
    # Panels of one width lie below each other, or side by side where there is room.
    beside = len(names) * len(kinds) <= _COLUMNS
    columns = max(len(names) * len(kinds), 1) if beside else _COLUMNS
    rows = 1 if beside else -(-len(names) // columns) * len(kinds)
    figure = new_figure(max(3.4 * columns + 0.6, 6), 2.9 * rows + 1)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat:
        axes.set_visible(False)
    for n, name in enumerate(names):
        block, column = divmod(n, columns)
        for kind, draw in enumerate(kinds):
            if beside:
                draw(grid[0][n * len(kinds) + kind], panels, name)
            else:
                draw(grid[block * len(kinds) + kind][column], panels, name)
    for line in grid:
        line[0].set(ylabel="accuracy (validation)", ylim=(0, 1.03))
    figure.suptitle(title, fontsize=10)
    _add_legend(figure, panels, 2 * columns if columns > 1 else 2)
    figure.savefig(path, format="png", dpi=100)


def _add_legend(figure: Figure, panels: _Panels, columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, marker="o", ms=4, label=m)
               for m, c in panels.colours.items()]  # fmt: skip
    handles.append(Line2D([], [], color="gray", linestyle=":", label="base widths"))
    handles.append(Line2D([], [], color="black", linestyle="--", label="no network"))
    handles += [
        Line2D([], [], color="gray", marker=_MARKERS[n % 6], ms=4, linestyle="none",
               label=f"own readout of layer {n + 1}")
        for n in panels.layers
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)


def _dress(axes: Axes, panels: _Panels, name: str, kind: str) -> None:
    axes.set_visible(True)
    axes.grid(alpha=0.3)
    if name == WITHOUT:
        parts = panels.parts(name)
        axes.set_xticks(range(len(parts)), parts, rotation=20)
        axes.set(title=f"{kind}, each part left out")
        return
    several = len(panels.colours) > 1
    label = "memory (% of the same at 32 bits)" if several else "memory (10$^6$ bits)"
    axes.set(xlabel=label, title=f"{kind}, bits of {name.rpartition(',')[2]}")


def _draw_answers(axes: Axes, panels: _Panels, name: str) -> None:
    for curve in panels.of(name):
        lines: dict[str, list[CurvePoint]] = {}
        for point in curve.points:
            lines.setdefault(point.value.rpartition(",")[0], []).append(point)
        for others, line in lines.items():
            line.sort(key=lambda point: panels.x(name, point))
            means = [point.mean for point in line]
            below = [point.mean - min(point.accuracies) for point in line]
            above = [max(point.accuracies) - point.mean for point in line]
            axes.errorbar(
                [panels.x(name, point) for point in line], means, (below, above),
                fmt="o" if name == WITHOUT else "o-", capsize=3, markersize=4,
                color=None if others else panels.colours[curve.model],
                label=f"{name.rpartition(',')[0]} = {others}" if others else None,
            )  # fmt: skip
            for point in line if name != WITHOUT else ():
                axes.annotate(
                    point.value.rpartition(",")[2], (panels.x(name, point), point.mean),
                    xytext=(2, -10), textcoords="offset points", fontsize=7,
                )  # fmt: skip
    for model, base in panels.bases.items():
        axes.axhline(base.mean, linestyle=":", color=panels.colours[model])
    axes.axhline(panels.no_network, linestyle="--", color="black", linewidth=1)
    _dress(axes, panels, name, "answer")
    if "," in name:
        axes.legend(fontsize=7)


def _draw_local(axes: Axes, panels: _Panels, name: str) -> None:
    for curve in panels.of(name):
        line = sorted(curve.points, key=lambda point: panels.x(name, point))
        for n in range(len(line[0].local_means())):
            shares = [point.local_means()[n] for point in line]
            known = [share for share in shares if share is not None]
            if len(known) < len(shares):
                continue
            axes.plot(
                [panels.x(name, point) for point in line], known, markersize=4, alpha=0.8,
                linestyle="none" if name == WITHOUT or "," in name else "-",
                marker=_MARKERS[n % 6], color=panels.colours[curve.model],
            )  # fmt: skip
    _dress(axes, panels, name, "own readouts")
