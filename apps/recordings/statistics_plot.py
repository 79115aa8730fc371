"""Figure of a recording: rate, polarity, places, intervals and hot pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikewire.apps.cli.figures import new_figure
from spikewire.apps.recordings.statistics import RecordingStatistics

_ON, _OFF = "#56b4e9", "#e69f00"


def plot_statistics(found: RecordingStatistics, title: str, path: Path) -> None:
    """Draw the statistics of a recording as ``path`` (PNG or SVG)."""
    figure = new_figure(11.0, 7.0)
    grid = figure.subplots(2, 2)
    (rate, share), (places, intervals) = grid
    bins = found.bins
    counts = found.counts[:, :bins]
    seconds = (np.arange(bins) + 0.5) * found.bin_us / 1e6
    for number, name, colour in ((1, "ON", _ON), (0, "OFF", _OFF)):
        rate.plot(seconds, counts[number] * 1e3 / found.bin_us, color=colour, label=name)
    rate.set(xlabel="time (s)", ylabel="thousand events per second", title="rate")
    rate.set_ylim(bottom=0)
    rate.legend()
    both = counts.sum(0)
    on = np.divide(100.0 * counts[1], both, out=np.full(bins, np.nan), where=both > 0)
    whole = 100.0 * counts[1].sum() / max(int(both.sum()), 1)
    share.plot(seconds, on, color=_ON)
    share.axhline(whole, color="grey", linewidth=1)
    share.set(xlabel="time (s)", ylabel="ON events (%)", ylim=(0, 100))
    share.set_title(f"polarity: {whole:.1f} % ON")
    total = found.places.sum(0)
    shown = places.imshow(
        np.log10(1 + total), cmap="viridis", interpolation="nearest",
        extent=(0, total.shape[1] * found.side, total.shape[0] * found.side, 0),
    )  # fmt: skip
    hot = found.hot()
    for x, y, _ in hot:
        places.plot(x + 0.5, y + 0.5, "o", mfc="none", mec="red", ms=8)
    places.set(title=f"events per pixel; {len(hot) or 'no'} hot pixels" + (" (red)" if hot else ""))
    figure.colorbar(shown, ax=places, label="log10(1 + events)", shrink=0.85)
    last = int(np.flatnonzero(found.intervals).max(initial=0)) + 1
    names = ["0", "1", *(f"{2 ** (n - 1)}" for n in range(2, last))][:last]
    intervals.bar(range(last), found.intervals[:last], color="grey")
    intervals.set_xticks(range(last), names, rotation=90 if last > 10 else 0)
    intervals.set_yscale("log")
    intervals.set(
        xlabel="time since the event before, from (us)", ylabel="events", title="intervals"
    )
    if hot:
        x, y, n = hot[0]
        per_s = n * 1e6 / max(found.duration_us, 1)
        intervals.text(
            0.98, 0.95, f"hottest pixel: ({x}, {y}), {per_s:,.0f} ev/s", ha="right", va="top",
            transform=intervals.transAxes,
        )  # fmt: skip
    for axes in (rate, share, intervals):
        axes.grid(alpha=0.3)
    figure.suptitle(title.replace("$", r"\$"))
    figure.savefig(path, format=path.suffix.lower().removeprefix("."), dpi=100)
