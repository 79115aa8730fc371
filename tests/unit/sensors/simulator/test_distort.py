"""Distortions of events: shares, balance, noise and hot pixels, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.sensors import Distortion, distort, draw_distortion, draw_empty_scene
from spikewire.sensors.simulator.distort import ONE, Fields

SIZE, SPAN, UNIT_US = (32, 24), 150, 10_000


def events(count: int = 20_000) -> Fields:
    rng = np.random.default_rng(5)
    return (
        np.sort(rng.integers(0, SPAN, count)),
        rng.integers(0, SIZE[0], count).astype(np.uint16),
        rng.integers(0, SIZE[1], count).astype(np.uint16),
        rng.integers(0, 2, count).astype(np.uint8),
    )


def distorted(distortion: Distortion, seed: int = 1) -> Fields:
    return distort(
        events(), distortion, np.random.default_rng(seed), size=SIZE, span=SPAN, unit_us=UNIT_US
    )


def test_an_equal_sensor_changes_nothing() -> None:
    for before, after in zip(events(), distorted(Distortion()), strict=True):
        assert np.array_equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize("off", [0, 1])
def test_it_keeps_the_share_of_each_polarity(off: int) -> None:
    keep = (ONE // 10, ONE // 2) if off == 0 else (ONE, ONE // 20)
    before, after = np.bincount(events()[3]), np.bincount(distorted(Distortion(keep=keep))[3])
    assert after / before == pytest.approx(np.array(keep) / ONE, abs=0.02)


def test_kept_events_are_some_of_the_old_ones_in_order() -> None:
    old = set(zip(*(field.tolist() for field in events()), strict=True))
    t, x, y, p = distorted(Distortion(keep=(ONE // 3, ONE // 3)))
    assert set(zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True)) <= old
    assert (np.diff(t) >= 0).all()


def test_noise_is_everywhere_and_hot_pixels_are_few() -> None:
    nothing: Fields = tuple(field[:0] for field in events())  # type: ignore[assignment]
    rng = np.random.default_rng(2)
    t, x, y, p = distort(
        nothing, Distortion(noise_hz=4_000), rng, size=SIZE, span=SPAN, unit_us=UNIT_US
    )
    assert len(t) == 6_000  # 1.5 s
    assert len(np.unique(y * SIZE[0] + x)) > 700
    assert set(p.tolist()) == {0, 1}
    assert (t.min(), t.max()) == (0, SPAN - 1)
    t, x, y, _ = distort(
        nothing, Distortion(hot=3, hot_hz=100), rng, size=SIZE, span=SPAN, unit_us=UNIT_US
    )
    assert len(t) == 450
    assert len(np.unique(y * SIZE[0] + x)) == 3
    assert (np.diff(t) >= 0).all()


def test_the_same_seed_draws_the_same_sensor_and_others_differ() -> None:
    drawn = [draw_distortion(np.random.default_rng(seed)) for seed in range(400)]
    assert drawn == [draw_distortion(np.random.default_rng(seed)) for seed in range(400)]
    shares = np.array([one.keep for one in drawn]) / ONE
    assert shares.min() < 0.05
    assert shares.max() == 1
    assert 0.04 < shares.max(1).min() <= 0.05  # the stronger polarity keeps at least 5 %
    assert (shares[:, 0] < shares[:, 1]).any()
    assert (shares[:, 1] < shares[:, 0]).any()
    assert {one.noise_hz for one in drawn} >= {0, 8_000}
    assert {one.hot for one in drawn} == set(range(7))
    a, b, c = (distorted(drawn[3], seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_an_empty_scene_leaves_noise_of_many_rates() -> None:
    drawn = [draw_empty_scene(np.random.default_rng(seed)) for seed in range(400)]
    assert drawn == [draw_empty_scene(np.random.default_rng(seed)) for seed in range(400)]
    assert {one.keep for one in drawn} == {(0, 0)}
    assert {one.noise_hz for one in drawn} == {500 << n for n in range(8)}
    assert {one.hot for one in drawn} == set(range(7))
