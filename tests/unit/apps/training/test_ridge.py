"""The baseline without a network: features by hand, the regression by definition, real digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.training import ridge
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.ridge import baseline_line, count_features, fit_ridge, ridge_baseline
from spikewire.qcore import BinnedEvents, LayerSpec, NetworkSpec, load_preset
from spikewire.sensors import open_dataset


def test_features_count_events_by_slice_polarity_and_place() -> None:
    events = BinnedEvents(
        np.array([0, 3, 3, 4, 9, 9]),
        np.array([1, 1, 1, 2, 0, 0], np.uint16),
        np.array([0, 0, 0, 1, 1, 1], np.uint16),
        np.array([0, 0, 0, 1, 1, 1], np.uint8),
    )
    found = count_features(events, 2, 3, 10).reshape(3, 2, 2, 3)
    expected = np.zeros((3, 2, 2, 3))
    expected[0, 0, 0, 1] = np.sqrt(3)  # ticks 0 to 3
    expected[1, 1, 1, 2] = 1  # 4 to 6
    expected[2, 1, 1, 0] = np.sqrt(2)
    assert np.allclose(found, expected)


@pytest.mark.parametrize("n", [6, 40])
def test_either_system_solves_the_same_regression(n: int) -> None:
    rng = np.random.default_rng(n)
    x = (rng.normal(size=(n, 12)) + 3).astype(np.float32)
    y = rng.normal(size=(n, 2)) + 1
    weights, offset = fit_ridge(x, y, 0.2)
    centred = x - x.mean(0, dtype=np.float64)
    strength = 0.2 * (centred**2).sum(1).mean()
    expected = np.linalg.solve(
        centred.T @ centred + strength * np.eye(12), centred.T @ (y - y.mean(0))
    )
    assert np.allclose(weights, expected)
    assert np.allclose(x.mean(0) @ weights + offset, y.mean(0))


def test_recordings_without_spread_are_no_error() -> None:
    weights, offset = fit_ridge(np.ones((4, 3), np.float32), np.eye(2)[[0, 1, 0, 0]])
    assert not weights.any()
    assert offset.tolist() == [0.75, 0.25]


def test_invented_digits(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_dataset(digits)
    binned = BinnedDataset(data, NetworkSpec("plane", (LayerSpec("conv", 8),)), 80_000)
    found = ridge_baseline(binned, choose(data, "train"), choose(data, "validation"), data.classes)
    assert (found.total, found.accuracy) == (10, 1.0)
    assert found.record()["bits_32"] == 32 * 10 * (3 * 2 * 32 * 32 + 1)
    line = baseline_line(found.record())
    assert line.endswith("in 3 slices of time, fitted on 40 recordings): 1.0000")
    monkeypatch.setattr(ridge, "MOST", 20)
    found = ridge_baseline(binned, choose(data, "train"), choose(data, "validation"), data.classes)
    assert found.fitted_on == found.record()["fitted_on"] == 20
    assert found.accuracy >= 0.7


@pytest.mark.data
@pytest.mark.slow
def test_real_digits(data_dir: Path) -> None:
    """The documented 0.915 (BLAS may round one recording to the other side)."""
    data = open_dataset(data_dir / "nmnist")
    binned = BinnedDataset(data, load_preset("nmnist"))
    found = ridge_baseline(binned, choose(data, "train"), choose(data, "validation"), data.classes)
    assert found.total == 200
    assert abs(found.correct - 183) <= 1
