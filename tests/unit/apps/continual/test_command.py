"""`spikewire continual`, on invented digits and on real clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.continual import metrics
from spikewire.apps.continual.strategies import (
    ONE_PASS,
)
from spikewire.apps.continual.tasks import open_parts


def run(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert cli.run(["continual", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_the_command(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "continual.png"
    words = (str(digits), "--model", "edge", "--show", "160ms", "--seed", "4", "--memory", "32kB")
    words += ("--task", "0,1", "--task", "2,3")
    start, *runs, summary = run(capsys, *words, "--plot", str(picture))
    assert start["tasks"] == [["0", "1"], ["2", "3"]]
    assert (start["learn"], start["judge"], start["memory"]) == (16, 4, 32_768)
    found = {one["strategy"]: one for one in runs}
    assert list(found) == ["online", "replay", "prototypes", "joint", "network", "joint-network"]
    for name in (*ONE_PASS, "network"):
        assert found[name]["extra_bytes"] <= 32_768
        assert [len(row) for row in found[name]["matrix"]] == [2] * 2
        matrix = found[name]["matrix"]
        assert found[name]["forgetting"] == pytest.approx(metrics.forgetting(matrix), abs=1e-4)
    # These bars lie apart: even plain learning does not forget them.
    assert found["prototypes"]["average_accuracy"] >= 0.8
    assert len(found["joint-network"]["matrix"]) == 1
    assert summary["ceiling"].startswith("joint")
    assert summary["best"] in (*ONE_PASS, "network")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_for_people_by_named_tasks(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["continual", str(digits), "--model", "edge", "--show", "160ms", "--seed", "0"]
    words += ["--strategies", "online,prototypes", "--task", "3,1", "--task", "7", "--memory=9000"]
    assert cli.run(words) == 0
    told = capsys.readouterr().out
    assert "12 recordings to learn, 3 to judge; 2 tasks: 3 1; 7" in told
    assert "best within 9,000 bytes: " in told.splitlines()[-1]


@pytest.mark.data
@pytest.mark.slow
def test_real_clips_are_cut_in_time(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = open_parts(data_dir / "dvs_gesture", tuning=False)
    assert len(parts.learn) == 6 * len(parts.dataset.classes)
    assert max(s.stop_us or 0 for s in parts.learn) <= min(s.start_us or 0 for s in parts.validate)
    words = (str(data_dir / "dvs_gesture"), "--seed", "0", "--strategies", "prototypes")
    *_, summary = run(capsys, *words, "--tasks", "3")
    assert summary["strategies"]["prototypes"]["average_accuracy"] >= 0.7


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (
            ["--strategies", "online,dream"],
            "'dream' is none of online, replay, prototypes, net",
        ),
        (["--tasks", "11"], "there are only 10 classes"),
        (["--task", "1,2", "--task", "2,3"], "'2' is in two tasks"),
        (["--task", "1,x"], "'x' is none of the classes 0, 1"),
        (["--task", "1", "--order", "3"], "leave --tasks and --order out"),
        (["--memory", "much"], "is not a number of bytes such as 65536, 64kB or 1MB"),
        (["--strategies", "network", "--memory", "90"], "--memory 90: 90 bytes hold no vector"),
        (["--memory", "300"], "--memory 300: One vector to rehearse takes"),
        (["--model", "none.model"], "none.model is neither a file nor a preset"),
        (["--plot", "/nowhere/at/all.png"], "there is no folder /nowhere/at"),
    ],
)
def test_wrong_words(
    more: list[str], part: str, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["continual", str(digits), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert part in told.err.splitlines()[-1]
