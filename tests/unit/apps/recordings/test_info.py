from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewire.apps import commands as cli


def recording(path: Path, size: int = 20) -> Path:
    rows = b"".join(bytes([n, n, n % 2 << 7, 1, n]) for n in range(size))
    path.write_bytes(rows)
    return path


def test_facts_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["info", str(recording(tmp_path / "a.bin"))]) == 0
    told = capsys.readouterr().out
    assert "34 x 34 (the format does not say; from the events)" in told
    assert "20 (10 ON, 10 OFF)" in told
    assert "from 256 us to 275 us" in told


def test_facts_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = recording(tmp_path / "a.bin"), recording(tmp_path / "b.bin", 7)
    assert cli.run(["info", "--json", str(one), str(two)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [facts["events"] for facts in told] == [20, 7]
    assert all(facts["damage"] is None for facts in told)


def test_damage_is_shown_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recording(tmp_path / "a.bin")
    path.write_bytes(path.read_bytes()[:-2])
    assert cli.run(["info", str(path)]) == 1
    told = capsys.readouterr().out
    assert "19 (" in told
    assert "at byte 95" in told


def test_one_bad_file_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["info", "--json", "/nowhere.bin", str(recording(tmp_path / "a.bin"))]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["events"] == 20
    assert told.err.startswith("spikewire: /nowhere.bin")
    assert len(told.err.splitlines()) == 1


@pytest.mark.data
def test_real_recordings(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        "davis346.aedat4": ([346, 260], 117_667),
        "dvxplorer_no_table.aedat4": ([320, 240], 111_954),
        "gen3_evt2.raw": ([640, 480], 521_252),
        "dvs.es": ([320, 240], 473_225),
        "nmnist.bin": ([34, 34], 4_325),
    }
    paths = [str(data_dir / "recordings" / name) for name in expected]
    assert cli.run(["info", "--json", *paths]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(facts["size"], facts["events"]) for facts in told] == list(expected.values())
