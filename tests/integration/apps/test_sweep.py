"""`spikewire sweep`: every point once, whatever dies; wrong usage in one sentence."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.models import open_spec
from spikewire.apps.sweep import results as _results

TINY = """
tick_us = 2000

[[layers]]
kind = "conv"
channels = 8
kernel = 5
stride = 4
pad = 2
threshold = 20000
slope = 9

[learning]
burn_in = 10
cadence = 5

[readout]
every = 5
"""


@pytest.fixture(autouse=True, scope="module")
def another_dask() -> Iterator[None]:
    """Take the port that Dask would like for its dashboard: sweeps have to live beside another."""
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        except OSError:
            pass  # somebody has it already, which is as good
        yield


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def words(tiny: Path, data: Path, *more: str) -> list[str]:
    out = tiny.parent / "out"
    return [
        "sweep", "--preset", str(tiny), "--dataset", str(data), "--out", str(out),
        "--show", "80ms", "--batch", "8", *more,
    ]  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> list[dict[str, Any]]:
    pytest.importorskip("distributed")
    assert cli.run([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def rows(tiny: Path) -> list[dict[str, str]]:
    with open(tiny.parent / "out" / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked how yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(pids: set[int], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not all(gone(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return all(gone(pid) for pid in pids)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--vary", "weight=2,3", "--vary", "weight=4"], "--vary weight is given twice"),
        (["--vary", "trace=6", "--vary", "q=6", "--grid"], "trace sets p and q"),
        (["--vary", "store=4", "--vary", "weight=4,6", "--grid"], "store=4, weight=6: weights of"),
        (["--vary", "weight=2", "--seeds", "0,x"], "--seeds: '0,x' is neither"),
        (["--vary", "weight=2", "--passes", "0"], "--passes"),
        (["--vary", "weight=2", "--workers", "0"], "--workers"),
        (["--vary", "weight=2", "--preset", "huge"], "huge is neither a preset (edge,"),
        (["--vary", "weight=2", "--scheduler", "udp://a:1"], "udp://a:1 is not tcp://HOST:PORT"),
        (["--vary", "weight=2", "--scheduler", "tcp://a"], "is not HOST:PORT"),
        (["--vary", "weight=2", "--scheduler", "tcp://a:1", "--workers", "1"], "--workers is for"),
        (["--vary", "weight=2", "--out", "/nowhere/a"], "there is no folder /nowhere"),
        ([], "--vary"),
    ],
)
def test_wrong_usage(
    more: list[str], part: str, tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    assert cli.run(words(tiny, digits, *more)) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert part in heard.err
    assert len(heard.err.splitlines()) == 1
    assert not (tiny.parent / "out").exists()


@pytest.mark.parametrize(
    ("count", "part"),
    [("41", "there are only 40 recordings to learn"), ("9", "leaves none of class 9")],
)
def test_wrong_parts(
    count: str, part: str, tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    assert cli.run(words(tiny, digits, "--vary", "weight=2", "--recordings", count)) == 1
    assert part in capsys.readouterr().err


def test_a_file_that_is_no_preset(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    for text, part in (("a = ", "Invalid value"), ("width = 5", "needs at least one entry")):
        tiny.write_text(text)
        assert cli.run(words(tiny, digits, "--vary", "weight=2")) == 2
        assert f"{tiny} is no preset: " in (err := capsys.readouterr().err)
        assert part in err


def test_without_the_extra_it_is_named(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.run(words(tiny, digits, "--vary", "weight=2")) == 2
    assert "pip install 'spikewire[cluster]'" in capsys.readouterr().err


def test_the_document_uses_what_there_is() -> None:
    from typer.testing import CliRunner

    text = (Path(__file__).parents[3] / "docs" / "sweep.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z]+", text))
    help_text = CliRunner().invoke(cli.app, ["sweep", "--help"], env={"COLUMNS": "200"}).output
    assert {"--vary", "--out"} <= named
    assert all(option in help_text for option in named), named
    assert all(f"`{column}`" in text for column in _results.COLUMNS)


@pytest.mark.slow
def test_every_point_once_and_then_never_again(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--passes", "2", "--workers", "1", "--vary", "weight=2,8"]
    start, *events, done = told(capsys, words(tiny, digits, *more, "--seeds", "0,1"))
    assert (start["points"], start["missing"], start["learn"], start["validate"]) == (4, 4, 40, 10)
    assert (done["computed"], done["retries"]) == (4, 0)
    points = {event["point"]: event for event in events if event["type"] == "point"}
    assert sorted(points) == [f"{a}, seed {s}" for a in ("base", "weight=2") for s in (0, 1)]
    assert all(gone(event["pid"]) for event in events if event["type"] == "began")
    kept = rows(tiny)
    # base and weight=8 are one network: it was trained once, and stands under both names.
    assert len(kept) == 3 * 2 * 2
    same = [
        {k: v for k, v in row.items() if k not in ("setting", "value")}
        for setting in ("base", "weight")
        for row in kept
        if row["setting"] == setting and row["weight"] == "8"
    ]
    assert same[:4] == same[4:]
    weights = {row["value"]: int(row["bits"]) for row in kept if row["setting"] == "weight"}
    assert weights["8"] - weights["2"] == 6 * 5 * 5 * 2 * 8
    assert all(row["local"].count(" ") == 0 and 0 <= float(row["local"]) <= 1
               for row in kept if row["pass"] == "2")  # fmt: skip
    assert done["base"]["mean"] >= 0.5
    assert Path(done["png"]).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")

    start, done = told(capsys, words(tiny, digits, *more, "--seeds", "0,1"))
    assert (start["missing"], done["computed"]) == (0, 0)
    assert rows(tiny) == kept
    # The last rows are torn, and more is asked for: that is computed, and what was lost if it does
    # not stand under another name.
    path = tiny.parent / "out" / "sweep.csv"
    path.write_bytes(path.read_bytes()[:-7])
    lost = kept[-1]
    start, *_, done = told(
        capsys, words(tiny, digits, *more, "--seeds", "0-1", "--vary", "error=4")
    )
    assert start["missing"] == done["computed"] == 2 + (lost["value"] == "2")
    again = [row for row in rows(tiny) if row["setting"] != "error"]
    measured = [{**row, "seconds": ""} for row in kept]
    assert sorted(map(str, measured)) == sorted(str({**row, "seconds": ""}) for row in again)


def test_it_measures_what_train_measures(tiny: Path, digits: Path) -> None:
    from spikewire.apps.cluster.fingerprint import source
    from spikewire.apps.sweep import trial as _point
    from spikewire.apps.training.binned_dataset import BinnedDataset
    from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan
    from spikewire.qcore import Network
    from spikewire.sensors import open_dataset

    spec = open_spec(str(tiny))
    data = open_dataset(digits)
    learn, validate, name = _point.parts(data, 20)
    arguments: dict[str, Any] = {
        "batch": 8, "shift": 1, "show_us": 80_000, "recordings": 20, "data": name,
        "version": source(), "after_pass": lambda n: None, "wanted": lambda: True,
    }  # fmt: skip
    found = _point.measure(spec.to_dict(), str(digits), 3, 2, **arguments)
    binned = BinnedDataset(data, spec, 80_000)
    training = Trainer(
        Network.build(spec, data.classes, 3), binned, learn, validate, TrainingPlan(2, 8, 3, 1)
    )
    position = Progress()
    training.run(position, after_portion=lambda now: None, after_pass=lambda record: None)
    for measured, record in zip(found["curve"], position.curve, strict=True):
        assert measured["accuracy"] == record["accuracy"]
        assert measured["activity"] == record["activity"]
    with pytest.raises(_point.LostError):
        _point.measure(spec.to_dict(), str(digits), 3, 2, **arguments | {"wanted": lambda: False})
    with pytest.raises(CommandError, match=r"a worker runs spikewire .* begun with 0\.0"):
        _point.measure(spec.to_dict(), str(digits), 3, 2, **arguments | {"version": "0.0"})
    with pytest.raises(CommandError, match="holds other recordings for a worker"):
        _point.measure(spec.to_dict(), str(digits), 3, 2, **arguments | {"recordings": 30})


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]]]]:
    """A sweep in a session of its own, heard up to its first point begun."""
    with subprocess.Popen(
        [sys.executable, "-m", "spikewire", *arguments, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            heard: list[dict[str, Any]] = []
            while not heard or heard[-1]["type"] != "began":
                heard.append(json.loads(process.stdout.readline()))
            yield process, heard
        finally:
            process.kill()


@pytest.mark.slow
def test_a_killed_worker_costs_a_retry(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=4", "--passes", "20", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        pids = {heard[-1]["pid"]}
        os.kill(heard[-1]["pid"], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    heard += [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, err
    assert heard[-1]["retries"] == 1
    assert heard[-1]["computed"] == 2
    begun = [(one["point"], one["attempt"]) for one in heard if one["type"] == "began"]
    points = ["base, seed 0", "weight=4, seed 0"]
    assert sorted(begun) == sorted([*((point, 1) for point in points), (begun[0][0], 2)])
    assert [(row["setting"], row["pass"]) for row in sorted(
        rows(tiny), key=lambda row: (row["setting"], int(row["pass"])))
    ] == [(name, str(n)) for name in ("base", "weight") for n in range(1, 21)]  # fmt: skip
    pids |= {one["pid"] for one in heard if one["type"] == "began"}
    assert all_gone(pids, within_s=0)
    assert err == ""


@pytest.mark.slow
def test_what_kills_every_worker_is_named(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=4", "--passes", "5000", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        assert process.stdout is not None
        pids = set()
        while heard:
            pids.add(heard[-1]["pid"])
            os.kill(heard[-1]["pid"], signal.SIGKILL)
            heard = [json.loads(line) for line in [process.stdout.readline()] if line]
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert "worker after worker died while computing it" in last
    assert last.startswith(("spikewire: base, seed 0: ", "spikewire: weight=4, seed 0: "))
    assert len(pids) >= 4
    assert all_gone(pids, within_s=0)


asked: list[int] = []


def measure(*, seed: int, **rest: Any) -> dict[str, Any]:
    asked.append(seed)
    if (seed == 1 and asked.count(1) < 3) or seed == 2:
        raise OSError(5, "Input/output error", "a.bin")
    rest["after_pass"](1)
    return {"seed": seed, "wanted": rest["wanted"]()}


@pytest.mark.slow
def test_errors_of_the_system_are_tried_again() -> None:
    pytest.importorskip("distributed")
    from distributed import Client

    from spikewire.apps.cluster import dask as _cluster

    asked.clear()
    with Client(
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as client:
        heard = list(_cluster.compute(client, {"one": {"seed": 1}}, work=measure))
        assert [one.attempt for one in heard if isinstance(one, _cluster.Began)] == [1, 2, 3]
        assert heard[-2:] == [
            _cluster.Passed("one", 1),
            _cluster.Finished("one", {"seed": 1, "wanted": True}),
        ]
        with pytest.raises(OSError, match="Input/output error"):
            list(_cluster.compute(client, {"two": {"seed": 2}}, work=measure))
        assert asked.count(2) == 1 + _cluster.RETRIES


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_all_in_order(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=2-7", "--passes", "5000", "--workers", "2")
    with running(words(tiny, digits, *more)) as (process, heard):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
        out, err = process.communicate(timeout=30)
    pids = {heard[-1]["pid"]} | {
        one["pid"] for one in map(json.loads, out.splitlines()) if one["type"] == "began"
    }
    assert process.returncode == 1
    csv_file = tiny.parent / "out" / "sweep.csv"
    assert err == f"spikewire: interrupted; the same command goes on from {csv_file}\n"
    assert all_gone(pids, within_s=0)


@pytest.mark.slow
def test_workers_do_not_outlive_a_command_that_is_killed(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=4", "--passes", "5000", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        process.kill()
        process.communicate(timeout=30)
    assert all_gone({heard[-1]["pid"]}, within_s=10)


@pytest.mark.slow
def test_a_damaged_recording_ends_it_by_name(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    pytest.importorskip("distributed")
    data = tiny.parent / "data"
    shutil.copytree(digits, data)
    bent = data / "3" / "00001.bin"
    bent.write_bytes(bent.read_bytes()[:-3])
    assert cli.run([*words(tiny, data, "--vary", "weight=4", "--workers", "1"), "--json"]) == 1
    heard = capsys.readouterr()
    [told] = heard.err.splitlines()
    assert told.startswith("spikewire: ")
    assert "seed 0: " in told
    assert f"{bent} is damaged at byte 2,395" in told
    begun = [json.loads(line) for line in heard.out.splitlines()]
    assert {one["attempt"] for one in begun if one["type"] == "began"} == {1}
    assert rows(tiny) == []


@pytest.mark.slow
def test_a_scheduler_elsewhere(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    from spikewire.apps.cluster import dask as _cluster

    monkeypatch.setattr(_cluster, "_CONNECT_S", 2)
    more = ["--vary", "weight=4", "--passes", "1", "--scheduler"]
    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1:")
        address = cluster.scheduler_address
        assert cli.run(words(tiny, digits, *more, address)) == 1
        assert f"{address} has no workers" in capsys.readouterr().err
        cluster.scale(1)
        done = told(capsys, words(tiny, digits, *more, address))[-1]
        assert done["computed"] == 2
        # The cluster is somebody's: it is there afterwards.
        assert len(cluster.scheduler.workers) == 1
    assert cli.run(words(tiny, digits, *more, address, "--seeds", "1")) == 1
    assert f"no Dask scheduler answers at {address}" in capsys.readouterr().err
