"""Replays of recordings through the whole pipeline, by the command a person would type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.qcore import Network
from tests.support.bars import bar


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_labels_teach_and_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, left = bar(tmp_path / "right.bin"), bar(tmp_path / "left.bin", step=-1)
    model = tmp_path / "model.safetensors"
    for name, path in (("right", right), ("left", left)):
        start = "edge" if not model.exists() else str(model)
        known = ["--classes", "right,left"] if start == "edge" else []
        words = ["replay", str(path), "--label", name, "--learn", "--model", start, *known]
        assert cli.run([*words, "--save", str(model), "--json"]) == 0
        told = lines(capsys.readouterr().out)
        assert all(line["teaching"] for line in told[:-1])
        assert told[-1]["updates"] > 0
    # What was saved answers without learning, and is judged by the label.
    assert cli.run(["replay", str(right), "--label", "right", "--model", str(model), "--json"]) == 0
    told = lines(capsys.readouterr().out)
    assert not any(line["teaching"] for line in told[:-1])
    assert told[-1]["judged"] == len(told) - 1


def test_a_label_file_names_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bar(tmp_path / "bar.bin")
    labels = tmp_path / "labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\na,0,40000\nb,60000,120000\n")
    assert cli.run(["replay", str(path), "--labels", str(labels), "--json"]) == 0
    *results, summary = lines(capsys.readouterr().out)
    truths = [result["truth"] for result in results]
    assert truths.count("a") >= 3
    assert truths.count("b") >= 5
    assert truths.count(None) >= 1
    assert summary["judged"] == truths.count("a") + truths.count("b")


def test_labels_that_teach_nothing_save_and_draw_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, labels = bar(tmp_path / "bar.bin"), tmp_path / "labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\na,1700000000000,1700000060000\n")
    model, plot = tmp_path / "learned.model", tmp_path / "learned.png"
    words = ["replay", str(path), "--labels", str(labels), "--learn", "--json"]
    assert cli.run([*words, "--save", str(model), "--plot", str(plot)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "no label covers what was shown" in told
    assert f"the network learned nothing, so {model} was not written" in told
    assert f"nothing could be judged, so {plot} was not written" in told
    assert not model.exists()
    assert not plot.exists()
    assert cli.run(["replay", str(path), "--plot", str(plot)]) == 2
    assert "give --labels or --label" in capsys.readouterr().err


def test_published_label_numbers_mean_gestures_that_the_network_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bar(tmp_path / "bar.bin")
    labels = tmp_path / "labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\n1,0,60000\n12,60000,120000\n")
    words = ["replay", str(path), "--labels", str(labels), "--json"]
    assert cli.run([*words, "--model", "gestures"]) == 0
    heard = capsys.readouterr()
    truths = [result.get("truth") for result in lines(heard.out)]
    assert truths.count("hand_clapping") >= 3
    assert "1" not in truths
    assert "does not know 12," in heard.err
    # A network that learns adds the unknown one only.
    model = tmp_path / "more.model"
    assert cli.run([*words, "--model", "gestures", "--learn", "--save", str(model)]) == 0
    assert Network.load(model).classes[-2:] == ("other_gestures", "12")
    # One that knows numbers keeps them.
    capsys.readouterr()
    assert cli.run([*words, "--classes", "1,12"]) == 0
    assert "1" in [result.get("truth") for result in lines(capsys.readouterr().out)]


def test_a_damaged_recording_gives_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bar(tmp_path / "cut.bin")
    path.write_bytes(path.read_bytes()[:-3])
    assert cli.run(["replay", str(path), "--classes", "a,b", "--json"]) == 1
    told = capsys.readouterr()
    assert lines(told.out)[-1]["results"] > 0
    assert "cut.bin" in told.err
    assert "byte 5,995" in told.err


def test_nowhere_to_save_is_known_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bar(tmp_path / "bar.bin")
    wanted = str(tmp_path / "nowhere" / "model.st")
    assert cli.run(["replay", str(path), "--classes", "a,b", "--save", wanted]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.data
@pytest.mark.slow
def test_every_speed_gives_the_same_bytes(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = data_dir / "recordings" / "davis346.aedat4"
    labels = tmp_path / "labels.csv"
    # The label changes within the recording; the first part is long enough for a lesson.
    first = 1_633_953_690_975_950
    labels.write_text(f"one,{first},{first + 122_500}\ntwo,{first + 122_500},{first + 130_000}\n")
    said, saved = [], []
    for speed in ("1", "10", "max"):
        model = tmp_path / f"{speed}.safetensors"
        words = ["replay", str(recording), "--labels", str(labels), "--learn", "--json"]
        assert cli.run([*words, "--speed", speed, "--save", str(model)]) == 0
        said.append(capsys.readouterr().out)
        saved.append(model.read_bytes())
    *results, summary = lines(said[0])
    assert summary["events"] == 117_667
    assert summary["updates"] > 0
    assert len(results) >= 13
    assert said[0] == said[1] == said[2]
    assert saved[0] == saved[1] == saved[2]
