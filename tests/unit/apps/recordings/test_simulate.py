"""`spikewire simulate`: which recordings are made, and what the summary counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewire import sensors
from spikewire.apps import commands as cli
from spikewire.sensors import SimulatedRecording

WORDS = ("--subjects", "3", "--train", "2", "--lights", "led", "--for", "1s", "--jobs", "1")


def write(take: SimulatedRecording, folder: Path) -> int:
    (folder / take.name).write_text(str(take.kind))
    return 10


@pytest.mark.parametrize("scenes", [0, 2])
def test_non_gestures_are_recordings_of_their_own(
    scenes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sensors, "simulate_recording", write)
    out = tmp_path / "people"
    assert (
        cli.run(["simulate", "--out", str(out), *WORDS, "--non-gestures", str(scenes), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    count = 3 * (1 + scenes)
    assert (told["recordings"], told["gestures"], told["non_gestures"]) == (count, 33, 3 * scenes)
    assert (told["events"], told["shown_s"]) == (10 * count, 33 + 3 * scenes)
    ends = ["", *(f"_none{n}" for n in range(1, scenes + 1))]
    names = [f"user{user:02}_led{end}.aedat" for user in (1, 2, 3) for end in ends]
    assert sorted(path.name for path in out.glob("*.aedat")) == sorted(names)
    tests = (out / "trials_to_test.txt").read_text().split()
    assert tests == [name for name in names if name.startswith("user03")]
