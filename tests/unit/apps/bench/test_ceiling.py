"""What floats reach on simulated people: at toy size, and wrong usage."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.bench.baseline import ceiling

WITH_TORCH = importlib.util.find_spec("torch") is not None


def test_options_of_one_task_are_refused_for_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert cli.run(["bench", "twin", "gestures", "--rate", "0.1"]) == 2
    assert "bench twin gestures takes" in capsys.readouterr().err
    assert cli.run(["bench", "twin", str(tmp_path), "--people", "9"]) == 2
    assert "--people, --data and --read-passes" in capsys.readouterr().err


def test_the_table_names_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    ceiling.print_comparison(
        {
            "recordings": {"learned": 88, "unseen": 55}, "out": "spiking.model",
            "accuracy": {
                "no network": {"recorded": 0.5, "distorted": None},
                "integers, shipped": {"recorded": 0.9, "distorted": 0.85},
            },
        }
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert "0.5000" in shown
    assert "0.8500" in shown
    assert "saved in spiking.model" in shown


@pytest.mark.slow
@pytest.mark.skipif(not WITH_TORCH, reason="needs the extra twin")
def test_it_compares_and_keeps_the_spiking_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people, model = tmp_path / "people", tmp_path / "spiking.model"
    words = ["simulate", "--out", str(people), "--subjects", "3", "--train", "2"]
    assert cli.run([*words, "--lights", "natural", "--for", "0.8s", "--jobs", "1"]) == 0
    capsys.readouterr()
    words = ["bench", "twin", "gestures", "--data", str(people), "--out", str(model)]
    assert cli.run([*words, "--passes", "2", "--read-passes", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["recordings"] == {"learned": 22, "unseen": 11}
    rows = report["accuracy"]
    assert list(rows) == [
        "no network", "float convolutions and GRU", "spiking, learned through time",
        "integers, layers learned as well", "integers, shipped",
    ]  # fmt: skip
    assert all(0 <= rows[name]["distorted"] <= 1 for name in list(rows)[1:])
    assert rows["integers, shipped"]["recorded"] >= 0.5
    assert (
        cli.run(["evaluate", str(model), str(people), "--trials", "test", "--count-on", "0"]) == 0
    )
    assert "answers, by true class" in capsys.readouterr().out
