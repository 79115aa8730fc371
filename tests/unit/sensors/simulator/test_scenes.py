"""Scenes without a gesture: deterministic, of their kind, and an addition to a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    GESTURES,
    SCENES,
    Conditions,
    SceneCamera,
    SensorError,
    SourceError,
    open_dataset,
    plan_set,
    simulate_arrays,
    simulate_non_gesture,
    simulate_recording,
    write_trials,
)

STILL = Conditions(noise=0.0, clutter=0.5)
"""A sensor without noise: what it tells has moved."""


def middles(kind: str, seed: int, seconds: float = 0.6) -> np.ndarray:
    """Return the mean column of the events of each tenth of a second."""
    events = simulate_non_gesture(kind, seed=seed, seconds=seconds, conditions=STILL)
    parts = np.searchsorted(events["t"], np.arange(0, seconds * 1e6 + 1, 1e5))
    return np.array([part["x"].mean() for part in np.split(events, parts[1:-1])])


@pytest.mark.parametrize("kind", SCENES)
def test_a_scene_is_deterministic_and_moves(kind: str) -> None:
    first = simulate_non_gesture(kind, seed=3, seconds=0.15, conditions=STILL)
    again = simulate_non_gesture(kind, seed=3, seconds=0.15, conditions=STILL)
    other = simulate_non_gesture(kind, seed=4, seconds=0.15, conditions=STILL)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(first) > 100
    assert (np.diff(first["t"]) >= 0).all()


def test_a_scene_does_not_depend_on_how_it_is_cut() -> None:
    whole = SceneCamera("walkers", seed=5).see(100_000)
    camera = SceneCamera("walkers", seed=5)
    assert np.array_equal(whole, np.concatenate([camera.see(20_000) for _ in range(5)]))
    assert camera.t == 100_000


def test_walkers_cross_the_picture() -> None:
    paths = [middles("walkers", seed) for seed in range(4)]
    assert max(abs(path[-1] - path[0]) for path in paths) > 20
    assert {np.sign(path[-1] - path[0]) for path in paths} == {-1.0, 1.0}


def test_a_moved_camera_sees_the_whole_picture_move() -> None:
    for kind in ("shaken_camera", "panned_camera"):
        events = simulate_non_gesture(kind, seed=2, seconds=0.3, conditions=STILL)
        quarters = np.unique(events["x"] // 64 + 2 * (events["y"] // 64))
        assert quarters.tolist() == [0, 1, 2, 3]


def test_who_fidgets_stays_in_place_and_makes_fewer_events_than_who_walks() -> None:
    fidgets = [simulate_non_gesture("fidgeting", seed=n, seconds=0.3) for n in range(3)]
    assert all(20 < events["x"].mean() < 108 for events in fidgets)
    walks = [simulate_non_gesture("walkers", seed=n, seconds=0.3) for n in range(3)]
    assert sum(map(len, fidgets)) < sum(map(len, walks))


def test_movements_differ_from_scene_to_scene_of_one_person() -> None:
    def heights(seed: int) -> float:
        events = simulate_non_gesture("movements", subject=5, seed=seed, seconds=0.4)
        return float(np.std(events["x"]) + np.std(events["y"]))

    assert np.ptp([heights(seed) for seed in range(3)]) > 2


def test_impossible_scenes_are_refused() -> None:
    with pytest.raises(SourceError, match="no scene; there are shaken_camera"):
        simulate_non_gesture("earthquake")
    with pytest.raises(SourceError, match="seconds is -1"):
        simulate_non_gesture("walkers", seconds=-1)
    with pytest.raises(SensorError, match="non_gestures is 100"):
        plan_set(non_gestures=100)


def test_scenes_are_an_addition_to_a_set(tmp_path: Path) -> None:
    plain = plan_set(2, lights=("natural",), seconds=0.1, seed=9)
    takes = plan_set(2, lights=("natural",), seconds=0.1, seed=9, non_gestures=6)
    assert [take for take in takes if not take.scene] == plain
    assert sorted(str(take.kind) for take in takes[1:7]) == sorted(SCENES)
    scenes = [takes[1], takes[-1]]
    for take in scenes:
        assert simulate_recording(take, tmp_path) > 0
    write_trials(tmp_path, scenes, 1)
    data = open_dataset(tmp_path, classes=GESTURES)
    assert [(s.subject, s.label, s.stop_us) for s in data.samples] == [
        ("user01", "other_gestures", 100_000),
        ("user02", "other_gestures", 100_000),
    ]
    assert [s.path.name for s in open_dataset(tmp_path, part="test").samples] == [
        "user02_natural_none6.aedat"
    ]


def test_scenes_lie_beside_gestures_in_tonics_layout(tmp_path: Path) -> None:
    take = plan_set(2, lights=("led",), seconds=0.1, non_gestures=1)[1]
    simulate_arrays(take, tmp_path / "ibmGestureTrain")
    (sample,) = open_dataset(tmp_path).samples
    assert (sample.label, sample.subject) == ("other_gestures", "user01")
