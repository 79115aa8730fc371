"""`spikewire bench fewshot`: new classes taught online to a network that knows the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.bench.learning.fewshot import pick, teach
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.qcore import Network, load_preset
from spikewire.sensors import open_dataset


def test_shots_are_chosen_from_what_is_learned(digits: Path) -> None:
    data = open_dataset(digits)
    learn = choose(data, "train")
    shots = pick(learn, ("9", "8"), 3, 0, 0)
    assert [sample.label for sample in shots] == ["9", "8"] * 3
    assert len(set(shots)) == 6
    assert not set(shots) & set(choose(data, "validation"))
    assert shots == pick(learn, ("9", "8"), 3, 0, 0)
    assert shots != pick(learn, ("9", "8"), 3, 0, 1)


def test_teaching_is_the_live_path(digits: Path) -> None:
    data = open_dataset(digits)
    network = Network.build(load_preset("edge"), data.classes, 0)
    binned = BinnedDataset(data, network.spec, 160_000)
    store = network.read_store().copy()
    for number, sample in enumerate(pick(data.samples, ("8", "9"), 1, 0, 0), 1):
        teach(network, binned.events(sample), binned.ticks, sample.label)
        assert network.tick == number * 160
    assert (network.read_store() != store)[8:].any()


@pytest.mark.slow
def test_new_classes_are_learned_and_old_ones_kept(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "fewshot", str(digits), "--show", "160ms", "--passes", "2", "--shots", "3"]
    assert cli.run([*words, "--seeds", "1", "--choices", "2", "--batch", "8", "--json"]) == 0
    *runs, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(run["seed"], run["choice"]) for run in runs] == [(0, 0), (0, 1)]
    assert summary["runs"] == 2
    assert summary["new_before"] == 0
    assert summary["new_after"] >= 0.5
    assert summary["old_after"] >= 0.5
    lost = [run["old_before"] - run["old_after"] for run in runs]
    assert summary["old_lost_points_worst"] == pytest.approx(100 * max(lost), abs=0.01)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--digits", "8,x"], "x is none of the classes 0, 1"),
        (["--digits", "8,8"], "'8' is named twice"),
        (["--digits", "0,1,2,3,4,5,6,7,8,9"], "leaves no class to train on"),
        (["--shots", "5"], "has 4 recordings of 8 to choose from"),
    ],
)
def test_wrong_words(
    more: list[str], part: str, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", "fewshot", str(digits), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert part in told.err.splitlines()[-1]
