"""`spikewire bench dvsgesture` on simulated people, in both layouts of the data set."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.apps import commands as cli
from spikewire.apps.bench.learning import dvs_gesture
from spikewire.apps.training import resume
from spikewire.apps.training.trainer import Progress
from spikewire.qcore import Network

HAS_TORCH = importlib.util.find_spec("torch") is not None
SMALL = """
description = "two small layers"
width = 16
height = 16
result_every = 10
[[layers]]
kind = "conv"
channels = 8
kernel = 5
stride = 2
pad = 2
threshold = 20000
slope = 9
reset = "subtract"
[[layers]]
kind = "conv"
channels = 8
kernel = 3
pad = 1
pool = 2
threshold = 40000
slope = 12
[learning]
burn_in = 50
[training]
passes = 1
batch = 8
"""


@pytest.fixture(scope="module", params=["published", "tonic"])
def people(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "DvsGesture"
    words = ["simulate", "--out", str(folder), "--layout", request.param, "--json"]
    more = ["--subjects", "2", "--train", "1", "--lights", "led", "--for", "0.2s", "--jobs", "1"]
    assert cli.run([*words, *more]) == 0
    return folder


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


def bench(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert cli.run(["bench", "dvsgesture", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_it_trains_on_the_published_part_and_tests_on_the_other(
    people: Path, small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = tmp_path / "small.model", tmp_path / "result.json"
    words = [str(people), "--model", small, "--save", str(model), "--no-twin"]
    *passes, result = bench(capsys, *words, "--out", str(out))
    assert [record["pass"] for record in passes] == [1]
    assert passes[0]["accuracy"] is None  # nothing is looked at before the end
    data = result["data"]
    assert data["train"] == {"recordings": 11, "subjects": ["user01"]}
    assert data["test"] == {"recordings": 11, "subjects": ["user02"]}
    assert 195 <= data["ticks"] <= 200
    network = result["network"]
    assert network["of"] == 11
    assert np.array(network["confusion"]).sum() == 11
    assert network["accuracy"] == round(network["right"] / 11, 4)
    assert network["updates"] > 0
    assert result["memory"]["bytes"]["total"] > result["memory"]["count"]["bits"] / 8
    assert result["twin"] is None
    assert result["without_network"]["recordings"] == 11
    assert json.loads(out.read_text())["network"] == network
    # The saved network is only evaluated.
    assert Network.load(model).updates == network["updates"]
    [again] = bench(capsys, str(people), "--model", str(model), "--no-twin")
    assert again["network"] == network
    assert not again["trained_here"]


@pytest.mark.slow
@pytest.mark.parametrize("people", ["published"], indirect=True)
def test_an_interrupted_training_is_resumed_with_the_same_bits(
    people: Path,
    small: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parts = tmp_path / "whole.model", tmp_path / "parts.model"
    words = ["bench", "dvsgesture", str(people), "--model", small, "--no-twin", "--json"]
    words += ["--passes", "2", "--save-every", "1us", "--save"]
    assert cli.run([*words, str(whole)]) == 0
    kept, save = resume.ResumePoints.after_portion, []

    def interrupt(points: resume.ResumePoints, progress: Progress, network: Network) -> None:
        kept(points, progress, network)
        save.append((progress.number, progress.portion))
        if len(save) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume.ResumePoints, "after_portion", interrupt)
    assert cli.run([*words, str(parts)]) == 1
    unfinished = tmp_path / "parts.model.unfinished"
    assert f"--resume goes on from {unfinished}" in capsys.readouterr().err
    assert not parts.exists()
    assert cli.run([*words, str(parts)]) == 2  # not begun anew by mistake
    assert "is an unfinished training" in capsys.readouterr().err
    assert cli.run([*words, str(parts), "--resume"]) == 0
    assert save == [(0, 1), (1, 0), (1, 1), (2, 0)]
    assert parts.read_bytes() == whole.read_bytes()
    assert not unfinished.exists()
    # Finished: only evaluated.
    assert cli.run([*words, str(parts), "--resume"]) == 0
    assert len(save) == 4
    assert cli.run([*words[:-1], "--resume"]) == 2
    assert "--resume needs --save FILE" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install 'spikewire[twin]'")
def test_the_distance_to_the_float_twin(
    people: Path, small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    *_, result = bench(capsys, str(people), "--model", small, "--twin")
    twin = result["twin"]
    assert set(twin["readouts"]) >= {"layer1", "layer2", "trained2", "votes"}
    assert twin["accuracy"] == twin["readouts"]["layer2"]
    distance = 100 * (twin["accuracy"] - result["network"]["accuracy"])
    assert result["points_under_twin"] == round(distance, 2)
    assert cli.run(["bench", "dvsgesture", str(people), "--model", small, "--twin"]) == 0
    told = capsys.readouterr().out
    assert f"float twin {twin['accuracy']:.4f}: the integer network is" in told
    assert "bytes as built" in told


TRACED = """
description = "a small layer on traces"
version = 2
width = 12
height = 12
result_every = 10
[[layers]]
kind = "conv"
dynamics = "traces"
channels = 6
kernel = 5
pad = 2
pool = 2
decay_u = 614
decay_v = 205
reset = "refractory"
refractory_keep = 1024
refractory_rounding = "nearest"
threshold = 10000
slope = 9
[learning]
cadence = 2
apply_every = 3
burn_in = 20
gradient_scale = "tensor"
centre_gradients = false
feedback = "concordant"
surrogate = "sigmoid"
learn_biases = true
[readout]
answer = "local"
[training]
passes = 9
batch = 5
shift = 1
"""


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install 'spikewire[twin]'")
def test_the_twin_of_a_network_makes_its_choices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = tmp_path / "traced.toml", tmp_path / "data"
    model.write_text(TRACED)
    rng = np.random.default_rng(0)
    for n in range(20):
        label, count = ("left", "right")[n % 2], 400
        folder = data / label
        folder.mkdir(parents=True, exist_ok=True)
        t = np.sort(rng.integers(0, 60_000, count))
        x = rng.integers(0, 6, count) + 6 * (n % 2)
        rows = np.stack([t, x, rng.integers(0, 12, count), rng.integers(0, 2, count)], 1)
        np.savetxt(folder / f"{n}.csv", rows, "%d", ",", header="t,x,y,p", comments="")
    capsys.readouterr()
    words = [
        "bench",
        "twin",
        str(data),
        "--model",
        str(model),
        "--seed",
        "3",
        "--rate",
        "0.1",
        "--json",
    ]
    assert cli.run(words) == 0
    *_, result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rule = result["rule"]
    chosen = {
        "alpha": 1 - 205 / 4096, "beta": 1 - 614 / 4096, "refractory": 0.25, "burn_in": 20,
        "every": 2, "gather": 3, "normalise": "layer", "bias_rate": 1.0, "last": "sigmoid",
        "surrogate": "sigmoid", "feedback": "concordant",
    }  # fmt: skip
    assert {name: rule[name] for name in chosen} == chosen
    assert result["plan"]["passes"] == 9
    assert (result["plan"]["batch"], result["plan"]["shift"]) == (5, 1)
    assert result["recordings"] == {"train": 16, "validation": 4}
    assert result["architecture"]["layers"][0]["channels"] == 6
    # Left and right are told apart by the place alone.
    assert result["accuracy"]["mean"] == 1.0
    assert cli.run([*words, "--architecture", "decolle"]) == 2
    # A network with currents of its own has the baseline's constants, where that is strongest.
    model.write_text(SMALL)
    assert cli.run([*words[:-1], "--passes", "1", "--json"]) == 0
    *_, result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (result["rule"]["alpha"], result["rule"]["every"]) == (0.97, 5)


def test_without_pytorch_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dvs_gesture.importlib.util, "find_spec", lambda name: None)
    assert cli.run(["bench", "dvsgesture", str(tmp_path), "--twin"]) == 2
    assert "pip install 'spikewire[twin]'" in capsys.readouterr().err
    assert cli.run(["bench", "dvsgesture", str(tmp_path)]) == 1  # there is no data set
    told = capsys.readouterr().err
    assert "note: the float twin needs PyTorch" in told
    assert "has no part 'train'" in told


def test_people_who_are_in_both_parts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("ibmGestureTrain", "ibmGestureTest"):
        folder = tmp_path / part / "user01_led"
        folder.mkdir(parents=True)
        np.save(folder / "0.npy", np.array([(1, 2, 1, t) for t in range(300)], float))
    assert cli.run(["bench", "dvsgesture", str(tmp_path), "--no-twin"]) == 1
    assert "shows user01 in training and in test" in capsys.readouterr().err


def test_milliseconds_taken_for_microseconds_train_nothing_and_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.array([(t % 20, 2 + t % 7, 1, t) for t in range(400)], np.int64)
    for name in ("left", "right"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(5):
            np.save(tmp_path / "data" / name / f"{number}.npy", rows)
    words = ["train", str(tmp_path / "data"), "--columns", "x,y,p,t", "--passes", "1"]
    words += ["--out", str(tmp_path / "m"), "--json"]
    assert cli.run(words) == 1
    told = capsys.readouterr().err
    assert "1,002," in told
    assert "its times are in another unit, such as s, ms, us or ns; tell it (--unit)" in told
    assert cli.run([*words, "--unit", "s"]) == 1
    assert "would have 1.0 events per second, over 399 s" in capsys.readouterr().err
    assert cli.run([*words, "--unit", "ms"]) == 0
