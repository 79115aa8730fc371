"""Data sets in a network's plane and ticks: as binned, event by event, in little memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.cli.options.shared import DatasetOptions
from spikewire.apps.training.binned_dataset import BinnedDataset, open_part, read_dataset
from spikewire.qcore import bin_events, load_preset
from spikewire.sensors import EVENT_DTYPE, SensorError, make_chain, open_dataset


@pytest.mark.parametrize("width", [32, 33, 1024])
def test_cached_events_are_those_that_were_binned(tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(width)
    (tmp_path / "a").mkdir()
    fields = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]
    events = np.zeros(5000, fields)
    events["t"] = np.sort(rng.integers(0, 4_000_000, 5000))
    events["x"], events["y"] = rng.integers(0, 128, (2, 5000))
    events["p"] = rng.integers(0, 2, 5000)
    np.save(tmp_path / "a" / "1.npy", events)
    dataset = open_dataset(tmp_path, size=(128, 128))
    spec = replace(load_preset("edge"), width=width, height=1000)
    binned = BinnedDataset(dataset, spec, 4_000_000)
    [sample] = dataset.samples
    t = events["t"] - events["t"][0]
    wanted = bin_events(
        np.ascontiguousarray(t), events["x"].astype(np.uint16), events["y"].astype(np.uint16),
        events["p"].astype(np.uint8), sensor_size=(128, 128), input_size=(width, 1000),
        origin_us=0, origin_tick=0, tick_us=1000,
    )  # fmt: skip
    for _ in range(2):
        got = binned.events(sample)
        for name in ("tick", "x", "y", "p"):
            assert getattr(got, name).dtype == getattr(wanted, name).dtype
            assert (getattr(got, name) == getattr(wanted, name)).all()
    cut = binned.events(sample, (1000, 500))
    inside = (wanted.tick >= 1000) & (wanted.tick < 1500)
    assert inside.any()
    assert np.array_equal(cut.tick, wanted.tick[inside] - 1000)
    for name in ("x", "y", "p"):
        assert np.array_equal(getattr(cut, name), getattr(wanted, name)[inside])
    noisy = binned.distorted(sample, (3,), cut=(1000, 500))
    assert 0 <= noisy.tick.min() <= noisy.tick.max() < 500
    narrow = BinnedDataset(dataset, load_preset("edge"), 2_000_000)
    narrow.events(sample)
    [kept] = narrow._cache.values()
    assert kept.itemsize == 4


def two_halves(folder: Path) -> Path:
    """Write a recording whose events move over 32 columns, one a millisecond."""
    (folder / "a").mkdir(parents=True)
    events = np.zeros(2000, EVENT_DTYPE)
    events["t"] = np.arange(2000) * 1000
    events["x"], events["y"] = np.arange(2000) % 32, np.arange(2000) % 8
    np.save(folder / "a" / "1.npy", events)
    return folder


def test_recordings_are_read_through_filters_each_time_anew(tmp_path: Path) -> None:
    filters = ["crop:16,0,16x8", "downsample:2"]
    options = DatasetOptions(size="32x8", filters=filters)
    data = open_part(two_halves(tmp_path), None, options)
    assert (data.size, data.sensor_size) == ((8, 4), (32, 8))
    (sample,) = data.samples
    plain = open_dataset(tmp_path, size=(32, 8)).load(sample)
    wanted = make_chain(filters, (32, 8)).apply(plain)
    wanted["t"] -= wanted["t"][0]
    for _ in range(2):
        got = data.load(sample)
        assert 0 < len(got) < len(plain)
        assert np.array_equal(got, wanted)
        data = read_dataset(tmp_path, options.given())


def test_filters_that_leave_nothing_or_are_none_are_told(tmp_path: Path) -> None:
    folder = two_halves(tmp_path)
    with pytest.raises(SensorError, match="'blur' is no filter"):
        open_part(folder, None, DatasetOptions(size="32x8", filters=["blur"]))
    data = open_part(folder, None, DatasetOptions(size="32x8", filters=["polarity:on"]))
    with pytest.raises(SensorError, match=r"The filters polarity:on leave no event of .*1\.npy"):
        data.load(data.samples[0])
