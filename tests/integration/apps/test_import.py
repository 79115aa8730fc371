"""`spikewire import` and `spikewire export`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikewire import Network
from spikewire.apps.commands import run
from spikewire.qcore import load_preset
from tests.support.nir_files import affine, chain, conv2d, integrate, lif, write_graph

RNG = np.random.default_rng(5)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    graph = chain(
        conv2d(RNG.normal(size=(3, 2, 3, 3))), integrate(),
        ("Flatten", {"start_dim": 0, "end_dim": -1}), affine(RNG.normal(size=(2, 108))), lif(),
    )  # fmt: skip
    return write_graph(tmp_path / "net.nir", graph)


def test_a_graph_becomes_a_model(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.model"
    words = ["import", str(net), "--out", str(out), "--classes", "left,right", "--tick", "2ms"]
    assert run([*words, "--like", "snntorch"]) == 0
    network = Network.load(out)
    assert (network.classes, network.tick_us) == (("left", "right"), 2000)
    said = capsys.readouterr().out
    assert "conv IF" in said
    assert "Computed as by snnTorch" in said


def test_check_writes_nothing(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.model"
    words = ["import", str(net), "--check", "--json", "--out", str(out), "--dt", "1e-3"]
    assert run([*words, "--reset", "subtract", "--floor", "none", "--target", "speck"]) == 0
    assert not out.exists()
    report = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in report["layers"]] == ["1", "4"]
    assert report["speck"] == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "give --out MODEL"),
        (["--check"], 1, "give dt and reset and floor"),
        (["--check", "--like", "norse", "--floor", "deep"], 2, "none, threshold and numbers"),
        (["--check", "--like", "norse", "--input", "3x4"], 2, "channels, rows, columns"),
        (["--check", "--like", "norse", "--classes", "a,b,c"], 1, "3 classes are named"),
    ],
)
def test_what_is_missing_or_wrong_is_told(
    net: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    assert run(["import", str(net), *words]) == code
    assert told in capsys.readouterr().err


def test_a_preset_is_exported_and_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nir")
    out = tmp_path / "edge10.nir"
    assert run(["export", "edge10", "--out", str(out)]) == 0
    assert "NIR tells no kind of reset: set subtract" in capsys.readouterr().out
    assert run(["import", str(out), "--out", str(tmp_path / "m")]) == 0
    assert Network.load(tmp_path / "m").spec == load_preset("edge10")
    assert "the classes have to be taught" in capsys.readouterr().out
    assert run(["export", "edge", "--out", str(out)]) == 1
    assert "refractory trace has no counterpart" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export", "edge10"], ["import", "net.nir", "--like", "norse"]])
def test_a_missing_folder_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run([*words, "--out", str(tmp_path / "away" / "out")]) == 2
    assert f"there is no folder {tmp_path / 'away'}" in capsys.readouterr().err
    assert run([*words, "--out", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
