"""A sweep's results on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.sweep.results import COLUMNS, ResultsCsv, key_of


def _row(number: int, **more: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "1")
    return row | {"pass": str(number), "passes": "3", "accuracy": "0.5", **more}


def test_a_torn_file_keeps_its_whole_trials(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    first, second = ([_row(n, seed=seed) for n in (1, 2, 3)] for seed in ("0", "1"))
    with ResultsCsv(path) as results:
        results.add([first])
        one = path.read_bytes()
        results.add([second])
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with ResultsCsv(path) as results:
            kept = [rows[0]["seed"] for rows in results.trials.values()]
            expected = ["0"] * (length >= len(one)) + ["1"] * (length == len(whole))
            assert kept == expected, length
            for missing in (first, second)[len(kept) :]:
                results.add([missing])
        assert path.read_bytes() == whole, length


def test_the_latest_of_all_versions(tmp_path: Path) -> None:
    with ResultsCsv(tmp_path / "sweep.csv") as results:
        for version, accuracy in (("a", "0.1"), ("b", "0.2"), ("a", "0.3")):
            rows = [_row(n, version=version, accuracy=accuracy) for n in (1, 2, 3)]
            results.add([rows])
        other = key_of(_row(1, version="c"))
        assert results.find(other) is None
        found = results.latest(other)
        assert found is not None
        assert found[-1]["accuracy"] == "0.3"
        assert results.latest(key_of(_row(1, seed="5"))) is None


def test_files_that_are_no_results(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(UsageError, match=r"does not have the columns of this version"):
        ResultsCsv(path)
    path.unlink()
    with ResultsCsv(path) as results:
        results.add([[_row(n) for n in (1, 2, 3)]])
        with pytest.raises(UsageError, match="another sweep is writing"):
            ResultsCsv(path)
    path.write_text(path.read_text().replace("0.5", "half", 1))
    with pytest.raises(CommandError, match=r"line 2 of .*sweep\.csv is damaged"):
        ResultsCsv(path)


def test_text_is_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    rows = [_row(n, preset="=1+1", value="-3") for n in (1, 2, 3)]
    with ResultsCsv(path) as results:
        results.add([rows])
    assert ",'=1+1," in path.read_text()
    assert ",-3," in path.read_text()
    with ResultsCsv(path) as results:
        assert list(results.trials.values()) == [rows]
