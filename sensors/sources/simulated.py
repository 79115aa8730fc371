"""The simulated camera as a source: people gesturing before a DVS, with the truth as label."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import trio

from spikewire._jit import keep_ready
from spikewire.sensors.datasets.gesture_names import EXTRA_GESTURES, GESTURES
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Deliver, Events, Packet
from spikewire.sensors.simulator.camera import (
    FRAME_KERNELS,
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


@dataclass(frozen=True, slots=True)
class _Direction:
    """What the person was told to do; by default nothing."""

    gesture: str | None = None
    hold: bool = False
    person: int | None = None
    distance: float = 1.0
    light: float = 1.0


class SimSource:
    """A stream of gesture after gesture on one continuous time line.

    The events depend on everything but ``speed``, until the person is directed.

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
        self._directed = _Direction()
        keep_ready(*FRAME_KERNELS)
        self._cameras: dict[tuple[int, float, float], Camera] = {}
        self._gesture: str | None = None
        self._person = self._subjects[0]

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered."""
        return self._counters

    @property
    def sim(self) -> dict[str, Any]:
        """State as in the protocol: gesture, hold, person, distance, light, gestures."""
        return {
            "gesture": self._gesture, "hold": self._directed.hold, "person": self._person,
            "distance": self._directed.distance, "light": self._directed.light,
            "gestures": [*GESTURES, *EXTRA_GESTURES],
        }  # fmt: skip

    async def direct(self, **changes: Any) -> None:
        """Direct the person from the next packet on; events then depend on when that was.

        Parameters
        ----------
        changes
            ``gesture``: a name, or None for hanging arms, which is kept; ``hold``: whether the
            present gesture is kept, or the sequence goes on; ``person``: number of the person;
            ``distance`` (0.5 to 2): factor on how far the person stands; ``light`` (0.1 to 10):
            factor on the light, in whose absence the sensor's noise grows.

        Raises
        ------
        SourceError
            If a change is impossible; nothing has changed then.
        """
        if (gesture := changes.get("gesture")) is not None:
            check_gesture(gesture)
        if (person := changes.get("person", 0)) < 0:
            raise SourceError(f"person is {person}; allowed are numbers from 0.")
        for name, low, high in (("distance", 0.5, 2.0), ("light", 0.1, 10.0)):
            if not low <= changes.get(name, 1.0) <= high:
                allowed = f"allowed are numbers from {low:g} to {high:g}"
                raise SourceError(f"{name} is {changes[name]}; {allowed}.")
        if "gesture" in changes:
            changes.setdefault("hold", True)
        elif changes.get("hold"):
            changes["gesture"] = self._gesture
        self._directed = replace(self._directed, **changes)

    async def run(self, deliver: Deliver) -> None:
        """Stream packets, computed in a worker thread and paced by the clock."""
        began = trio.current_time()
        slice_us = FAST_SLICE_US if self.speed is None else SLICE_US
        now = left = 0
        number = self._subjects[0]
        directed, program = self._directed, self._program()
        camera, gesture = None, None
        while now != self._end_us:
            begins = camera is None or directed is not self._directed
            directed = self._directed
            if directed.hold:
                gesture = directed.gesture
            elif begins or not left:
                begins = True
                number, gesture, left = next(program)
            if begins or camera is None:
                camera = self._camera(number)
                camera.begin(gesture)
                self._gesture = gesture
            span = slice_us if directed.hold else min(slice_us, left)
            if self._end_us is not None:
                span = min(span, self._end_us - now)
            events = await trio.to_thread.run_sync(_see, camera, gesture, span, now)
            now += span
            left -= 0 if directed.hold else span
            if self.speed is not None:
                await trio.sleep_until(began + now / (1e6 * self.speed))
            self._counters["events"] += len(events)
            self._counters["packets"] += 1
            packet = Packet(
                events, SENSOR, now, time.monotonic_ns(), 0, gesture, last=now == self._end_us
            )
            await deliver(packet)

    def _camera(self, number: int) -> Camera:
        """Return the camera before a person, where the person stands now."""
        directed = self._directed
        self._person = number if directed.person is None else directed.person
        key = (self._person, directed.distance, directed.light)
        if key not in self._cameras:
            conditions = self._conditions
            if directed.light != 1.0:
                usual = conditions or Conditions()
                noise = min(100.0, usual.noise / directed.light)
                conditions = replace(usual, noise=noise)
            self._cameras[key] = Camera(
                seed=self._seed, subject=self._person, conditions=conditions,
                distance=directed.distance,
            )  # fmt: skip
        return self._cameras[key]

    def _program(self) -> Iterator[tuple[int, str | None, int]]:
        """Yield the number of the person, what is shown, and for how many microseconds."""
        rng = np.random.default_rng([self._seed, 0x0DE])
        for turn in itertools.count():
            number = self._subjects[turn % len(self._subjects)]
            for pick in rng.permutation(len(self.classes)):
                yield number, self.classes[int(pick)], self._hold_us
                if self._pause_us:
                    yield number, None, self._pause_us


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
