"""Events in time order within a bounded window, and slices of recordings."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewire.sensors import EVENT_DTYPE, DecodeError, Events, SensorError, open_recording
from spikewire.sensors.recordings.slices import Slices
from spikewire.sensors.recordings.sorting import in_time_order


def events(times: list[int]) -> Events:
    made = np.zeros(len(times), EVENT_DTYPE)
    made["t"], made["x"] = times, np.arange(len(times)) % 30
    return made


@given(st.lists(st.lists(st.integers(0, 50), max_size=12), max_size=8), st.integers(1, 100))
def test_what_is_sorted_within_the_window_is_sorted(times: list[list[int]], window: int) -> None:
    whole = events([t for part in times for t in part])
    cuts = np.cumsum([len(part) for part in times])[:-1] if times else []
    parts = list(in_time_order(np.split(whole, cuts), window))
    joined = np.concatenate([*parts, whole[:0]])
    assert sorted(joined.tolist()) == sorted(whole.tolist())
    if len(whole) <= window:
        expected = whole[np.argsort(whole["t"], kind="stable")]
        assert joined.tolist() == expected.tolist()


def test_damage_is_told_after_the_events_before_it() -> None:
    def broken() -> Iterator[Events]:
        yield events([3, 1])
        raise DecodeError("a.csv", "it is damaged.", 7)

    sorted_events = in_time_order(broken())
    assert next(sorted_events)["t"].tolist() == [1, 3]
    with pytest.raises(DecodeError):
        next(sorted_events)


def test_unsorted_times_are_refused_or_sorted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,x,y,p\n5,1,1,1\n3,2,2,0\n9,3,3,1\n")
    with pytest.raises(SensorError, match=r"put in time order by sort \(--sort\)"):
        open_recording(path).read()
    assert open_recording(path, sort=True).read()["t"].tolist() == [3, 5, 9]


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=40),
    st.integers(1, 45),
    st.integers(1, 9),
    st.booleans(),
)
def test_slices_are_the_recording(
    times: list[int], length: int, piece: int, by_count: bool
) -> None:
    whole = events(sorted(times))
    chunks = [whole[n : n + piece] for n in range(0, len(whole), piece)]
    kind = {"count": length} if by_count else {"time_us": length}
    streamed = list(Slices(lambda: chunks, **kind))
    read = Slices(lambda: chunks, **kind)
    assert [part.tolist() for part in streamed] == [read[n].tolist() for n in range(len(read))]
    assert [part.tolist() for part in read] == [part.tolist() for part in streamed]
    assert np.concatenate(streamed).tolist() == whole.tolist()
    if by_count:
        assert all(len(part) == length for part in streamed[:-1])
    else:
        begins = int(whole["t"][0]) + length * np.arange(len(streamed))
        for part, begin in zip(streamed, begins, strict=True):
            assert all(begin <= t < begin + length for t in part["t"])


def test_slices_are_views_and_know_their_bounds() -> None:
    slices = Slices(lambda: [events([1, 2, 3, 4, 5])], count=2)
    assert len(slices) == 3
    assert np.shares_memory(slices[0], slices[0])
    assert slices[-1]["t"].tolist() == [5]
    assert [part["t"].tolist() for part in slices[:2]] == [[1, 2], [3, 4]]
    with pytest.raises(IndexError):
        slices[3]
    assert len(Slices(list, count=2)) == 0
    for wrong in ({}, {"count": 2, "time_us": 2}, {"count": 0}, {"time_us": -1}):
        with pytest.raises(SensorError):
            Slices(list, **wrong)


def sliced(folder: Path, **how: Any) -> Slices:
    path = folder / "a.csv"
    path.write_text("t,x,y,p\n" + "".join(f"{t},{t % 30},{t % 20},{t & 1}\n" for t in range(100)))
    return open_recording(path, size=(30, 20)).slices(**how)


def test_data_loaders_of_torch_take_slices(tmp_path: Path) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    slices = sliced(tmp_path, count=25)
    batches = list(torch_data.DataLoader(slices, batch_size=2, collate_fn=list))
    assert [[len(part) for part in batch] for batch in batches] == [[25, 25], [25, 25]]
    assert np.shares_memory(batches[0][0], slices[0])


def test_other_processes_get_slices(tmp_path: Path) -> None:
    slices = sliced(tmp_path, count=25)
    assert len(list(slices)) == 4  # the file was open
    theirs = pickle.loads(pickle.dumps(slices))
    assert [part.tolist() for part in theirs] == [part.tolist() for part in slices]


def test_polarities_are_signed_without_a_copy(tmp_path: Path) -> None:
    slices = sliced(tmp_path, time_us=50, signed=True)
    assert [part["p"].dtype for part in slices] == [np.int8, np.int8]
    assert slices[1]["p"].dtype == np.int8
    assert slices[1].tolist() == sliced(tmp_path, time_us=50)[1].tolist()
    assert np.shares_memory(slices[0], slices[:1][0])


@pytest.mark.parametrize(
    ("transform", "how"),
    [
        ("ToFrame", {"sensor_size": (30, 20, 2), "n_time_bins": 5}),
        ("ToFrame", {"sensor_size": (30, 20, 2), "time_window": 10}),
        ("ToVoxelGrid", {"sensor_size": (30, 20, 2), "n_time_bins": 5}),
        ("ToTimesurface", {"sensor_size": (30, 20, 2), "dt": 20, "tau": 5}),
        ("RefractoryPeriod", {"delta": 1}),
        ("Downsample", {"spatial_factor": 0.5}),
        ("CropTime", {"min": 60, "max": 80}),
        ("RandomFlipLR", {"sensor_size": (30, 20, 2), "p": 1}),
    ],
)
def test_transforms_of_tonic_take_slices(
    transform: str, how: dict[str, Any], tmp_path: Path
) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    part = sliced(tmp_path, time_us=50, signed=transform == "ToVoxelGrid")[1]
    usual = np.empty(len(part), [("x", "i2"), ("y", "i2"), ("p", "i1"), ("t", "i8")])
    for name in "xypt":
        usual[name] = part[name]
    done = getattr(transforms, transform)(**how)
    ours, theirs = done(part), done(usual)
    for name in ours.dtype.names or [...]:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert ours.size
    assert part.tolist() == sliced(tmp_path, time_us=50)[1].tolist(), "it was changed in place"
