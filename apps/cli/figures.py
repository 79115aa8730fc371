"""Figures as PNG files; matplotlib is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import UsageError, check_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FORMATS = (".png", ".svg")


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of so many inches, drawn without a display.

    Raises
    ------
    UsageError
        If matplotlib is not installed; the message names the extra that brings it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "plots need matplotlib: pip install 'spikewire[plot]', or leave --plot out"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def check_plot(path: Path) -> None:
    """Refuse a figure's file before the work is done that it would show.

    Raises
    ------
    UsageError
        If its name says no format, it would lie in no folder, or matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {path}: a plot ends in .png or .svg")
    check_target("--plot", path)
    new_figure(1, 1)


def plot_curve(curve: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Draw accuracy and the layers' activity against passes, as ``path`` (PNG)."""
    figure = new_figure(9.0, 3.6)
    accuracy, active = figure.subplots(1, 2)
    passes = [record["pass"] for record in curve]
    evaluated = [record for record in curve if record["accuracy"] is not None]
    at = [record["pass"] for record in evaluated]
    accuracy.plot(at, [record["accuracy"] for record in evaluated], "o-")
    for n in range(len(curve[0]["activity"])):
        share = [100 * record["activity"][n] for record in curve]
        active.plot(passes, share, "o-", label=f"layer {n + 1}")
    active.legend()
    accuracy.set(xlabel="passes", ylabel="accuracy on the validation part", ylim=(0, 1.02))
    active.set(xlabel="passes", ylabel="active units per tick while learning (%)")
    active.set_ylim(bottom=0)
    for axes in (accuracy, active):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    figure.savefig(path, format="png", dpi=120)
