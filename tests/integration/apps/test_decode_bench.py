"""The decoders' bench: it measures, and docs/formats.md says what it finds."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from spikewire.apps.bench.formats.encode import RECORDINGS
from spikewire.apps.commands import run

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"


def documented() -> dict[str, tuple[str, str]]:
    """Return what the table says of aestream and of faery, by format."""
    table = {}
    for line in FORMATS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 5 and cells[0] in RECORDINGS:
            table[cells[0]] = (cells[2], cells[3])
    return table


def found(row: dict[str, object], name: str) -> str:
    if row[name] is None:
        return "no"
    return "exact" if row[f"{name}_right"] else "wrong"


@pytest.mark.slow
def test_the_documented_table_is_what_is_measured_today(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where this fails another release reads more, or less, than docs/formats.md says."""
    picture = tmp_path / "filters.png"
    options = ["--events", "20000", "--rounds", "1", "--plot", str(picture), "--json"]
    assert run(["bench", "decode", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["format"] for row in report["decoders"]] == list(RECORDINGS)
    assert all(row["exact"] for row in report["decoders"])
    assert all(row["spikewire"] > 0 for row in report["decoders"])
    assert {row["filter"].split(":")[0] for row in report["filters"]} >= {
        "refractory", "background", "hot", "polarity", "crop", "downsample", "flip", "transpose",
        "rate",
    }  # fmt: skip
    assert picture.stat().st_size > 10_000
    table = documented()
    assert table.keys() == RECORDINGS.keys()
    for row in report["decoders"]:
        aestream, faery = table[row["format"]]
        assert re.split(r"[ ,:]", faery)[0] == found(row, "faery"), row
        if find_spec("aestream") is not None:
            assert re.split(r"[ ,:]", aestream)[0] == found(row, "aestream"), row
