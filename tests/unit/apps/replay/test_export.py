"""Results in files: every line whole, every row as wide as the header."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.replay.export import check_out, open_out


def result(tick: int, **scores: int) -> dict[str, Any]:
    best = max(scores, key=lambda name: scores[name])
    return {
        "file": 'a, "b".bin', "segment": 0, "tick": tick, "t_us": 1000 * tick, "class": best,
        "scores": scores, "spikes": [1], "truth": None, "label": None, "teaching": False,
    }  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_out(path, ("x",)) as out:
        out.write(result(0, x=1))
        # It is there as soon as it is written.
        assert json.loads(path.read_text()) == result(0, x=1)
        out.write(result(1, x=1, y=2))
    assert [json.loads(line)["tick"] for line in path.read_text().splitlines()] == [0, 1]


def test_a_class_that_joins_is_one_more_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with open_out(path, ("x", "truth")) as out:
        out.write(result(0, x=1, truth=-4))
        assert len(rows(path)) == 1
        out.write(result(1, x=1, truth=2, **{"new, one": 3}))
        out.write(result(2, x=1, truth=2, **{"new, one": 3, "z": 9}))
        assert len(rows(path)) == 3
    header, *lines = csv.reader(path.read_text().splitlines())
    assert header[:6] == ["file", "segment", "tick", "t_us", "class", "truth"]
    assert header[6:] == ["score_x", "score_truth", "score_new, one", "score_z"]
    assert {len(line) for line in lines} == {len(header)}
    first, second, third = rows(path)
    assert first["file"] == 'a, "b".bin'
    assert (first["class"], first["truth"], first["score_truth"]) == ("x", "", "-4")
    assert [first["score_new, one"], second["score_new, one"], second["score_z"]] == ["", "3", ""]
    assert (third["class"], third["score_z"]) == ("z", "9")
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_a_header_without_results(tmp_path: Path) -> None:
    with open_out(tmp_path / "a.csv", ("x",)):
        pass
    assert (tmp_path / "a.csv").read_text() == "file,segment,tick,t_us,class,truth,score_x\n"


def test_what_cannot_be_widened_is_said() -> None:
    with (
        open_out(Path("/dev/null").parent / "null", ("x",)) as out,
        pytest.raises(CommandError, match="class y came while /dev/null was written"),
    ):
        out.write(result(0, y=1))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.txt", r"ends in \.jsonl or \.csv"),
        ("nowhere/a.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
        ("read.csv", "is read for this replay"),
    ],
)
def test_what_cannot_be_is_refused(name: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "read.csv").write_text("t,x,y,p\n")
    with pytest.raises(UsageError, match=part):
        check_out(tmp_path / name, [tmp_path / "gone.csv", tmp_path / "read.csv"])


def test_text_is_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with open_out(path, ("=1+1",)) as out:
        out.write(result(0, **{"=1+1": 3}) | {"file": "@a.bin", "truth": "-wave"})
        out.write(result(1, **{"=1+1": 3, "+b": 9}))
    first, second = rows(path)
    assert [first[name] for name in ("file", "class", "truth")] == ["'@a.bin", "'=1+1", "'-wave"]
    assert (first["score_=1+1"], second["class"]) == ("3", "'+b")
