"""A sweep's results on the disk, and the part of the recordings they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.sweep import results as _results


def _row(number: int, **more: str) -> dict[str, str]:
    row = dict.fromkeys(_results.COLUMNS, "1")
    return row | {"pass": str(number), "passes": "3", "accuracy": "0.5", **more}


def test_a_torn_file_keeps_its_whole_points(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    first, second = ([_row(n, seed=seed) for n in (1, 2, 3)] for seed in ("0", "1"))
    with _results.Results(path) as results:
        results.add([first])
        one = path.read_bytes()
        results.add([second])
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with _results.Results(path) as results:
            kept = [rows[0]["seed"] for rows in results.points.values()]
            expected = ["0"] * (length >= len(one)) + ["1"] * (length == len(whole))
            assert kept == expected, length
            for missing in (first, second)[len(kept) :]:
                results.add([missing])
        assert path.read_bytes() == whole, length


def test_files_that_are_no_results(tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(UsageError, match=r"does not have the columns of this version"):
        _results.Results(path)
    path.unlink()
    with _results.Results(path) as results:
        results.add([[_row(n) for n in (1, 2, 3)]])
        with pytest.raises(UsageError, match="another sweep is writing"):
            _results.Results(path)
    path.write_text(path.read_text().replace("0.5", "half", 1))
    with pytest.raises(CommandError, match=r"line 2 of .*sweep\.csv is damaged"):
        _results.Results(path)


def test_a_part_keeps_the_proportions() -> None:
    from spikewire.apps.sweep.trial import stratified
    from spikewire.sensors import Sample

    labels = ["a"] * 7 + ["b"] * 2 + ["c"] * 1
    samples = [Sample(Path(str(n)), label, None, None, None) for n, label in enumerate(labels)]
    # 4.2, 1.2 and 0.6 of them.
    assert [one.label for one in stratified(samples, 6)] == ["a", "a", "a", "a", "b", "c"]
    assert [one.path.name for one in stratified(samples, 6)] == ["0", "1", "2", "3", "7", "9"]
    with pytest.raises(CommandError, match="leaves none of class c"):  # 3.5, 1 and 0.5
        stratified(samples, 5)
    assert stratified(samples, 10) == tuple(samples)
