"""The picture of `bench core`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewire.apps.cli.figures import new_figure


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw sides, cost against activity and cost against input rate, as ``path`` (PNG)."""
    figure = new_figure(13.0, 4.0)
    bars, active, rate = figure.subplots(1, 3)
    names = [name for name in report["sides"] if not name.startswith("edge")]
    best = [report["sides"][name]["best_ms"] for name in names]
    drawn = bars.barh([name.replace("_", " ") for name in names], best)
    bars.bar_label(drawn, fmt="%.2f", padding=2)
    bars.margins(x=0.12)
    bars.set(xlabel="ms per tick of 1 ms", title=report["network"])
    curve = report["by_activity"]
    share = [100 * sum(row["activity"]) / len(row["activity"]) for row in curve]
    active.plot(share, [row["forward_ms"] for row in curve], "o-", label="forward")
    learned = [100 * sum(row["learning_activity"]) / len(row["activity"]) for row in curve]
    active.plot(learned, [row["learning_ms"] for row in curve], "s-", label="learning")
    active.set(xlabel="active units per tick, mean of layers (%)", ylabel="ms per tick")
    active.set_title(f"{report['network']}: cost against activity")
    top = active.get_ylim()[1]
    for label, name in report["opponents"]["strongest"].items():
        level = report["opponents"]["sides"][name]["best_ms"]
        active.axhline(level, color="grey", linestyle=":")
        active.annotate(label.replace("_", " "), (0, level), fontsize=7, va="bottom")
        top = max(top, 1.1 * level)
    active.set_ylim(top=top)
    active.legend()
    points, fit = report["by_rate"]["points"], report["by_rate"]["fit"]
    x = [row["spikes_per_tick"] for row in points]
    rate.plot(x, [row["forward_ms"] for row in points], "o", label="measured")
    ends = [0.0, max(x)]
    rate.plot(ends, [fit["at_rest"] + fit["slope"] * at for at in ends], "-",
              label=f"line, R² = {fit['r2']:.4f}")  # fmt: skip
    rate.set(xlabel="input spikes per tick", ylabel="ms per tick")
    rate.set_title("edge: cost against input rate")
    rate.legend()
    for axes in (bars, active, rate):
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
    for axes in (active, rate):
        axes.set_ylim(bottom=0)
    figure.savefig(path, format="png", dpi=120)
