"""The simulated camera: people gesturing before a DVS, seeded, as a source."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import trio

from sensors._errors import SourceError
from sensors._events import EVENT_DTYPE, Deliver, Events, Packet
from sensors._replay import check_speed
from sensors._sim_body import CHEST_Y, GESTURES, REST, UNIT, Pose, Subject, blend, hands, limbs
from sensors._sim_pixels import draw, sense

SIZE = (128, 128)
FRAME_US = 2_000
SLICE_US = 10_000
CHANGE_S = 0.3
"""How long the hands take from one gesture to the next."""


class Camera:
    """A DVS that watches one subject; deterministic by its seed.

    Parameters
    ----------
    seed
        Draws the pixels' mismatch and the noise.
    subject
        Who gestures.
    noise_hz
        Noise events per pixel and second.
    hot
        Number of hot pixels, which send events all the time.
    """

    def __init__(
        self, *, seed: int = 0, subject: int = 1, noise_hz: float = 0.15, hot: int = 2
    ) -> None:
        rng = np.random.default_rng([seed, 0xCA3E])
        width, height = SIZE
        self.subject = Subject.number(subject)
        # Thresholds of 0.15 with 4 % mismatch: the published order of DVS128 (Lichtsteiner 2008).
        self._on = np.maximum(0.1, 0.15 * (1 + 0.04 * rng.standard_normal((height, width))))
        self._off = np.maximum(0.1, 0.16 * (1 + 0.04 * rng.standard_normal((height, width))))
        for _ in range(hot):
            y, x = rng.integers(height), rng.integers(width)
            self._on[y, x] = self._off[y, x] = 0.02
        self._scene = _background(self.subject, rng)
        self._noise = noise_hz * FRAME_US * 1e-6
        self._lanes = np.array([rng.integers(1, 2**63)], np.uint64)
        self._ready = np.zeros((height, width), np.int64)
        self._frame = np.empty((height, width))
        self._pose: Pose = REST
        self._old_pose: Pose = REST
        self._gesture: str | None = None
        self._since = 0
        self.t = 0
        self._paint()
        self._level = np.log(self._frame)
        self._memory = self._level.copy()

    def _paint(self) -> None:
        draw(self._scene, limbs(self._pose, self.subject, self.t * 1e-6), self._frame)

    def see(self, gesture: str, duration_us: int) -> Events:
        """Watch the subject gesture for a while (whole frames of 2 ms); returns events in order."""
        if gesture not in GESTURES:
            raise SourceError(f"{gesture!r} is no gesture; there are {', '.join(GESTURES)}.")
        if gesture != self._gesture:
            self._gesture, self._since, self._old_pose = gesture, self.t, self._pose
        events = np.empty(200_000, EVENT_DTYPE)
        parts = []
        for _ in range(duration_us // FRAME_US):
            before, self.t = self.t, self.t + FRAME_US
            seconds = (self.t - self._since) * 1e-6
            share = min(1.0, seconds / CHANGE_S)
            wanted = hands(gesture, seconds, self.subject)
            self._pose = blend(self._old_pose, wanted, share * share * (3 - 2 * share))
            self._paint()
            n = int(
                sense(
                    self._frame, self._level, self._memory, self._on, self._off, self._ready,
                    before, self.t, 0.6, 1_000, self._noise, self._lanes, events, 0,
                )
            )  # fmt: skip
            part = events[:n]
            parts.append(part[np.argsort(part["t"], kind="stable")])
        return np.concatenate(parts) if parts else events[:0].copy()


def _background(
    subject: Subject, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Paint what stands still: a wall with some texture, the torso and the head."""
    width, height = SIZE
    y, x = np.mgrid[0:height, 0:width].astype(float)
    wall = subject.wall * (1 + 0.1 * np.sin(x / 17 + rng.uniform(0, 6)) * np.cos(y / 23))
    unit = UNIT * subject.scale
    cx, cy = 64 + subject.x, CHEST_Y + subject.y
    parts = np.array(
        [
            [cx, cy + 0.15 * unit, cx, cy + 1.5 * unit, 0.36 * unit, subject.shirt],
            [cx - 0.25 * unit, cy, cx + 0.25 * unit, cy, 0.13 * unit, subject.shirt],
            [cx, cy - 0.5 * unit, cx, cy - 0.42 * unit, 0.2 * unit, subject.skin],
        ]
    )
    out = np.empty((height, width))
    draw(np.ascontiguousarray(wall), parts, out)
    return out


