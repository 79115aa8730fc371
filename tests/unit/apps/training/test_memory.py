"""`spikewire memory`: the paper's count to the bit, and every byte that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.qcore import Network, load_preset, preset_names


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.run(["memory", *words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert isinstance(report, dict)
    return report


def test_the_papers_own_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    report = told(capsys, "schaefer2020")
    assert report["paper"]["bits_32"] == 100_928_576
    assert report["paper"]["bits"] == 26_462_796
    assert report["paper"]["saving_percent"] == 73.78
    assert report["count"]["saving_percent"] == 73.84
    assert sum(item["bits"] for item in report["count"]["items"]) == report["count"]["bits"]
    weights = report["count"]["items"][0]
    assert (weights["name"], weights["numbers"]) == ("weights", 1_210_496)


@pytest.mark.parametrize("preset", preset_names())
def test_every_byte_of_every_preset_has_a_reason(
    preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = told(capsys, preset)
    sizes = report["bytes"]
    arrays = report["arrays"]
    assert (
        sum(kind["bytes"] for kind in arrays) == sizes["total"] == sizes["infer"] + sizes["learn"]
    )
    assert all(kind["reason"] for kind in arrays)
    network = Network.build(load_preset(preset), [str(n) for n in range(11)])
    state = network.state
    held = sum(part.nbytes for part in (state.i8, state.i16, state.i32, state.lanes))
    held += state.registers.nbytes + state.layers.nbytes
    work = sum(kind["bytes"] for kind in arrays if kind["kind"] == "work space")
    assert work >= sum(array.nbytes for array in network.scratch)
    assert sizes["total"] == held + work
    assert (report["paper"] is not None) == (preset in {"schaefer2020", "paper"})


def test_bytes_are_compared_with_32_bits(capsys: pytest.CaptureFixture[str]) -> None:
    report = told(capsys, "schaefer2020")
    sizes, width = report["bytes"], {"int8": 1, "int16": 2, "int32": 4, "uint32": 4, "int64": 4}
    assert sizes["count_32"] == report["count"]["bits_32"] // 8
    assert sizes["saving_percent"] == round(100 * (1 - sizes["total"] / sizes["count_32"]), 2)
    full = sum(kind["bytes"] // width[kind["dtype"]] * 4 for kind in report["arrays"])
    assert sizes["arrays_32"] == full
    assert sizes["arrays_saving_percent"] == round(100 * (1 - sizes["total"] / full), 2)
    assert cli.run(["memory", "schaefer2020"]) == 0
    out = capsys.readouterr().out
    assert f"{sizes['saving_percent']} % less than the 12,545,712 of the count at 32 bits" in out
    assert f"{full:,} of these same arrays at 32 bits" in out


def test_classes_cost_what_they_add(capsys: pytest.CaptureFixture[str]) -> None:
    ten, eleven = (told(capsys, "paper", "--class-count", n) for n in ("10", "11"))
    units = 14_400 + 21_632 + 3_200
    assert eleven["count"]["bits"] - ten["count"]["bits"] == 6 * (2 * units + 3 + 3)


def test_a_model_file_has_its_own_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.safetensors"
    Network.build(load_preset("edge"), ["a", "b"]).save(path)
    report = told(capsys, str(path))
    assert report["classes"] == 2
    assert report["bytes"] == told(capsys, "edge", "--class-count", "2")["bytes"]


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["memory", "schaefer2020"]) == 0
    out = capsys.readouterr().out
    assert "26,462,796 bits; 100,928,576 at 32 bits per number; 73.78 % less" in out
    assert "1,440 units in layer 1, which has 14,400" in out
    assert "304,828 bytes" in out


def test_an_unknown_preset_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["memory", "huge"]) == 2
    err = capsys.readouterr().err
    assert "huge is neither a file nor a preset" in err
    assert "schaefer2020" in err
    assert len(err.splitlines()) == 1


def test_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    size = told(capsys, "edge")["bytes"]["total"]
    assert told(capsys, "edge", "--limit", str(size))["bytes"]["total"] == size
    assert cli.run(["memory", "edge", "--limit", str(size - 5)]) == 1
    err = capsys.readouterr().err
    assert f"edge takes {size:,} bytes, 5 more than the limit of {size - 5:,}" in err


def test_edge_with_eleven_classes_learns_within_the_baseline_that_only_infers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted = told(capsys, "edge", "--class-count", "11", "--limit", "304828")["bytes"]
    assert counted["learn"] > 0
    assert counted["total"] <= counted["neurobench_baseline"] == 304828


def test_options_in_use_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "edge")["options"] == []
    preset = tmp_path / "own.toml"
    preset.write_text(
        '[[layers]]\nkind = "conv"\nchannels = 2\n[learning]\nsurrogate = "sigmoid"\n'
        'feedback = "concordant"\n[widths]\ndelta = 6\n'
    )
    options = ["learning.feedback='concordant'", "learning.surrogate='sigmoid'", "widths.delta=6"]
    assert told(capsys, str(preset))["options"] == options
    assert cli.run(["memory", str(preset)]) == 0
    assert f"Options of {preset}: {', '.join(options)}." in capsys.readouterr().out
