"""The simulated pixels: equal to a slow twin bit for bit, and right where physics can be solved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, SourceError
from spikewire.sensors.simulator.pixels import PixelModel, Pixels, disturb, render_events

QUIET = PixelModel(mismatch=0, leak_hz=0, shot_hz=0, hot=0, doubled=0)


def naive_pixel(
    see: float, log: float, state: dict[str, Any], on: float, off: float, drift: float,
    t0: int, t1: int, pace: float, dead: int,
) -> list[tuple[int, int]]:  # fmt: skip
    """One pixel, one frame, written from the model: (time, polarity) of its events."""
    weight = pace * (0.1 + see)
    was = state["level"]
    now = was + weight / (1.0 + weight) * (log - was)
    state["level"] = now
    state["memory"] -= drift
    slope = (now - was) / (t1 - t0)

    def line(t: int) -> float:
        return float(was + slope * (t - t0))

    at = t0
    if state["ready"] > t0:
        if state["ready"] >= t1:
            return []
        at = state["ready"]
        state["memory"] = line(at)
    sent = []
    while True:
        moved_up, moved_down = now - state["memory"], state["memory"] - now
        if moved_up >= on:
            p, target = 1, state["memory"] + on
            crosses = was < now and was < target
        elif moved_down >= off:
            p, target = 0, state["memory"] - off
            crosses = was > now and was > target
        else:
            return sent
        t = max(at, min(t1 - 1, t0 + int((target - was) / slope))) if crosses else at
        sent.append((t, p))
        at = t + dead
        state["ready"] = at
        if at >= t1:
            return sent
        state["memory"] = line(at)


@pytest.mark.parametrize("seed", range(8))
def test_the_kernel_equals_its_naive_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 9, 2)
    shape = (rows, columns)
    level = rng.normal(-1, 0.5, shape)
    memory = level + rng.normal(0, 0.3, shape)
    on, off = rng.uniform(0.05, 0.3, shape), rng.uniform(0.05, 0.3, shape)
    drift = rng.uniform(0, 0.05, shape)
    ready = rng.integers(0, 3_000, shape)
    dead, pace = int(rng.integers(20, 1_500)), float(rng.uniform(0.1, 5))
    twin = [
        [
            {"level": level[y, x], "memory": memory[y, x], "ready": int(ready[y, x])}
            for x in range(columns)
        ]
        for y in range(rows)
    ]
    events = np.empty(rows * columns * (1_000 // dead + 1), EVENT_DTYPE)
    total = 0
    for t0 in range(0, 30_000, 1_000):
        frame = rng.uniform(0.01, 1, shape)
        lamp = float(rng.normal(0, 0.1))
        n = render_events(
            frame, np.log(frame), lamp, level, memory, on, off, drift, ready, t0, t0 + 1_000,
            pace, dead, events,
        )  # fmt: skip
        slow = [
            (t, x, y, p)
            for y in range(rows)
            for x in range(columns)
            for t, p in naive_pixel(
                frame[y, x], np.log(frame)[y, x] + lamp, twin[y][x], on[y, x], off[y, x],
                drift[y, x], t0, t0 + 1_000, pace, dead,
            )
        ]  # fmt: skip
        assert events[:n].tolist() == slow
        for y in range(rows):
            for x in range(columns):
                state = (level[y, x], memory[y, x], ready[y, x])
                assert state == tuple(twin[y][x].values())
        total += n
    assert total > 20


def test_noise_fires_only_pixels_that_are_not_in_reset() -> None:
    level, memory = np.full((2, 2), 3.0), np.zeros((2, 2))
    ready = np.array([[0, 150], [0, 0]])
    events = np.empty(9, EVENT_DTYPE)
    times = np.array([100, 110, 120, 160])
    places = np.array([2 * 0 + 1, 2 * 1 + 0, 2 * 0 + 0, 2 * 1 + 0])
    n = disturb(times, places, level, memory, ready, 50, events, 2)
    assert events[2:n].tolist() == [(100, 0, 0, 1), (160, 1, 0, 0)]
    assert memory.tolist() == [[3, 3], [0, 0]]
    assert ready.tolist() == [[150, 210], [0, 0]]


def ramp(model: PixelModel, start: float, rise_per_ms: float, frames: int) -> np.ndarray[Any, Any]:
    """Show one pixel a logarithm that rises evenly."""
    pixels = Pixels(model, np.full((1, 1), math.exp(start)), 1_000, np.random.default_rng(0))
    pixels._memory[:] = start
    parts = []
    for n in range(frames):
        log = np.full((1, 1), start + (n + 1) * rise_per_ms)
        parts.append(pixels.see(np.exp(log), log, 0.0, n * 1_000))
    return pixels.read_out(parts)


def test_an_even_ramp_gives_even_events_at_solvable_times() -> None:
    # With bandwidth without end the level follows the ramp; events come every threshold / slope,
    # plus the time in reset, to the microsecond.
    fast = PixelModel(
        on=0.2, mismatch=0, corner_hz=1e12, refractory_us=100, leak_hz=0, shot_hz=0, hot=0,
        doubled=0,
    )  # fmt: skip
    events = ramp(fast, -3.0, 0.05, 41)
    assert events["p"].tolist() == [1] * len(events)
    expected = [4_000 + n * 4_100 for n in range(len(events))]
    assert len(events) == 10
    assert np.abs(events["t"] - expected).max() <= len(events)  # a fraction is cut off each time


def test_a_pixel_sends_off_when_it_darkens() -> None:
    events = ramp(QUIET, -1.0, -0.05, 40)
    assert len(events) > 5
    assert not events["p"].any()


def test_a_dark_pixel_is_slower() -> None:
    bright = ramp(QUIET, math.log(0.5), 0.03, 20)
    dark = ramp(QUIET, math.log(0.02), 0.03, 20)
    assert dark["t"][0] > bright["t"][0] + 500


def test_events_of_a_pixel_keep_their_distance() -> None:
    rng = np.random.default_rng(1)
    pixels = Pixels(PixelModel(refractory_us=300, doubled=0), np.full((8, 8), 0.5), 1_000, rng)
    frames = np.exp(rng.uniform(-3, 0, (50, 8, 8)))
    parts = [pixels.see(f, np.log(f), 0.0, n * 1_000) for n, f in enumerate(frames)]
    events = pixels.read_out(parts)
    assert len(events) > 500
    for place in range(64):
        times = events["t"][(events["x"] + 8 * events["y"]) == place]
        assert np.diff(times).min() >= 300


@pytest.mark.parametrize(
    ("model", "rate", "on_share"),
    [
        (PixelModel(leak_hz=2.0, shot_hz=0, hot=0, spread=0, mismatch=0, doubled=0), 2.0, 1.0),
        (PixelModel(leak_hz=0, shot_hz=2.0, hot=0, spread=0, mismatch=0, doubled=0), 1.6, 0.5),
        (PixelModel(leak_hz=0, shot_hz=0, hot=64, hot_hz=5.0, mismatch=0, doubled=0), 0.3125, 0.5),
        (PixelModel(leak_hz=2.0, shot_hz=0, hot=0, spread=0, mismatch=0, doubled=0.5), 3.0, 1.0),
    ],
)
def test_a_still_scene_shows_the_noise_that_was_ordered(
    model: PixelModel, rate: float, on_share: float
) -> None:
    # Shot noise at intensity 0.5 is 0.8 of what is stated; 64 hot pixels are 1 in 16.
    frame = np.full((32, 32), 0.5)
    pixels = Pixels(model, frame, 1_000, np.random.default_rng(0))
    logs = np.log(frame)
    events = pixels.read_out([pixels.see(frame, logs, 0.0, n * 1_000) for n in range(4_000)])
    assert len(events) / 1_024 / 4 == pytest.approx(rate, rel=0.07)
    assert events["p"].mean() == pytest.approx(on_share, abs=0.04)
    assert (np.diff(events["t"]) >= 0).all()
    assert events["t"][0] >= 0
    assert events["t"][-1] < 4_000_000


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"on": 0.0}, "on is 0.0; allowed are values over 0"),
        ({"leak_hz": -1.0}, "leak_hz is -1.0; allowed are values from 0"),
        ({"refractory_us": 5}, "refractory_us is 5; allowed are values from 20"),
        ({"doubled": 1.5}, "doubled is 1.5; allowed are shares"),
        ({"mismatch": math.nan}, "mismatch is nan"),
    ],
)
def test_impossible_pixels_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        PixelModel(**settings)
