"""Counting a replay: by result, by recording, and as a whole."""

from __future__ import annotations

from typing import Any

from spikewire.apps.replay.report import panels
from spikewire.apps.replay.score import ReplayScore


def result(t_us: int, truth: str | None, **scores: int) -> dict[str, Any]:
    said = max(scores, key=lambda name: scores[name]) if any(scores.values()) else None
    return {"t_us": t_us, "class": said, "truth": truth, "scores": scores}


def test_a_stretch_is_judged_by_sums_and_by_most() -> None:
    score = ReplayScore()
    score.begin("one.bin", 0)
    score.take(result(0, "a", a=0, b=0))
    score.take(result(10, "a", a=9, b=1))
    score.take(result(20, "a", a=1, b=2))
    score.take(result(30, "a", a=1, b=2))
    score.take(result(40, None, a=1, b=2))
    score.take(result(50, "a", a=1, b=2))
    score.take(result(60, "b", a=1, b=2))
    score.end(70, None)
    score.begin("two.bin", 1)
    score.take(result(0, "b", a=-1, b=-2))
    score.end(3, "two.bin is damaged at byte 5")
    told = score.record()
    assert (told["results"], told["events"], told["judged"], told["accuracy"]) == (8, 73, 7, 2 / 7)
    first, second = told["recordings"]
    assert (first["judged"], first["accuracy"]) == (6, 2 / 6)
    assert [(one["truth"], one["from_us"], one["summed"], one["majority"])
            for one in first["shown"]] == [
        ("a", 0, "a", "b"), ("a", 50, "b", "b"), ("b", 60, "b", "b"),
    ]  # fmt: skip
    assert second["error"] == "two.bin is damaged at byte 5"
    assert [one["summed"] for one in second["shown"]] == ["a"]
    assert (told["shown"], told["shown_right_summed"], told["shown_right_majority"]) == (4, 2, 1)
    assert [one.file for one in score.damaged] == ["two.bin"]
    by_result, whole = panels(score)
    assert by_result.counts["a", None] == 1
    assert dict(whole.counts) == {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1, ("b", "a"): 1}


def test_nothing_said_is_no_answer() -> None:
    score = ReplayScore()
    score.begin("one.bin", 0)
    score.take(result(0, "a", a=0, b=0))
    score.end(0, None)
    [shown] = score.spans
    assert (shown.by_sum, shown.by_vote) == (None, None)
    assert len(panels(score)) == 1
