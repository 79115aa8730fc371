"""Evaluation on the test part of a data set whose parts are folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.evaluate import EvaluationOptions, fit_baseline
from spikewire.qcore import load_preset
from spikewire.sensors import EVENT_DTYPE, open_dataset


def test_the_baseline_is_fitted_on_the_other_folder(tmp_path: Path) -> None:
    events = np.zeros(2000, EVENT_DTYPE)
    events["t"] = np.arange(2000) * 100
    for part in ("train", "test"):
        for n, name in enumerate(("left", "right")):
            (tmp_path / part / name).mkdir(parents=True)
            events["x"] = 16 * n + np.arange(2000) % 16
            events["y"] = np.arange(2000) % 31
            np.save(tmp_path / part / name / "1.npy", events)
    data = open_dataset(tmp_path, part="test", size=(32, 32))
    options = EvaluationOptions(trials="test")
    binned = BinnedDataset(data, load_preset("edge"))
    told = fit_baseline(tmp_path, binned, data.samples, "all", options)
    assert told is not None
    assert told["accuracy"] == 1.0
