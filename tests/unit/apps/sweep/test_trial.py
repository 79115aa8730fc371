"""A trial of a sweep, and the recordings that it learns from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.options.shared import DatasetOptions
from spikewire.apps.cluster.fingerprint import fingerprint
from spikewire.apps.cluster.worker import LostError, Worker
from spikewire.apps.sweep.grid import GridPoint
from spikewire.apps.sweep.plan import make_plan
from spikewire.apps.sweep.trial import run_trial, stratified, trial_data
from spikewire.apps.training.binned_dataset import BinnedDataset, open_part
from spikewire.apps.training.options import TrainingOptions
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan
from spikewire.qcore import LayerSpec, LearningSpec, Network, NetworkSpec, ReadoutSpec
from spikewire.sensors import Sample, SensorError, open_dataset


def test_a_trial_trains_as_train_does(digits: Path) -> None:
    spec = NetworkSpec(
        "tiny", (LayerSpec("conv", 8, kernel=5, stride=4, pad=2, threshold=20_000, slope=9),),
        tick_us=2000, learning=LearningSpec(burn_in=10, cadence=5), readout=ReadoutSpec(every=5),
    )  # fmt: skip
    data = open_dataset(digits)
    learn, validate, digest = trial_data(data, 20)
    settings: dict[str, Any] = {
        "spec": spec.to_dict(), "dataset": str(digits), "seed": 3, "passes": 2,
        "batch": 8, "shift": 1, "show_us": 80_000, "recordings": 20, "data": digest,
        "each_pass": True, "version": fingerprint(run_trial),
    }  # fmt: skip
    passes: list[int] = []
    worker = Worker(passes.append, lambda: True)
    found = run_trial(settings, worker)
    assert passes == [1, 2]
    binned = BinnedDataset(data, spec, 80_000)
    trainer = Trainer(
        Network.build(spec, data.classes, 3), binned, learn, validate, TrainingPlan(2, 8, 3, 1)
    )
    progress = Progress()
    trainer.run(progress, after_portion=lambda now: None, after_pass=lambda record: None)
    for measured, record in zip(found["curve"], progress.curve, strict=True):
        assert measured["accuracy"] == record["accuracy"]
        assert measured["activity"] == record["activity"]
        assert measured["local"] == record["local"]
    last = run_trial(settings | {"each_pass": False}, worker)["curve"]
    assert (last[0]["accuracy"], last[0]["local"]) == (None, None)
    assert {**last[1], "seconds": 0} == {**found["curve"][1], "seconds": 0}
    with pytest.raises(LostError):
        run_trial(settings, Worker(passes.append, lambda: False))
    with pytest.raises(CommandError, match=r"a worker runs spikewire .* begun with 0\.0"):
        run_trial(settings | {"version": "0.0"}, worker)
    with pytest.raises(CommandError, match="holds other recordings for a worker"):
        run_trial(settings | {"recordings": 30}, worker)


def test_recordings_are_read_as_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for n in range(20):
        folder = tmp_path / "data" / ("left", "right")[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        t = np.sort(rng.integers(0, 100, 400))  # milliseconds
        x = rng.integers(0, 8, 400) + 8 * (n % 2)
        table = np.stack([t, x, rng.integers(0, 16, 400), rng.integers(0, 2, 400)], 1)
        np.savetxt(folder / f"{n}.csv", table, "%d", ",")
    spec = NetworkSpec(
        "tiny", (LayerSpec("conv", 4, kernel=5, stride=4, pad=2, threshold=20_000, slope=9),),
        width=16, height=16, learning=LearningSpec(burn_in=10, cadence=5),
    )  # fmt: skip
    formats = DatasetOptions(columns="t,x,y,p", unit="ms", size="16x16")
    data = open_part(tmp_path / "data", None, formats)
    reading = formats.given()
    assert reading == {"columns": ["t", "x", "y", "p"], "unit": "ms", "size": [16, 16]}
    points = [GridPoint("tiny", "base", "", spec)]
    plan = make_plan(
        points, (0,), data, TrainingOptions(passes=1, batch=8), recordings=None, reading=reading
    )
    settings = plan.settings(points[0], 0)
    assert settings["show_us"] in (99_000, 100_000)
    found = run_trial(json.loads(json.dumps(settings)), Worker(lambda done: None, lambda: True))
    assert found["curve"][0]["activity"][0] > 0
    # In another unit they are such as no camera gives.
    formats = DatasetOptions(columns="t,x,y,p", unit="us", size="16x16")
    data = open_part(tmp_path / "data", None, formats)
    with pytest.raises(SensorError, match="--unit"):
        make_plan(points, (0,), data, TrainingOptions(), recordings=None, reading=formats.given())
    # What ends before learning begins is refused by the trial.
    with pytest.raises(CommandError, match="5 ms of each recording are shown"):
        run_trial(settings | {"show_us": 5000}, Worker(lambda done: None, lambda: True))
    other = trial_data(open_part(tmp_path / "data", None, DatasetOptions(unit="ms")), None)
    assert other[2] != settings["data"]


def test_a_part_keeps_the_proportions() -> None:
    labels = ["a"] * 7 + ["b"] * 2 + ["c"] * 1
    samples = [Sample(Path(str(n)), label, None, None, None) for n, label in enumerate(labels)]
    # 4.2, 1.2 and 0.6 of them.
    assert [one.label for one in stratified(samples, 6)] == ["a", "a", "a", "a", "b", "c"]
    assert [one.path.name for one in stratified(samples, 6)] == ["0", "1", "2", "3", "7", "9"]
    with pytest.raises(CommandError, match="leaves none of class c"):  # 3.5, 1 and 0.5
        stratified(samples, 5)
    assert stratified(samples, 10) == tuple(samples)
