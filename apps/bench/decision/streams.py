"""Streams of results: simulated people, and non-gestures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from spikewire.apps.cli.models import open_network
from spikewire.apps.service.in_process import run_in_process

if TYPE_CHECKING:
    from spikewire.sensors import Events, Source

SIZE = (128, 128)
HOLD_S, PAUSE_S = 3.0, 1.5
_PACKET_US = 20_000
# As many events as a gesture has: 90 kev/s.
_POINTS = 1_500


@dataclass(frozen=True, slots=True)
class Result:
    """Result of the network, and its label."""

    segment: int
    t_us: int
    scores: Mapping[str, int]
    spikes: Sequence[int]
    truth: str | None
    events: int | None = None


def results(source: Source) -> list[Result]:
    """Return all results of the shipped network, frozen, over a source."""
    taken: list[Result] = []

    def take(message: Mapping[str, Any]) -> None:
        taken.append(
            Result(
                *(message[n] for n in ("segment", "t_us", "scores", "spikes", "truth", "events"))
            )
        )

    async def run() -> None:
        network = open_network("gestures", (), 0)
        await run_in_process(source, network, take, learn=False, labels="client")

    trio.run(run)
    return taken


def person(number: int, *filters: str) -> Source:
    """Simulate a person who makes each of the eleven gestures once, with pauses."""
    from spikewire.sensors import Filtered, SimSource

    source = SimSource(
        seed=number, subjects=(number,), hold=HOLD_S, pause=PAUSE_S, speed=None,
        duration=11 * (HOLD_S + PAUSE_S),
    )  # fmt: skip
    return Filtered(source, list(filters)) if filters else source


def shaken(number: int, seconds: float) -> Source:
    """Simulate a person who stands still before a camera that shakes by two pixels."""
    from spikewire.sensors import Camera, Conditions

    camera = Camera(seed=number, subject=number, conditions=Conditions(shake=2.0))
    return Made("shaken", camera.see(None, round(seconds * 1e6)))


def clip(path: Path) -> Source:
    """Open a recording of one gesture."""
    from spikewire.sensors import open_source

    return open_source(f"file:{path}", size=SIZE)


class Made:
    """Source of synthetic events."""

    live = False
    size = SIZE

    def __init__(self, name: str, events: Events) -> None:
        self.name = name
        self.counters: Counter[str] = Counter()
        self._events = events

    async def run(self, deliver: Any) -> None:
        """Deliver packets of 20 ms."""
        from spikewire.sensors import Packet

        end = int(self._events["t"][-1]) + 1
        for now in range(0, end, _PACKET_US):
            first, stop = np.searchsorted(self._events["t"], (now, now + _PACKET_US))
            last = now + _PACKET_US >= end
            await deliver(
                Packet(
                    self._events[first:stop].copy(), SIZE, now + _PACKET_US, time.monotonic_ns(),
                    0, None, last=last,
                )
            )  # fmt: skip


def noise(number: int, seconds: float, rate: int) -> Source:
    """Make events at random places and times, at a rate."""
    draw = np.random.default_rng([number, rate])
    count = round(seconds * rate)
    t = np.sort(draw.integers(0, round(seconds * 1e6), count))
    x, y, p = (draw.integers(0, most, count) for most in (*SIZE, 2))
    return Made(f"noise:{rate}", _events(t, x, y, p))


def walkers(number: int, seconds: float) -> Source:
    """Make people who walk through the picture, with 1,500 points of contrast each."""
    draw = np.random.default_rng([number, 0x3A1C])
    parts = list(_walk(draw, seconds))
    t, x, y, p = (np.concatenate([part[n] for part in parts]) for n in range(4))
    order = np.argsort(t, kind="stable")
    return Made("walkers", _events(t[order], x[order], y[order], p[order]))


def _walk(draw: np.random.Generator, seconds: float) -> Iterator[tuple[Any, Any, Any, Any]]:
    now = 0.0
    while now < seconds:
        speed = draw.uniform(40, 90)
        direction = draw.choice([-1.0, 1.0])
        lasts = min((SIZE[0] + 40) / speed, seconds - now)
        # Head, body, and two legs that swing: middle and half size of each, in pixels.
        boxes = [(0, 35, 7, 9), (0, 70, 12, 26), (-4, 110, 5, 18), (4, 110, 5, 18)]
        of = draw.choice(4, _POINTS, p=[0.15, 0.45, 0.2, 0.2])
        middle = np.array(boxes, float)[of]
        dx = middle[:, 0] + draw.uniform(-1, 1, _POINTS) * middle[:, 2]
        y = middle[:, 1] + draw.uniform(-1, 1, _POINTS) * middle[:, 3]
        swing = np.where(of == 2, 1.0, np.where(of == 3, -1.0, 0.0)) * (y - 92) * 0.4
        times = np.arange(0, lasts, 1e-3)
        centre = speed * times - 20
        beat = np.sin(2 * np.pi * 0.9 * times + draw.uniform(0, 6))
        x = centre[:, None] + dx + swing * beat[:, None]
        x = x if direction > 0 else SIZE[0] - 1 - x
        column = np.floor(x).astype(np.int64)
        moved = np.diff(column, axis=0)
        when, point = np.nonzero(moved)
        at = column[when + 1, point]
        inside = (at >= 0) & (at < SIZE[0])
        when, point, at = when[inside], point[inside], at[inside]
        bright = draw.integers(0, 2, _POINTS)
        t = ((now + times[when]) * 1e6).astype(np.int64) + draw.integers(0, 1000, len(when))
        yield (
            t,
            at,
            y[point].astype(np.int64).clip(0, SIZE[1] - 1),
            bright[point] ^ (moved[when, point] < 0),
        )
        now += lasts + 0.5


def _events(t: Any, x: Any, y: Any, p: Any) -> Events:
    from spikewire.sensors import EVENT_DTYPE

    out = np.zeros(len(t), EVENT_DTYPE)
    out["t"], out["x"], out["y"], out["p"] = t, x, y, p
    return out
