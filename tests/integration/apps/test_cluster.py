"""Trials on Dask: every trial once, whatever dies, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.cluster import dask
from spikewire.apps.cluster.worker import Worker
from tests.integration.apps.sweeping import all_gone, rows, running, told, without_patience, words
from tests.support.patience import patience

pytestmark = pytest.mark.usefixtures("another_dask")


@pytest.mark.slow
def test_a_killed_worker_costs_a_retry(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=4", "--passes", "20", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        pids = {heard[-1]["pid"]}
        os.kill(heard[-1]["pid"], signal.SIGKILL)
        out, err = process.communicate(timeout=patience(60))
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
    assert without_patience(err) == ""


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
        _, err = process.communicate(timeout=patience(30))
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert "worker after worker died while computing it" in last
    assert last.startswith(("spikewire: base, seed 0: ", "spikewire: weight=4, seed 0: "))
    assert len(pids) >= 4
    assert all_gone(pids, within_s=0)


asked: list[int] = []


def flaky_trial(settings: Mapping[str, Any], worker: Worker) -> dict[str, Any]:
    seed = settings["seed"]
    asked.append(seed)
    if (seed == 1 and asked.count(1) < 3) or seed == 2:
        raise OSError(5, "Input/output error", "a.bin")
    worker.after_pass(1)
    return {"seed": seed, "wanted": worker.wanted()}


@pytest.mark.slow
def test_errors_of_the_system_are_tried_again() -> None:
    pytest.importorskip("distributed")
    from distributed import Client

    asked.clear()
    with Client(
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as client:
        heard = list(dask.compute(client, {"one": {"seed": 1}}, work=flaky_trial))
        assert [one.attempt for one in heard if isinstance(one, dask.TrialStarted)] == [1, 2, 3]
        assert heard[-2:] == [
            dask.TrialPassed("one", 1),
            dask.TrialFinished("one", {"seed": 1, "wanted": True}),
        ]
        with pytest.raises(OSError, match="Input/output error"):
            list(dask.compute(client, {"two": {"seed": 2}}, work=flaky_trial))
        assert asked.count(2) == 1 + dask.RETRIES


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_all_in_order(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=2-7", "--passes", "5000", "--workers", "2")
    with running(words(tiny, digits, *more)) as (process, heard):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
        out, err = process.communicate(timeout=patience(30))
    pids = {heard[-1]["pid"]} | {
        one["pid"] for one in map(json.loads, out.splitlines()) if one["type"] == "began"
    }
    assert process.returncode == 1
    csv_file = tiny.parent / "out" / "sweep.csv"
    assert (
        without_patience(err)
        == f"spikewire: interrupted; the same command goes on from {csv_file}\n"
    )
    assert all_gone(pids, within_s=0)


@pytest.mark.slow
def test_workers_do_not_outlive_a_command_that_is_killed(tiny: Path, digits: Path) -> None:
    pytest.importorskip("distributed")
    more = ("--vary", "weight=4", "--passes", "5000", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        process.kill()
        process.communicate(timeout=patience(30))
    assert all_gone({heard[-1]["pid"]}, within_s=patience(10))


@pytest.mark.slow
def test_a_scheduler_elsewhere(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    monkeypatch.setattr(dask, "_CONNECT_S", 2)
    more = ["--vary", "weight=4", "--passes", "1", "--cluster"]
    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1:")
        address = cluster.scheduler_address
        assert cli.run(words(tiny, digits, *more, address)) == 1
        assert f"{address} has no workers" in capsys.readouterr().err
        cluster.scale(1)
        # A worker is a process of its own, which begins late on a busy machine.
        monkeypatch.setattr(dask, "_CONNECT_S", patience(10))
        done = told(capsys, words(tiny, digits, *more, address))[-1]
        assert done["computed"] == 2
        # The cluster is somebody's: it is there afterwards.
        assert len(cluster.scheduler.workers) == 1
    monkeypatch.setattr(dask, "_CONNECT_S", 2)
    assert cli.run(words(tiny, digits, *more, address, "--seeds", "1")) == 1
    assert f"no Dask scheduler answers at {address}" in capsys.readouterr().err
