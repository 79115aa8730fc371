"""The confusion plot: names, counts, and what is refused before the work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.replay.confusion_plot import Panel, plot_confusion

COUNTS: dict[tuple[str, str | None], int] = {
    ("hand_clap", "hand_clap"): 41, ("hand_clap", "wave"): 17, ("wave", None): 5, ("$x", "wave"): 3,
}  # fmt: skip


@pytest.mark.slow
def test_the_figure_names_classes_and_counts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.svg"
    panels = [Panel("results", COUNTS), Panel("as a whole", {("wave", "wave"): 2})]
    plot_confusion(panels, ("hand_clap", "wave", "rest"), "a model over 3 recordings", path)
    # Matplotlib writes each text as a comment beside the outlines that draw it.
    told = re.findall(r"<!-- (.*?) -->", path.read_text())
    for text in ("hand clap", "rest", "none", "41", "17", "5", "a model over 3 recordings",
                 "results: 41 of 66 right", "as a whole: 2 of 2 right"):  # fmt: skip
        assert text in told
    plot_confusion(panels[:1], ("hand_clap", "wave"), "", tmp_path / "a.PNG")
    assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"ends in \.png or \.svg"):
        check_plot(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="there is no folder"):
        check_plot(tmp_path / "gone" / "a.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'spikewire\[plot\]'"):
        check_plot(tmp_path / "a.png")
