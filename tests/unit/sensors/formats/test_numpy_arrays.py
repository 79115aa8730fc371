"""NumPy arrays of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.sensors import (
    SensorError,
    open_recording,
)
from tests.support.reading import read


@pytest.mark.parametrize("kind", ["<f8", "<i4", "<u8", ">i8", "<f4"])
def test_arrays_of_any_numbers(kind: str, tmp_path: Path) -> None:
    seconds = kind[1] == "f"
    times = [0.5, 2.25] if seconds else [500_000, 2_250_000]
    array = np.zeros(2, [("p", "i1"), ("timestamp", kind), ("Y", ">u4"), ("x", "<f4")])
    array["timestamp"], array["x"], array["Y"], array["p"] = times, [3, 4], [5, 6], [-1, 1]
    np.save(tmp_path / "a.npy", array)
    assert read(tmp_path / "a.npy") == [(500_000, 3, 5, 0), (2_250_000, 4, 6, 1)]
    table = np.stack([array["x"], array["Y"], times, [0, 1]], 1)
    np.save(tmp_path / "b.npy", table)
    got = open_recording(tmp_path / "b.npy", columns="x,y,t,p", unit="s" if seconds else "us")
    assert [tuple(e)[1:] for c in got.chunks() for e in c.tolist()] == [(3, 5, 0), (4, 6, 1)]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([1, "a"], object), "damaged"),
        (np.zeros(3), "one column of numbers"),
        (np.zeros(3, [("t", int), ("x", int)]), "y, p missing"),
        (np.zeros(3, [("t", int), ("x", int), ("y", int), ("p", "U3")]), "which is no number"),
        (np.zeros((2, 3, 4)), "lists and tables are read"),
        (np.asfortranarray(np.zeros((3, 4))), "column by column"),
    ],
)
def test_arrays_without_events_are_refused(array: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(SensorError, match=says):
        read(path)
