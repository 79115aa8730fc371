"""The decoders' bench: it measures, and docs/formats.md says what it finds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from spikewire.apps.bench.formats.encode import RECORDINGS
from spikewire.apps.bench.formats.rivals import RIVALS
from spikewire.apps.commands import run

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"


LIBRARIES = ("aestream", "faery", "dv-processing", "expelliarmus", "evlib")


def documented() -> dict[str, dict[str, str]]:
    """Return what the table says of other libraries, by format."""
    table = {}
    for line in FORMATS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 1 + len(LIBRARIES) and cells[0] in RECORDINGS:
            table[cells[0]] = dict(zip(LIBRARIES, cells[1:], strict=True))
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
    alone = {row["format"]: row["alone"]["verdict"] for row in report["decoders"] if "alone" in row}
    assert alone == {"HDF5": "exact", "ROS 1 bag": "exact"}
    table = documented()
    assert table.keys() == RECORDINGS.keys()
    for row in report["decoders"]:
        for name, said in table[row["format"]].items():
            if RIVALS[name].installed:
                assert re.split(r"[ ,:]", said)[0] == found(row, name), row
