"""Data sets in a network's plane and ticks: as binned, event by event, in little memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.qcore import bin_events, load_preset
from spikewire.sensors import open_dataset


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
    narrow = BinnedDataset(dataset, load_preset("edge"), 2_000_000)
    narrow.events(sample)
    [kept] = narrow._cache.values()
    assert kept.itemsize == 4
