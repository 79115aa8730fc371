"""`spikewire sweep`: every trial once; wrong usage in one sentence."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.sweep.results import COLUMNS
from tests.integration.apps.sweeping import TINY, gone, rows, running, told, words

PASSES = """
[training]
passes = 1
"""

pytestmark = pytest.mark.usefixtures("another_dask")


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--vary", "weight=2,3", "--vary", "weight=4"], "--vary weight is given twice"),
        (["--vary", "trace=6", "--vary", "q=6", "--grid"], "trace sets p and q"),
        (["--vary", "store=4", "--vary", "weight=4,6", "--grid"], "store=4, weight=6: weights of"),
        (["--vary", "weight=2", "--seeds", "0,x"], "--seeds: '0,x' is neither"),
        (["--vary", "weight=2", "--passes", "0"], "--passes"),
        (["--vary", "weight=2", "--workers", "0"], "--workers"),
        (["--vary", "weight=2", "--model", "huge"], "huge is neither a preset (edge,"),
        (["--vary", "weight=2", "--cluster", "udp://a:1"], "udp://a:1 is not tcp://HOST:PORT"),
        (["--vary", "weight=2", "--cluster", "tcp://a"], "is not HOST:PORT"),
        (["--vary", "weight=2", "--cluster", "tcp://a:1", "--workers", "1"], "--workers is for"),
        (["--vary", "weight=2", "--out", "/nowhere/a"], "there is no folder /nowhere"),
        ([], "give --vary WIDTH=BITS, --without PART, or both"),
        (["--without", "gains"], "there is no such part; there are learning,"),
        (["--without", "gain"], "--without gain: tiny has none"),
        (["--vary", "weight=2", "--model", "edge", "--model", "edge"], "edge is given twice"),
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


def test_old_spellings_are_understood(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    old = ["sweep", "--preset", str(tiny), "--dataset", str(digits), "--scheduler", "udp://a:1"]
    assert cli.run([*old, "--vary", "weight=2", "--out", str(tiny.parent / "out")]) == 2
    *notes, error = capsys.readouterr().err.splitlines()
    assert notes == [
        f"note: --preset is now --model {tiny}",
        f"note: --dataset is now the argument {digits}",
        "note: --scheduler is now --cluster udp://a:1",
    ]
    assert error.startswith("spikewire: --cluster udp://a:1 is not tcp://HOST:PORT")


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
    of_sweep = re.sub(r"(?m)^spikewire simulate .*|`spikewire (?!sweep)[^`]*`", "", text)
    named = set(re.findall(r"--[a-z]+", of_sweep))
    help_text = (
        CliRunner().invoke(cli.application(), ["sweep", "--help"], env={"COLUMNS": "200"}).output
    )
    assert {"--vary", "--out"} <= named
    assert all(option in help_text for option in named), named
    assert all(f"`{column}`" in text for column in COLUMNS)


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
    *whole, without_network = path.read_bytes().splitlines(keepends=True)
    assert without_network.startswith(b"no network,,1,1.0000,")
    assert done["no_network"] == 1
    path.write_bytes(b"".join(whole)[:-7])
    lost = kept[-1]
    start, *_, done = told(
        capsys, words(tiny, digits, *more, "--seeds", "0-1", "--vary", "error=4")
    )
    assert start["missing"] == done["computed"] == 2 + (lost["value"] == "2")
    again = [row for row in rows(tiny) if row["setting"] != "error"]
    measured = [{**row, "seconds": ""} for row in kept]
    assert sorted(map(str, measured)) == sorted(str({**row, "seconds": ""}) for row in again)


@pytest.mark.slow
def test_several_networks_frozen_and_without_parts(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny.parent / "other.toml"
    other.write_text(TINY.replace("[readout]", "[readout]\nlocal_gain = 4") + PASSES)
    more = ["--model", str(other), "--vary", "error=2", "--without", "gain,learning", "--frozen"]
    arguments = [*words(tiny, digits, *more), "--workers", "1", "--last-pass"]
    start, *_, done = told(capsys, arguments)
    names = [str(tiny), f"{tiny} frozen", str(other), f"{other} frozen"]
    assert start["models"] == names
    assert start["left_out"] == ["--without gain: tiny has none"]
    assert done["computed"] == start["missing"] == 7  # without learning is the frozen base
    assert [base["model"] for base in done["bases"]] == names
    found = {(row["preset"], row["setting"], row["value"], row["pass"]): row for row in rows(tiny)}
    # Each network has its own schedule; only the last pass was evaluated.
    assert {(key[0], key[3]) for key in found} == {
        *((name, str(n)) for name in names[:2] for n in range(1, 11)),
        *((name, "1") for name in names[2:]),
    }
    assert {row["accuracy"] == "" for row in found.values() if row["passes"] != row["pass"]} == {
        True
    }
    assert all(len(row["local"].split()) == 1 for row in found.values() if row["accuracy"])
    last = found[str(other), "without", "learning", "1"]
    assert last["network"] == found[f"{other} frozen", "base", "", "1"]["network"]
    assert found[str(other), "without", "gain", "1"]["accuracy"]
    capsys.readouterr()
    # Drawing alone takes what is known, also under other code.
    path = tiny.parent / "out" / "sweep.csv"
    path.write_bytes(path.read_bytes().replace(start["version"].encode(), b"0.1.0+01234567"))
    (tiny.parent / "out" / "sweep.png").unlink()
    written = path.read_bytes()
    told_again = told(capsys, [*arguments, "--draw"])
    assert told_again[-1]["computed"] == 0
    assert told_again[-1]["bases"] == done["bases"]
    assert told_again[-1]["settings"] == done["settings"]
    assert (tiny.parent / "out" / "sweep.png").is_file()
    assert path.read_bytes() == written


def test_nothing_to_draw(tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert cli.run([*words(tiny, digits, "--vary", "weight=2"), "--draw"]) == 1
    assert "has no results of these networks to draw" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_sweep_goes_on(
    tiny: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The finished trials of a killed command are not computed again."""
    more = ("--vary", "weight=2,4,6", "--passes", "30", "--workers", "1")
    with running(words(tiny, digits, *more)) as (process, heard):
        assert process.stdout is not None
        while heard[-1]["type"] != "point":
            heard.append(json.loads(process.stdout.readline()))
        process.kill()
        process.communicate()
    known = {row["network"] for row in rows(tiny)}
    assert 1 <= len(known) < 4
    start, *_, done = told(capsys, words(tiny, digits, *more))
    assert start["missing"] == done["computed"] == 4 - len(known)
    assert len({row["network"] for row in rows(tiny)}) == 4


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
