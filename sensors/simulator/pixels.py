"""The pixels of a dynamic vision sensor.

After Lichtsteiner, Posch and Delbruck 2008 (the DVS128) and Hu, Liu and Delbruck 2021 (v2e): each
pixel low-passes the logarithm of its intensity, faster where it is brighter; when the result has
moved by the pixel's own threshold since the last event it sends an event and is held in reset for
its refractory time, after which it compares with where the intensity is then. Charge leaks (ON
events without motion), shot noise sends events of both kinds, some pixels are hot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import EVENT_ARRAY, EVENT_DTYPE, Events
from spikewire.sensors.simulator.render import Floats

_NOISE_FRAMES = 64
"""Frames whose noise is drawn at once."""

_F2 = numba.float64[:, ::1]
_I1 = numba.int64[::1]


@dataclass(frozen=True, slots=True)
class PixelModel:
    """Quality of the pixels.

    Attributes
    ----------
    on, off
        Mean contrast thresholds, in units of log intensity (e-folds).
    mismatch
        Standard deviation of the thresholds from pixel to pixel, same units.
    corner_hz
        Bandwidth of a pixel that sees full intensity; it falls with intensity.
    refractory_us
        Time after an event in which a pixel is blind.
    leak_hz, shot_hz
        Events per second of a median pixel at rest.
    spread
        Deviation of the logarithm of those rates from pixel to pixel.
    hot, hot_hz
        Number of hot pixels, and their rate.
    doubled
        Share of ON events that the readout sends twice within a microsecond, as recordings of the
        DVS128 show.
    """

    on: float = 0.2
    off: float = 0.16
    mismatch: float = 0.03
    corner_hz: float = 400.0
    refractory_us: int = 120
    leak_hz: float = 0.03
    shot_hz: float = 0.06
    spread: float = 0.9
    hot: int = 3
    hot_hz: float = 30.0
    doubled: float = 0.25

    def __post_init__(self) -> None:
        for name in ("on", "off", "corner_hz"):
            if not getattr(self, name) > 0:
                raise SourceError(f"{name} is {getattr(self, name)}; allowed are values over 0.")
        for name in ("mismatch", "leak_hz", "shot_hz", "spread", "hot", "hot_hz"):
            if not getattr(self, name) >= 0:
                raise SourceError(f"{name} is {getattr(self, name)}; allowed are values from 0.")
        if self.refractory_us < 20:
            raise SourceError(f"refractory_us is {self.refractory_us}; allowed are values from 20.")
        if not 0 <= self.doubled <= 1:
            raise SourceError(f"doubled is {self.doubled}; allowed are shares from 0 to 1.")


@kernel(
    numba.int64(
        _F2, _F2, numba.float64, _F2, _F2, _F2, _F2, _F2, numba.int64[:, ::1],
        numba.int64, numba.int64, numba.float64, numba.int64, EVENT_ARRAY,
    )
)  # fmt: skip
def render_events(  # type: ignore[no-untyped-def]
    frame, logs, lamp, level, memory, on, off, drift, ready, t0, t1, pace, dead, events
):
    """Let every pixel see one frame.

    Parameters
    ----------
    frame, logs
        float64[rows, columns]: intensity at ``t1``, and its logarithm.
    lamp
        Logarithm of the lamp's brightness then, added everywhere.
    level, memory
        float64[rows, columns]: the low-passed logarithm, and its value at the last reset; changed.
    on, off
        float64[rows, columns]: thresholds.
    drift
        float64[rows, columns]: what the leak takes off the memory in a frame.
    ready
        int64[rows, columns]: when a pixel's last reset ends, microseconds; changed.
    t0, t1
        Times of the frame before and of this one.
    pace
        Frame time over the time constant at full intensity.
    dead
        Refractory time.
    events
        Takes the events, row by row, in time order within each pixel; must have room for
        ``rows * columns * ((t1 - t0) // dead + 1)``.

    Returns
    -------
    int
        Number of events.
    """
    rows, columns = frame.shape
    n = 0
    span = float(t1 - t0)
    before = np.empty(columns)
    wake = np.empty(columns, np.uint8)
    for y in range(rows):
        # First what every pixel does, in a loop that the compiler can vectorise.
        for x in range(columns):
            a = pace * (0.1 + frame[y, x])
            was = level[y, x]
            now = was + a / (1.0 + a) * (logs[y, x] + lamp - was)
            base = memory[y, x] - drift[y, x]
            before[x] = was
            level[y, x] = now
            memory[y, x] = base
            moved = now - base
            wake[x] = (moved >= on[y, x]) | (-moved >= off[y, x]) | (ready[y, x] > t0)
        for x in range(columns):
            if wake[x] == 0:
                continue
            was, now = before[x], level[y, x]
            slope = (now - was) / span
            start = t0
            if ready[y, x] > t0:
                if ready[y, x] >= t1:
                    continue
                start = ready[y, x]
                memory[y, x] = was + slope * (start - t0)
            while True:
                base = memory[y, x]
                if now - base >= on[y, x]:
                    target, p = base + on[y, x], 1
                    crossed = now > was and target > was
                elif base - now >= off[y, x]:
                    target, p = base - off[y, x], 0
                    crossed = now < was and target < was
                else:
                    break
                # Where the line from the level before to the level now crosses the threshold;
                # a pixel that was past it already sends at once.
                t = start
                if crossed:
                    t = max(start, min(t1 - 1, t0 + np.int64((target - was) / slope)))
                events[n].t = t
                events[n].x = x
                events[n].y = y
                events[n].p = p
                n += 1
                start = t + dead
                ready[y, x] = start
                if start >= t1:
                    break
                memory[y, x] = was + slope * (start - t0)
    return n


@kernel(
    numba.int64(
        _I1, _I1, _F2, _F2, numba.int64[:, ::1], numba.int64, EVENT_ARRAY, numba.int64,
    )
)  # fmt: skip
def disturb(times, places, level, memory, ready, dead, events, n):  # type: ignore[no-untyped-def]
    """Let noise fire pixels that are not in reset; a place is ``2 * pixel + polarity``.

    Events are written from ``n`` on; returns their new count.
    """
    columns = level.shape[1]
    for i in range(times.shape[0]):
        pixel, p = places[i] >> 1, places[i] & 1
        y, x = pixel // columns, pixel % columns
        if times[i] >= ready[y, x]:
            events[n].t = times[i]
            events[n].x = x
            events[n].y = y
            events[n].p = p
            n += 1
            memory[y, x] = level[y, x]
            ready[y, x] = times[i] + dead
    return n


class Pixels:
    """An array of pixels that has seen nothing but one scene, for ever.

    Parameters
    ----------
    model
        How good they are.
    frame
        float64[rows, columns]: what they see at time 0.
    frame_us
        Time between frames.
    rng
        Draws mismatch, and then the noise.
    """

    def __init__(
        self, model: PixelModel, frame: Floats, frame_us: int, rng: np.random.Generator
    ) -> None:
        shape = frame.shape
        self._model, self._frame_us, self._rng = model, frame_us, rng
        floor = 0.3
        self._on = model.on * np.maximum(floor, 1 + model.mismatch / model.on * _normal(rng, shape))
        self._off = model.off * np.maximum(
            floor, 1 + model.mismatch / model.off * _normal(rng, shape)
        )
        leak = model.leak_hz * np.exp(0.5 * model.spread * _normal(rng, shape))
        self._drift = leak * self._on * frame_us * 1e-6
        # Shot noise is stronger in the dark (v2e: by up to four times).
        rates = (
            model.shot_hz * np.exp(model.spread * _normal(rng, shape)) * (1.3 - frame.clip(0, 1))
        )
        hot = rng.choice(rates.size, min(model.hot, rates.size), replace=False)
        rates.reshape(-1)[hot] = model.hot_hz
        self._rates = np.cumsum(rates.reshape(-1))
        self._level = np.log(frame)
        # Each pixel was reset some time ago, so that leaks do not all come due together.
        self._memory = self._level - self._on * rng.random(shape)
        self._ready = np.zeros(shape, np.int64)
        room = frame.size * (frame_us // model.refractory_us + 2)
        self._events = np.empty(room, EVENT_DTYPE)
        self._drawn_until = self._next = 0
        self._times = self._places = np.empty(0, np.int64)
        # Its own generator, so that how frames are grouped changes nothing.
        self._echo = np.random.default_rng(rng.integers(2**63))
        self._pace = 2 * np.pi * model.corner_hz / 1.1 * frame_us * 1e-6

    def see(self, frame: Floats, logs: Floats, lamp: float, t0: int) -> Events:
        """See a frame at ``t0 + frame_us``; returns the events since ``t0``, not in time order."""
        t1, dead = t0 + self._frame_us, self._model.refractory_us
        if t1 > self._drawn_until:
            self._draw_noise(t0)
        n = render_events(
            frame, logs, lamp, self._level, self._memory, self._on, self._off, self._drift,
            self._ready, t0, t1, self._pace, dead, self._events,
        )  # fmt: skip
        first, self._next = self._next, int(self._times.searchsorted(t1))
        n = disturb(
            self._times[first : self._next], self._places[first : self._next], self._level,
            self._memory, self._ready, dead, self._events, n,
        )  # fmt: skip
        return self._events[:n].copy()

    def _draw_noise(self, t0: int) -> None:
        """Draw the noise of a stretch of frames from ``t0`` on, which does not end inside one."""
        span = _NOISE_FRAMES * self._frame_us
        count = self._rng.poisson(self._rates[-1] * span * 1e-6)
        self._times = np.sort(self._rng.integers(t0, t0 + span, count))
        pixels = np.searchsorted(self._rates, self._rng.random(count) * self._rates[-1], "right")
        pixels = np.minimum(pixels, len(self._rates) - 1)
        self._places = 2 * pixels + self._rng.integers(0, 2, count)
        self._next, self._drawn_until = 0, t0 + span

    def read_out(self, parts: list[Events]) -> Events:
        """Put the events of some frames in time order, and double some as the readout does."""
        events = np.concatenate(parts) if parts else np.empty(0, EVENT_DTYPE)
        twice = (events["p"] == 1) & (self._echo.random(len(events)) < self._model.doubled)
        events = np.repeat(events, 1 + twice)
        # The first of two is a microsecond earlier, unless that were in the frame before.
        first = np.cumsum(1 + twice)[twice] - 2
        events["t"][first] -= events["t"][first] % self._frame_us != 0
        return events[np.argsort(events["t"], kind="stable")]


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)
