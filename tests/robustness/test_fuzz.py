"""A short run of tests/robustness/fuzz.py, and proof that it finds what it looks for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from spikewire import sensors
from spikewire.sensors.sources.spif import VERDICTS
from spikewire.sensors.sources.spif_kernels import REASONS
from tests.reference.formats import EVENTS
from tests.robustness import flood, fuzz
from tests.robustness.fuzz import WRITERS


@pytest.mark.parametrize("name", WRITERS)
def test_damaged_recordings_are_read_or_refused(name: str, tmp_path: Path) -> None:
    whole = fuzz.seeds(name)
    path = tmp_path / f"fuzz{WRITERS[name][0]}"
    ended = []
    for number in range(300):
        path.write_bytes(fuzz.mutate(random.Random(f"{name}/test/{number}"), whole))
        ended.append(fuzz.read(path))
    assert {"read", "refused"} == set(ended)


def test_a_crash_a_wrong_event_and_a_foreign_error_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fuzz.fuzz("es", 0, 50).keys() >= {"read", "refused", "slowest_s", "peak_mb"}

    class Outside:
        size = (4, 4)

        def chunks(self) -> list[np.ndarray]:  # type: ignore[type-arg]
            return [np.array(EVENTS, sensors.EVENT_DTYPE)]

    monkeypatch.setattr(fuzz, "open_recording", lambda *_, **__: Outside())
    assert str(fuzz.fuzz("es", 0, 50)["failure"]).startswith("AssertionError")
    monkeypatch.setattr(fuzz, "open_recording", lambda *_, **__: 1 / 0)
    found = fuzz.fuzz("es", 0, 50)
    assert str(found["failure"]).startswith("ZeroDivisionError")
    assert Path(str(found["file"])).is_file()
    monkeypatch.setattr(fuzz, "open_recording", lambda *_, **__: __import__("os")._exit(7))
    assert fuzz.fuzz("es", 0, 50)["failure"] == "died with code 7"


def test_memory_is_counted_above_what_the_parent_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(size: int) -> bytearray:
        memory = bytearray(size)
        memory[:: 1 << 12] = b"1" * len(memory[:: 1 << 12])
        return memory

    class Reading:
        size = (1 << 16, 1 << 16)

        def __init__(self, bytes_taken: int) -> None:
            self.taken = bytes_taken

        def chunks(self) -> list[np.ndarray]:  # type: ignore[type-arg]
            touched(self.taken)
            return [np.array(EVENTS, sensors.EVENT_DTYPE)]

    held = touched(120 << 20)
    monkeypatch.setattr(fuzz, "MOST_BYTES", 60 << 20)
    monkeypatch.setattr(fuzz, "open_recording", lambda *_, **__: Reading(1))
    assert fuzz.fuzz("es", 0, 5)["read"] == 5
    monkeypatch.setattr(fuzz, "open_recording", lambda *_, **__: Reading(90 << 20))
    assert str(fuzz.fuzz("es", 0, 5)["failure"]).endswith("MB more resident")
    assert held


@pytest.mark.slow
async def test_hostile_datagrams_are_all_accounted_for() -> None:
    report = await flood.receive(20_000, 1)
    assert report["wrong"] == []
    counters = report["counters"]
    assert isinstance(counters, dict)
    # The flood is what it says: datagrams of every verdict, and losses of every kind.
    assert all(counters[name] > 100 for name in (*VERDICTS, *REASONS) if name != "stale_tail")
    assert counters["events"] > 10_000
