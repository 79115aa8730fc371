"""The simulated camera as a source: people gesturing before a DVS, with the truth as label."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import trio

from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Deliver, Events, Packet
from spikewire.sensors.simulator.camera import (
    FRAME_US,
    SENSOR,
    Camera,
    Conditions,
    check_gesture,
)
from spikewire.sensors.sources.pacing import check_speed, read_speed

SLICE_US = 5_000
"""Stream time of a packet in real time: a paced stream waits no longer than this for its events."""

FAST_SLICE_US = 20_000
"""Stream time of a packet when nobody waits: fewer packets cost less."""


class SimSource:
    """A stream of gesture after gesture on one continuous time line.

    The events depend on everything but ``speed``.

    Parameters
    ----------
    seed
        Draws the sensor, the room, the order and how each showing turns out.
    classes
        The gestures shown, each once per round, in an order drawn anew for every round.
    hold
        Seconds of each.
    pause
        Seconds after each in which the arms hang, and nothing is the truth.
    subjects
        Numbers of the persons who gesture, in turn from round to round.
    speed
        1.0 is real time; None as fast as packets are taken.
    duration
        Seconds until the stream ends; None goes on for ever.
    conditions
        The sensor's quality, the background, the lamp.

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
        pause: float = 0.0,
        subjects: Sequence[int] = (1,),
        speed: float | None = 1.0,
        duration: float | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        for name in classes:
            check_gesture(name)
        if not classes or not subjects:
            raise SourceError("The simulator needs at least one class and one subject.")
        if len(set(classes)) < len(classes):
            raise SourceError("The simulator shows each class once a round; one is named twice.")
        for setting, numbers in (("seed", (seed,)), ("subjects", subjects)):
            if min(numbers) < 0:
                raise SourceError(f"{setting} is {min(numbers)}; allowed are numbers from 0.")
        if not 0.01 <= hold < 1e6:
            raise SourceError(f"hold is {hold}; allowed are seconds from 0.01.")
        if not 0 <= pause < 1e6:
            raise SourceError(f"pause is {pause}; allowed are seconds from 0.")
        if duration is not None and not 1e-3 <= duration < math.inf:
            raise SourceError(f"duration is {duration}; allowed are seconds from 0.001.")
        self.classes = tuple(classes)
        self.speed = check_speed(speed)
        self.live = speed is not None
        self.size = SENSOR
        self.name = f"sim:seed={seed}"
        self._seed, self._subjects = seed, tuple(subjects)
        self._hold_us = round(hold * 1e6 / FRAME_US) * FRAME_US
        self._pause_us = round(pause * 1e6 / FRAME_US) * FRAME_US
        self._end_us = None if duration is None else round(duration * 1e6 / FRAME_US) * FRAME_US
        self._conditions = conditions
        self._counters: Counter[str] = Counter()

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered."""
        return self._counters

    async def run(self, deliver: Deliver) -> None:
        """Stream packets, computed in a worker thread and paced by the clock."""
        began = trio.current_time()
        slice_us = FAST_SLICE_US if self.speed is None else SLICE_US
        for camera, gesture, start, stop in self._program():
            camera.begin(gesture)
            now = start
            while now < stop:
                span = min(slice_us, stop - now)
                events = await trio.to_thread.run_sync(_see, camera, gesture, span, now)
                now += span
                if self.speed is not None:
                    await trio.sleep_until(began + now / (1e6 * self.speed))
                self._counters["events"] += len(events)
                self._counters["packets"] += 1
                packet = Packet(
                    events, SENSOR, now, time.monotonic_ns(), 0, gesture, last=now == self._end_us
                )
                await deliver(packet)

    def _program(self) -> Iterator[tuple[Camera, str | None, int, int]]:
        """Yield who shows what from when until when, in microseconds of stream time."""
        rng = np.random.default_rng([self._seed, 0x0DE])
        cameras: dict[int, Camera] = {}
        now = turn = 0
        while True:
            number = self._subjects[turn % len(self._subjects)]
            if number not in cameras:
                cameras[number] = Camera(
                    seed=self._seed, subject=number, conditions=self._conditions
                )
            turn += 1
            for pick in rng.permutation(len(self.classes)):
                for gesture, span in (
                    (self.classes[int(pick)], self._hold_us),
                    (None, self._pause_us),
                ):
                    if not span:
                        continue
                    stop = now + span
                    if self._end_us is not None:
                        stop = min(stop, self._end_us)
                    yield cameras[number], gesture, now, stop
                    now = stop
                    if now == self._end_us:
                        return


def _see(camera: Camera, gesture: str | None, span: int, now: int) -> Events:
    """Watch for a while; a camera's own time stands still while another subject's turn lasts."""
    shift = now - camera.t
    events = camera.see(gesture, span)
    events["t"] += shift
    return events


def _number(read: Callable[[str], Any]) -> Callable[[str, str], Any]:
    def parse(name: str, text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            raise SourceError(f"{name} is {text!r}, which is no number.") from None

    return parse


_SETTINGS: dict[str, Callable[[str, str], Any]] = {
    "seed": _number(int),
    "classes": lambda _, text: tuple(filter(None, text.split(","))),
    "hold": _number(float),
    "pause": _number(float),
    "subject": _number(lambda text: (int(text),)),
    "subjects": _number(lambda text: tuple(int(part) for part in text.split(","))),
    "speed": read_speed,
    "duration": _number(float),
    "noise": _number(float),
    "clutter": _number(float),
    "shake": _number(float),
    "flicker": _number(float),
}
_CONDITIONS = ("noise", "clutter", "shake", "flicker")


def open_simulator(rest: str, options: Mapping[str, Any]) -> SimSource:
    """Open ``sim:?seed=1&classes=a,b&hold=3&subjects=1,2&speed=1&duration=60&shake=0.5``.

    Parameters
    ----------
    rest
        What follows ``sim:``.
    options
        Settings of the same names as values, which win.

    Raises
    ------
    SourceError
        If a setting does not exist or cannot be.
    """
    place, _, query = rest.partition("?")
    if place:
        raise SourceError(f"sim: takes settings only, as sim:?seed=1, not {place!r}.")
    settings: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        settings[name] = _known(name)(name, text)
    for name, value in options.items():
        _known(name)
        settings[name] = (value,) if name == "subject" else value
    if "subject" in settings:
        if "subjects" in settings:
            raise SourceError("A source sim: takes subject or subjects, not both.")
        settings["subjects"] = settings.pop("subject")
    conditions = {name: settings.pop(name) for name in _CONDITIONS if name in settings}
    return SimSource(conditions=Conditions(**conditions), **settings)


def _known(name: str) -> Callable[[str, str], Any]:
    if name not in _SETTINGS:
        raise SourceError(f"A source sim: has no setting {name!r}; it has {', '.join(_SETTINGS)}.")
    return _SETTINGS[name]
