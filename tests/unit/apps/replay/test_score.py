"""Counting a replay: by result, by recording, and as a whole."""

from __future__ import annotations

from typing import Any

from spikewire.apps.replay.report import panels
from spikewire.apps.replay.score import Account


def result(t_us: int, truth: str | None, **scores: int) -> dict[str, Any]:
    said = max(scores, key=lambda name: scores[name]) if any(scores.values()) else None
    return {"t_us": t_us, "class": said, "truth": truth, "scores": scores}


def test_a_stretch_is_judged_by_sums_and_by_most() -> None:
    account = Account()
    account.begin("one.bin", 0)
    account.take(result(0, "a", a=0, b=0))
    account.take(result(10, "a", a=9, b=1))
    account.take(result(20, "a", a=1, b=2))
    account.take(result(30, "a", a=1, b=2))
    account.take(result(40, None, a=1, b=2))
    account.take(result(50, "a", a=1, b=2))
    account.take(result(60, "b", a=1, b=2))
    account.end(70, None)
    account.begin("two.bin", 1)
    account.take(result(0, "b", a=-1, b=-2))
    account.end(3, "two.bin is damaged at byte 5")
    told = account.record()
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
    assert [one.file for one in account.damaged] == ["two.bin"]
    by_result, whole = panels(account)
    assert by_result.counts["a", None] == 1
    assert dict(whole.counts) == {("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1, ("b", "a"): 1}


def test_nothing_said_is_no_answer() -> None:
    account = Account()
    account.begin("one.bin", 0)
    account.take(result(0, "a", a=0, b=0))
    account.end(0, None)
    [shown] = account.showings
    assert (shown.summed, shown.majority) == (None, None)
    assert len(panels(account)) == 1
