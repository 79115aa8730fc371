"""`spikewire convert`, `simulate` and the simulator's bench."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.commands import run
from spikewire.sensors import open_dataset, open_recording
from tests.reference.formats import EVENTS, WRITERS


def events(path: Path) -> list[tuple[int, ...]]:
    return [e for chunk in open_recording(path).chunks() for e in chunk.tolist()]


def test_convert_keeps_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.raw"
    source.write_bytes(WRITERS["evt2"][1](EVENTS))
    for suffix in (".aedat4", ".csv", ".aedat"):
        target = tmp_path / f"out{suffix}"
        assert run(["convert", str(source), str(target), "--json"]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert (summary["events"], summary["size"]) == (5, [640, 480])
        assert events(target) == EVENTS
    assert run(["convert", str(source), str(tmp_path / "out.csv")]) == 2
    assert "give --force" in capsys.readouterr().err
    assert run(["convert", str(source), str(tmp_path / "out.mp4")]) == 2
    assert "of no format that is written" in capsys.readouterr().err


def test_convert_filters_and_changes_the_sensor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.raw", tmp_path / "out.aedat4"
    source.write_bytes(WRITERS["evt2"][1](EVENTS))
    how = ["--filter", "polarity:on", "--filter", "crop:0,0,34x34", "--filter", "flip:x"]
    assert run(["convert", str(source), str(target), *how, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["size"] == [34, 34]
    assert summary["dropped"] == {"filter_polarity": 2, "filter_crop": 0, "filter_flip": 0}
    assert events(target) == [(t, 33 - x, y, p) for t, x, y, p in EVENTS if p]
    assert run(["convert", str(source), str(target), "--force", "--filter", "blur"]) == 2
    assert "'blur' is no filter" in capsys.readouterr().err


def test_convert_of_a_damaged_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in.dat", tmp_path / "out.npy"
    source.write_bytes(WRITERS["dat"][1](EVENTS)[:-2])
    assert run(["convert", str(source), str(target)]) == 1
    assert "is damaged at byte" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]
    assert run(["convert", str(source), str(target), "--drop", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert "is damaged at byte" in summary["damage"]
    assert events(target) == EVENTS[:-1]


def test_texts_of_any_order_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("9,8,1,0.5\n4,5,0,1.25\n")
    how = ["--columns", "x,y,p,t", "--size", "64x48", "--unit", "ms", "--json"]
    assert run(["info", str(path), *how]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["size"], facts["t_last"]) == ([64, 48], 1250)
    assert facts["note"] == "columns x,y,p,t, as said; times in ms"
    assert run(["info", str(path), "--columns", "x,y"]) == 1
    assert "has to name t, x, y and p" in capsys.readouterr().err
    assert run(["info", str(path), "--size", "big"]) == 2


@pytest.mark.slow
def test_simulate_writes_a_set_that_is_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    command = ["simulate", "--out", str(out), "--subjects", "2", "--for", "100ms"]
    command += ["--lights", "natural", "--jobs", "2", "--json"]
    assert run(command) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["recordings"], summary["train"]) == (2, 1)
    assert open_dataset(out, part="train").subjects() == ("user01",)
    assert run(command) == 2
    assert "there is something already" in capsys.readouterr().err
    assert run(["simulate", "--out", str(tmp_path / "b"), "--lights", "dark"]) == 2
    assert run(["simulate", "--out", str(tmp_path / "b"), "--subjects", "3", "--train", "3"]) == 2
    capsys.readouterr()
    model = tmp_path / "m.model"
    command = ["train", str(out), "--trials", "train", "--no-validate", "--passes", "1", "--json"]
    assert run([*command, "--out", str(model)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["learn"] == 11
    command = ["evaluate", str(model), str(out), "--trials", "test", "--count-on", "0", "--json"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["recordings"] == 11


@pytest.mark.data
@pytest.mark.slow
def test_the_simulator_is_compared_with_real_clips(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    command = ["bench", "simulator", str(data_dir / "dvs_gesture"), "--people", "4"]
    assert run([*command, "--plot", str(picture), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["clips"]) == 5
    assert report["times_real_time"] > 1
    assert report["within"] >= report["of"] // 2
    assert picture.stat().st_size > 10_000
    rates = [row["rate_kev"] for row in report["clips"]]
    assert all(44 * 0.9 <= rate["real"] <= 125 * 1.1 for rate in rates)
    simulated = np.concatenate([rate["simulated"] for rate in rates])
    assert 40 < np.median(simulated) < 200
    assert run(["bench", "simulator", str(tmp_path)]) == 1


def test_hot_pixels_are_known_after_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hot = [(t, 5, 5, 1) for t in range(0, 2_500_000, 5_000)]
    path = tmp_path / "hot.dat"
    path.write_bytes(WRITERS["dat"][1](hot))
    folder = tmp_path / "checkpoints"
    command = ["run", "--source", f"file:{path}", "--classes", "a,b", "--port", "0", "--json"]
    command += ["--filter", "hot", "--checkpoint", str(folder)]
    assert run(command) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["source"]["filter_hot"] == 300  # all after the first second
    assert len(list(folder.glob("*.source.npz"))) == 1
    assert run([*command, "--resume"]) == 0
    second = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert second["source"]["filter_hot"] == 500
    # Other filters cannot take it over, and say so.
    command[command.index("hot")] = "refractory:1ms"
    assert run([*command, "--resume"]) == 1
    assert "The saved filters are not these" in capsys.readouterr().err
