"""What a person sees during a replay: the live picture, a bar, or nothing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from spikewire.apps.replay.progress import Display, LiveView, ProgressBar, choose_display
from spikewire.apps.replay.score import ReplayScore
from spikewire.sensors import Excerpt, FileSource
from tests.support.bars import bar, cut


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=40)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def result(t_us: int) -> dict[str, Any]:
    scores = {"left": -3, "right": 8}
    return {"t_us": t_us, "class": "right", "truth": "right", "scores": scores, "teaching": False}


def test_what_fits_is_chosen() -> None:
    score, screen, pipe = ReplayScore(), terminal(), Console(file=io.StringIO())
    for out, notes, live, quiet, kind in (
        (screen, screen, True, False, LiveView),
        (screen, screen, False, False, ProgressBar),
        (pipe, screen, True, False, ProgressBar),
        (pipe, pipe, True, False, Display),
        (screen, screen, True, True, Display),
    ):
        assert type(choose_display(score, 2, out, notes, live=live, quiet=quiet)) is kind


@pytest.mark.parametrize("kind", [ProgressBar, LiveView])
async def test_it_tells_time_and_accuracy(
    kind: type[ProgressBar | LiveView], tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    excerpt = Excerpt(bar(tmp_path / "walk.bin"))
    score, console = ReplayScore(), terminal()
    score.begin("walk.bin", 0)
    with kind(score, 2, console) as show:
        show.begin(0, excerpt)
        source = show.wrap_source(FileSource([excerpt]))
        assert source.size == (34, 34)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show.companion)
            while show.progress is None:
                await trio.sleep(0.05)
                score.take(result(60_000))
                show.take(result(60_000))
            assert show.progress == pytest.approx(0.5, abs=0.01)
            await trio.sleep(0.3)
            if isinstance(show, ProgressBar):
                told = "0 of 2, 60.0 ms of 119.9 ms, right 100 %"
                assert show._bar.tasks[0].description == told
            nursery.cancel_scope.cancel()
        show.finished(1)
    seen = written(console)
    assert "60.0 ms of 119.9 ms" in seen
    assert "right 100 %" in seen
    if kind is LiveView:
        assert "walk.bin (1 of 2)" in seen
        assert "right ✓" in seen
        # The terminal is left as it was found.
        assert seen.index("\x1b[?1049h") < seen.rindex("\x1b[?1049l")
    else:
        assert "1 of 2" in seen
    assert seen.rindex("\x1b[?25l") < seen.rindex("\x1b[?25h")


async def test_the_length_is_that_of_what_is_shown(tmp_path: Path) -> None:
    path = cut(bar(tmp_path / "walk.bin"))
    for excerpt, span in (
        (Excerpt(path, 20_000, 50_000), (20_000, 50_000)),
        (Excerpt(path, 20_000), (20_000, 119_800)),
        (Excerpt(path, end_us=200_000), (0, 200_000)),
        (Excerpt(path, 500_000), None),
        (Excerpt(tmp_path / "gone.bin"), None),
    ):
        show = LiveView(ReplayScore(), 1, terminal())
        show.begin(0, excerpt)
        await show.measure()
        assert show._span == span
        assert (show.progress, show.time == "") == (None, span is None)