def simulate(
    gesture: str, *, seed: int = 0, subject: int = 1, duration_us: int = 1_500_000
) -> Events:
    """Simulate one subject's gesture.

    Returns
    -------
    ndarray
        Events in time order, from 0 to ``duration_us``, on 128x128 pixels.
    """
    return Camera(seed=seed, subject=subject).see(gesture, duration_us)


class SimSource:
    """The simulated camera as a source: gesture after gesture, with the truth as label.

    Parameters
    ----------
    classes
        The gestures shown, each once per round, in an order drawn from the seed.
    hold
        Seconds of each.
    subjects
        Who gestures, in turn from round to round.
    speed
        1.0 is real time; None as fast as packets are taken.
    duration
        Seconds until the stream ends; None goes on for ever.

    Raises
    ------
    SourceError
        If a setting is impossible.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        classes: Sequence[str] = GESTURES,
        hold: float = 3.0,
        subjects: Sequence[int] = (1,),
        speed: float | None = 1.0,
        duration: float | None = None,
    ) -> None:
        for name in classes:
            if name not in GESTURES:
                raise SourceError(f"{name!r} is no gesture; there are {', '.join(GESTURES)}.")
        if not classes or not subjects:
            raise SourceError("The simulator needs at least one class and one subject.")
        if not hold >= SLICE_US * 1e-6:
            raise SourceError(f"hold is {hold}; allowed are seconds from 0.01.")
        if duration is not None and not duration > 0:
            raise SourceError(f"duration is {duration}; allowed are positive seconds.")
        self.classes = tuple(classes)
        self.speed = check_speed(speed)
        self.live = speed is not None
        self.size = SIZE
        self.name = f"sim:seed={seed}"
        self._seed, self._hold, self._subjects = seed, hold, tuple(subjects)
        self._duration = duration
        self._counters: Counter[str] = Counter()

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered."""
        return self._counters

    async def run(self, deliver: Deliver) -> None:
        """Stream slices of 10 ms, paced by the clock."""
        rng = np.random.default_rng([self._seed, 0x0DE])
        cameras = {n: Camera(seed=self._seed, subject=n) for n in self._subjects}
        slices = max(1, round(self._hold * 1e6 / SLICE_US))
        left = None if self._duration is None else max(1, round(self._duration * 1e6 / SLICE_US))
        began = trio.current_time()
        now = 0
        turn = 0
        while True:
            camera = cameras[self._subjects[turn % len(self._subjects)]]
            turn += 1
            for pick in rng.permutation(len(self.classes)):
                gesture = self.classes[int(pick)]
                for _ in range(slices):
                    shift = now - camera.t
                    events = await trio.to_thread.run_sync(camera.see, gesture, SLICE_US)
                    if shift:
                        events["t"] += shift
                    now += SLICE_US
                    if self.speed is not None:
                        await trio.sleep_until(began + now / (1e6 * self.speed))
                    last = left is not None and left <= 1
                    self._counters["events"] += len(events)
                    self._counters["packets"] += 1
                    await deliver(
                        Packet(events, SIZE, now, time.monotonic_ns(), 0, gesture, last=last)
                    )
                    if left is not None:
                        left -= 1
                        if last:
                            return


_SETTINGS = {"seed": int, "hold": float, "duration": float}


def open_simulator(rest: str, options: Mapping[str, Any]) -> SimSource:
    """Open ``sim:?seed=1&classes=a,b&hold=3&subjects=1,2&speed=1&duration=60``."""
    place, _, query = rest.partition("?")
    if place:
        raise SourceError(f"sim: takes settings only, as sim:?seed=1, not {place!r}.")
    settings: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        settings[name] = _setting(name, value)
    for name, value in options.items():
        if name not in ("seed", "hold", "duration", "speed", "classes", "subjects"):
            raise SourceError(_allowed(name))
        settings[name] = value
    return SimSource(**settings)


def _setting(name: str, value: str) -> Any:
    try:
        if name in _SETTINGS:
            return _SETTINGS[name](value)
        if name == "classes":
            return tuple(filter(None, value.split(",")))
        if name == "subjects":
            return tuple(int(part) for part in value.split(","))
        if name == "speed":
            return None if value == "max" else float(value)
    except ValueError:
        raise SourceError(f"{name} is {value!r}, which is no number.") from None
    raise SourceError(_allowed(name))


def _allowed(name: str) -> str:
    return (
        f"A source sim: has no setting {name!r}; it has seed, classes, hold, subjects, speed and "
        "duration."
    )
