"""Scenes without a gesture: a camera that is moved, people who walk, stand about, come and go."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Events
from spikewire.sensors.simulator.bystanders import draw_people, draw_wave, log_uniform
from spikewire.sensors.simulator.camera import (
    SENSOR,
    Conditions,
    FrameCamera,
    check_recording,
)
from spikewire.sensors.simulator.gestures import Floats
from spikewire.sensors.simulator.render import draw_wall
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.walker import place_walker

SCENES = (
    "shaken_camera",
    "panned_camera",
    "walkers",
    "fidgeting",
    "coming_and_going",
    "movements",
)
"""Kinds of scenes without a gesture: the camera trembles or is turned while nobody moves; people
walk through the picture; a person stands about, or comes, goes, or draws near; a person moves the
hands in some way, which differs from scene to scene."""

_Track = Callable[[float], tuple[float, float]]
_MARGIN = 76  # pixels of the room beyond each edge of the picture
_LIMIT = _MARGIN - 2.0


class SceneCamera(FrameCamera):
    """A DVS that sees a scene without a gesture; deterministic by its arguments.

    Parameters
    ----------
    kind
        One of ``SCENES``.
    seconds
        When the scene ends: people cross the picture, come or go within this time.
    seed
        Draws the sensor, the room and what happens.
    subject
        Number of the person who stands about, comes or goes. Those who walk by are others.
    conditions
        The sensor's quality, the background, the lamp. ``shake`` does not count.

    Attributes
    ----------
    t
        Time seen so far, in microseconds.

    Raises
    ------
    SourceError
        If there is no such kind.
    """

    def __init__(
        self,
        kind: str,
        *,
        seconds: float = 1.5,
        seed: int = 0,
        subject: int = 1,
        conditions: Conditions | None = None,
    ) -> None:
        if kind not in SCENES:
            raise SourceError(f"{kind!r} is no scene; there are {', '.join(SCENES)}.")
        self.conditions = conditions or Conditions()
        rng = np.random.default_rng([seed, subject, SCENES.index(kind), 0x5CE7E])
        width, height = SENSOR
        room = (width + 2 * _MARGIN, height + 2 * _MARGIN)
        # The room is larger than the picture: as much of it stands in the picture.
        clutter = self.conditions.clutter * room[0] * room[1] / (width * height)
        scene = draw_wall(rng, room, Subject.number(subject).wall, clutter)
        self._track: _Track | None = None
        if kind == "shaken_camera":
            self._track = _trembling(rng)
        elif kind == "panned_camera":
            self._track = _panning(rng)
        self._people = list(draw_people(kind, rng, subject, seconds))
        self._begin(scene, rng)

    def see(self, duration_us: int) -> Events:
        """Watch for a while, rounded down to whole frames of ``FRAME_US``.

        Returns
        -------
        ndarray
            Events in time order, from the camera's ``t`` before the call to its ``t`` after.
        """
        return self._watch(duration_us)

    def _picture(self) -> tuple[Floats, Floats]:
        seconds, moved = self.t * 1e-6, None
        if self._track is not None:
            dx, dy = (min(max(far, -_LIMIT), _LIMIT) for far in self._track(seconds))
            moved = dx, dy
        frame, logs = self._background(moved)
        for person in self._people:
            person.move(person, seconds)
            place_walker(person.body, person.pose, person.legs, person.trousers, person.parts)
            self._paint(person.parts, person.textures, frame, moved)
        return frame, logs


def simulate_non_gesture(
    kind: str,
    *,
    subject: int = 1,
    seconds: float = 1.5,
    seed: int = 0,
    conditions: Conditions | None = None,
) -> Events:
    """Simulate a recording of a scene without a gesture.

    Parameters
    ----------
    kind
        One of ``SCENES``.
    subject
        Number of the person, from 0.
    seconds
        Length, rounded down to whole milliseconds; at most 3,600.
    seed
        Draws the sensor, the room and what happens; the same seed gives the same events.
    conditions
        Quality of the sensor, background and lamp; None for the usual ones.

    Returns
    -------
    ndarray
        Contiguous ``EVENT_DTYPE`` array in time order, with times from 0 in microseconds, of a
        sensor of 128x128 pixels.

    Raises
    ------
    SourceError
        If there is no such kind, or a number is out of range.

    Examples
    --------
    >>> from spikewire.sensors import simulate_non_gesture
    >>> events = simulate_non_gesture("shaken_camera", seconds=0.1, seed=7)
    >>> len(events) > 0
    True
    """
    check_recording(seconds, subject, seed)
    camera = SceneCamera(kind, seconds=seconds, seed=seed, subject=subject, conditions=conditions)
    return camera.see(round(seconds * 1e6))


def _trembling(rng: np.random.Generator) -> _Track:
    """Draw a camera that is held or hit: 0.4 to 5 pixels to and fro, at 0.4 to 9 Hz."""
    size = log_uniform(rng, 0.4, 5.0)
    x = draw_wave(rng, 0.4, 9.0, size * rng.uniform(0.4, 1.0))
    y = draw_wave(rng, 0.4, 9.0, size * rng.uniform(0.4, 1.0))
    return lambda seconds: (x.at(seconds), y.at(seconds))


def _panning(rng: np.random.Generator) -> _Track:
    """Draw a camera that is turned to and fro by 10 to 45 pixels, and trembles."""
    wide, hertz = log_uniform(rng, 10.0, 45.0), rng.uniform(0.15, 0.6)
    phase, slope = rng.uniform(0, 2 * math.pi), rng.uniform(-0.4, 0.4)
    x, y = draw_wave(rng, 0.8, 8.0, 0.4), draw_wave(rng, 0.8, 8.0, 0.4)
    if rng.random() < 0.25:  # up and down
        slope = 1.0 / max(abs(slope), 0.05)
    length = math.hypot(1.0, slope)

    def track(seconds: float) -> tuple[float, float]:
        far = wide * math.sin(2 * math.pi * hertz * seconds + phase)
        return far / length + x.at(seconds), far * slope / length + y.at(seconds)

    return track
