"""`spikewire convert`, `simulate` and the simulator's bench."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.commands import run
from spikewire.sensors import WRITABLE_FORMATS, open_dataset, open_recording
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
    command = ["simulate", "--out", str(out), "--subjects", "2", "--for", "150ms"]
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


TIMES = {
    "f01_unix_time": "1600000000000000,1,2,1\n1600000000001000,3,4,0\n",
    "h75": "0,1,1,1\n4500000000,3,3,1\n",
    "day": "0,1,1,1\n1000,2,2,0\n86400000000,3,3,1\n",
    "far": "0,1,1,1\n1000,2,2,0\n4611686018427387,3,3,1\n",
}
"""Inputs of public bug reports: Unix times, and gaps of 75 minutes, of a day, and of 146 years."""

REFUSED = {
    "f01_unix_time": (),
    "h75": (".bin", ".dat", ".es", ".h5", ".hdf5"),
    "day": (".bin", ".dat", ".es", ".h5", ".hdf5"),
    "far": (".bin", ".dat", ".es", ".h5", ".hdf5", ".raw"),
}


@pytest.mark.parametrize("suffix", WRITABLE_FORMATS)
@pytest.mark.parametrize("name", TIMES)
def test_absurd_times_are_written_exactly_or_refused(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / f"{name}.csv", tmp_path / f"out{suffix}"
    source.write_text("t,x,y,p\n" + TIMES[name])
    truth = [tuple(map(int, line.split(","))) for line in TIMES[name].splitlines()]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        code = run(["convert", str(source), str(target), "--json"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = capsys.readouterr()
    if suffix in REFUSED[name]:
        assert code == 1
        assert f"event {len(truth) - 1} (counted from 0)" in told.err
        assert f"{truth[-1][0]:,} us" in told.err
        assert list(tmp_path.iterdir()) == [source]
        return
    assert code == 0
    summary = json.loads(told.out)
    assert summary["events"] == len(truth)
    assert target.stat().st_size < (500_000 if suffix in (".h5", ".hdf5") else 100_000)
    shift = 0 if summary["origin_kept"] else summary["origin_us"]
    assert [(t + shift, x, y, p) for t, x, y, p in events(target)] == truth
    rebased = name == "f01_unix_time" and suffix in (".bin", ".dat", ".es", ".raw")
    assert summary["origin_us"] == (truth[0][0] if rebased else 0)
    assert ("written from the first event on" in told.err) == rebased
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.data
@pytest.mark.parametrize("name", TIMES)
def test_the_inputs_are_those_of_the_reports(name: str, data_dir: Path) -> None:
    report = (data_dir / "reports" / f"{name}.csv").read_text()
    assert report == "t,x,y,p\n" + TIMES[name]


def test_convert_cuts_and_chooses_the_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    truth = [(5_000_000 + 100_000 * n, n, 1, 1) for n in range(20)]
    source.write_text("t,x,y,p\n" + "".join(f"{t},{x},{y},{p}\n" for t, x, y, p in truth))

    def converted(*options: str) -> list[tuple[int, ...]]:
        assert run(["convert", str(source), str(target), "--force", *options]) == 0
        return events(target)

    assert converted("--start", "300ms", "--stop", "1s") == truth[3:10]
    assert converted("--start", "300ms") == truth[3:]
    assert converted("--stop", "250ms") == truth[:3]
    assert converted("--start", "60min") == []
    rebased = converted("--start", "300ms", "--stop", "600ms", "--rebase")
    assert [t for t, *_ in rebased] == [0, 100_000, 200_000]
    assert "times from 5,300,000 us" in capsys.readouterr().out
    target.unlink()
    source.write_text("t,x,y,p\n" + TIMES["f01_unix_time"])
    target = tmp_path / "out.es"
    assert run(["convert", str(source), str(target), "--keep-times"]) == 1
    assert "writes empty time, and event 0" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]
    for wrong in (["--rebase", "--keep-times"], ["--start", "2s", "--stop", "1s"]):
        assert run(["convert", str(source), str(target), *wrong]) == 2


def test_a_damaged_end_is_not_reached_by_a_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.dat", tmp_path / "out.npy"
    source.write_bytes(WRITERS["dat"][1](EVENTS)[:-2])
    stop = EVENTS[2][0] + 1
    assert run(["convert", str(source), str(target), "--stop", f"{stop}us"]) == 0
    assert events(target) == [event for event in EVENTS if event[0] < stop]
    capsys.readouterr()


def test_left_out_events_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in.aedat", tmp_path / "out.csv"
    address = 5 << 12 | 6 << 22 | 1 << 11
    rows = [(address, 10), (address | 1 << 10, 11), (address | 1 << 31, 12), (address, 13)]
    rows += [(address | 1 << 31 | 1 << 10, 14)]
    data = b"".join(struct.pack(">II", word, t) for word, t in rows)
    source.write_bytes(b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.DAVIS346\r\n" + data)
    assert run(["convert", str(source), str(target), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["events"], summary["dropped"]) == (2, {"trigger": 1, "frame_or_motion": 2})
    assert events(target) == [(10, 340, 253, 1), (13, 340, 253, 1)]
    assert run(["info", str(source)]) == 0
    assert "trigger 1, frame_or_motion 2" in capsys.readouterr().out
