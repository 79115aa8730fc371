"""`spikewire evaluate`: right answers counted, costs by NeuroBench, and models that cannot be."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from spikewire.apps import commands as cli
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.evaluation import evaluate_batch, predictions
from spikewire.qcore import (
    Batch,
    BatchResult,
    LayerSpec,
    LearningSpec,
    Network,
    NetworkSpec,
    load_preset,
)
from spikewire.sensors import open_dataset

CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def model(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has seen the invented digits once."""
    out = tmp_path_factory.mktemp("model") / "m.safetensors"
    words = ["train", str(digits), "--out", str(out), "--show", "160ms", "--passes", "1"]
    assert cli.run([*words, "--batch", "8", "--json"]) == 0
    return out


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.run(["evaluate", *words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(report, dict)
    return report


@pytest.mark.slow
def test_parts_confusion_and_costs(
    digits: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = ("--show", "160ms")
    report = told(capsys, str(model), str(digits), *show, "--count-on", "3")
    assert (report["recordings"], report["ticks"], report["part"]) == (10, 160, "validation")
    assert report["classes"] == list(CLASSES)
    confusion = np.array(report["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() + sum(report["unanswered"]) == 10
    assert report["right"] == np.trace(confusion)
    assert report["accuracy"] == report["right"] / 10 >= 0.5
    assert report["recall"] == [float(n) for n in np.diag(confusion)]
    assert report["local"] == [None, None, None]
    assert report["no_network"]["accuracy"] == 1
    found = report["neurobench"]
    assert found["counted_on"] == 3
    assert 0 < found["connection_sparsity"] < 0.5
    assert 0.5 < found["activation_sparsity"] < 1
    ops = found["synaptic_operations"]
    assert 0 < ops["effective_macs"] < ops["effective_acs"] < ops["dense"]
    assert found["per_tick"]["effective_acs"] == pytest.approx(ops["effective_acs"] / 160, abs=0.1)
    neurons = 16 * 16 * 16 + 8 * 8 * 32 + 4 * 4 * 64
    assert 0 < found["membrane_updates"] <= 160 * neurons
    for part, count in (("train", 40), ("all", 50)):
        report = told(capsys, str(model), str(digits), *show, "--part", part, "--count-on", "0")
        assert report["recordings"] == count
        assert report["neurobench"]["synaptic_operations"] is None
        assert report["no_network"] is None  # there is no other part to fit it on
    report = told(capsys, str(model), str(digits), *show, "--count-on", "0", "--no-baseline")
    assert report["no_network"] is None


@pytest.mark.slow
def test_the_layers_own_readouts_are_evaluated(digits: Path) -> None:
    """By the same rule as the answer: the highest sum, and none where all are equal."""
    data = open_dataset(digits)
    layers = (
        LayerSpec("conv", 8, kernel=5, stride=4, pad=2, threshold=20_000, slope=9),
        LayerSpec("conv", 8, threshold=30_000, plastic=False),
    )
    spec = NetworkSpec("two", layers, learning=LearningSpec(burn_in=10, cadence=5))
    net = Network.build(spec, data.classes, 0)
    binned = BinnedDataset(data, spec, 80_000)
    outputs: list[BatchResult] = []
    found = evaluate_batch(Batch(net, 7), binned, data.samples, outputs.append)
    scores = np.concatenate([output.local[0] for output in outputs])
    truth = np.array([data.classes.index(sample.label) for sample in data.samples])
    right = (scores.argmax(1) == truth) & (scores.max(1) > scores.min(1))
    assert found.local == [round(float(right.mean()), 4), None]
    assert 0 < right.mean() < 1


@pytest.mark.slow
def test_portions_change_no_answer(
    digits: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(model), str(digits), "--show", "160ms", "--count-on", "0", "--part", "all")
    assert told(capsys, *words, "--batch", "1") == told(capsys, *words, "--batch", "7")


@pytest.mark.slow
def test_for_people(digits: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(model), str(digits), "--show", "160ms"]) == 0
    out = capsys.readouterr().out
    assert "of 10 right (validation part, 160 ticks of 1000 us each)" in out
    assert "without a network (ridge regression on square roots" in out
    assert "membrane updates" in out
    assert "304,828 B" in out


@pytest.mark.slow
def test_moved_recordings(digits: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (str(model), str(digits), "--show", "160ms", "--count-on", "0")
    plain, still = told(capsys, *words), told(capsys, *words, "--moved", "0,0")
    assert plain == still
    moved = told(capsys, *words, "--moved", "3,-2")
    assert moved["moved"] == [3, -2]
    assert moved["activity"] != plain["activity"]
    assert moved["no_network"] is None
    # Out of the picture nothing is left.
    gone = told(capsys, *words, "--moved", "0,-200")
    assert gone["activity"] == [0.0] * len(gone["activity"])
    assert sum(gone["unanswered"]) == 10
    assert cli.run(["evaluate", *words, "--moved", "3"]) == 2
    assert "3 is no pair of whole numbers, such as 2,-2" in capsys.readouterr().err


def test_no_difference_is_no_answer() -> None:
    scores = np.array([[3, 3], [1, 2], [-4, -9], [0, 0]], np.int64)
    none = np.zeros((1, 1), np.int64)
    shown = BatchResult(scores, none[None], none, none, none, 1)
    assert predictions(shown).tolist() == [-1, 1, 0, -1]


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert cli.run(["evaluate", *words]) == code
    err = capsys.readouterr().err.splitlines()
    assert [line for line in err if line.startswith("spikewire: ")] == err[-1:]
    return err[-1]


def forge(path: Path, change: str) -> None:
    """Write a model file with one thing wrong."""
    whole = Network.build(load_preset("edge"), CLASSES, 0).to_bytes()
    (length,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + length])
    about = json.loads(header["__metadata__"]["spikewire-model"])
    arrays = safetensors.numpy.load(whole)
    if change == "version":
        about["version"] = 99
    elif change == "width":
        about["spec"]["widths"]["weight"] = 9
    elif change == "nan":
        arrays["i32"] = np.full(arrays["i32"].shape, np.nan, np.float32)
    elif change == "shape":
        arrays["i16"] = arrays["i16"][:-1]
    elif change == "missing":
        del arrays["lanes"]
    data = safetensors.numpy.save(arrays, metadata={"spikewire-model": json.dumps(about)})
    path.write_bytes(whole[: len(whole) // 2] if change == "cut" else data)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("version", "is a model of version 99; this program reads version"),
        ("cut", "is damaged"),
        ("nan", "'i32' holds float32, not int32"),
        ("shape", "'i16' has shape"),
        ("width", "widths.weight is 9; allowed are whole numbers from 2 to 8"),
        ("missing", "lacks the array 'lanes'"),
    ],
)
def test_models_that_cannot_be(
    change: str, part: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.safetensors"
    forge(path, change)
    line = refused(capsys, 1, str(path), str(digits))
    assert "bad.safetensors" in line
    assert part in line


def test_labels_that_the_model_does_not_know(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.safetensors"
    Network.build(load_preset("edge"), ("0", "1"), 0).save(path)
    line = refused(capsys, 1, str(path), str(digits))
    assert "is labelled '2', which is none of the classes 0, 1" in line


def test_wrong_words(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "huge is neither a file nor a preset" in refused(capsys, 2, "huge", str(digits))
    line = refused(capsys, 2, "edge", str(digits), "--part", "test")
    assert "--part test is none of validation, train, all" in line
    assert "is empty" in refused(capsys, 1, "edge", str(tmp_path))
    assert "does not exist" in refused(capsys, 2, "edge", str(tmp_path / "no"))
