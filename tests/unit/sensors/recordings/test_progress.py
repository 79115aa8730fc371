"""The share of a container that was read so far, as the bars of commands show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spikewire.sensors import open_recording
from tests.reference.containers import CONTAINERS
from tests.reference.tables import mat, zipped_text

EVENTS = [(10 * n, n % 34, n // 7 % 34, n & 1) for n in range(300)]
WRITERS = {**CONTAINERS, "mat": (".mat", mat), "zip": (".zip", zipped_text)}


@pytest.mark.parametrize(("suffix", "write"), WRITERS.values(), ids=list(WRITERS))
def test_progress_goes_from_nothing_to_the_whole(
    suffix: str, write: Callable[[list[tuple[int, int, int, int]]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"one{suffix}"
    path.write_bytes(write(EVENTS))
    recording = open_recording(path)
    shares = [recording.progress or 0.0 for events in recording.chunks()]
    assert shares == sorted(shares)
    assert 0.6 < shares[-1] <= 1
