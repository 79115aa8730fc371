"""Scenes without a gesture: a camera that is moved, people who walk, stand about, come and go."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Events
from spikewire.sensors.simulator.body import (
    COS,
    DISTANCE,
    FIELDS,
    NOD_X,
    NOD_Y,
    ROLL,
    SIN,
    SWAY_X,
    SWAY_Y,
    X,
    measure,
)
from spikewire.sensors.simulator.camera import (
    FRAME_US,
    SENSOR,
    SOFTNESS,
    Conditions,
    lamp_at,
    log_painted,
    noisy,
)
from spikewire.sensors.simulator.gestures import Floats, rest
from spikewire.sensors.simulator.pixels import Pixels
from spikewire.sensors.simulator.render import draw_textures, draw_wall, paint, shift
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.walker import WALKER_PARTS, place_walker, stride

SCENES = ("shaken_camera", "panned_camera", "walkers", "fidgeting", "coming_and_going")
"""Kinds of scenes without a gesture: the camera trembles or is turned while nobody moves; people
walk through the picture; a person stands about, or comes, goes, or draws near."""

_Track = Callable[[float], tuple[float, float]]
_MARGIN = 76  # pixels of the room beyond each edge of the picture
_LIMIT = _MARGIN - 2.0


@dataclass(slots=True)
class _Person:
    """One person of a scene, and where that person is.

    Attributes
    ----------
    subject, body, textures, trousers
        Measures and clothes.
    move
        Moves ``body``, ``pose`` and ``legs`` to where they are at a time in seconds.
    """

    subject: Subject
    body: Floats
    textures: Floats
    trousers: float
    move: Callable[[_Person, float], None]
    pose: Floats = field(default_factory=rest)
    legs: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    parts: Floats = field(default_factory=lambda: np.empty((WALKER_PARTS, FIELDS)))


class SceneCamera:
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
        self._room = draw_wall(rng, room, Subject.number(subject).wall, clutter)
        self._track: _Track | None = None
        if kind == "shaken_camera":
            self._track = _trembling(rng)
        elif kind == "panned_camera":
            self._track = _panning(rng)
        self._people = list(_draw_people(kind, rng, subject, seconds))
        self._wall = np.empty((height, width))
        shift(self._room, 0.0, 0.0, self._wall)
        self._wall_logs = np.log(self._wall)
        self._painted = np.zeros((height, width), np.uint8)
        self.t = 0
        frame, _ = self._picture()
        self._pixels = Pixels(noisy(self.conditions), frame, FRAME_US, rng)

    def see(self, duration_us: int) -> Events:
        """Watch for a while, rounded down to whole frames of ``FRAME_US``.

        Returns
        -------
        ndarray
            Events in time order, from the camera's ``t`` before the call to its ``t`` after.
        """
        parts = []
        for _ in range(duration_us // FRAME_US):
            before, self.t = self.t, self.t + FRAME_US
            frame, logs = self._picture()
            lamp = lamp_at(self.conditions.flicker, self.t)
            parts.append(self._pixels.see(frame, logs, lamp, before))
        return self._pixels.read_out(parts)

    def _picture(self) -> tuple[Floats, Floats]:
        """Paint what is to be seen now; returns intensities and their logarithms."""
        seconds = self.t * 1e-6
        dx = dy = 0.0
        if self._track is None:
            frame, logs = self._wall.copy(), self._wall_logs.copy()
        else:
            dx, dy = (min(max(far, -_LIMIT), _LIMIT) for far in self._track(seconds))
            frame = np.empty_like(self._wall)
            shift(self._room, dx, dy, frame)
            logs = np.log(frame)
        for person in self._people:
            person.move(person, seconds)
            place_walker(person.body, person.pose, person.legs, person.trousers, person.parts)
            person.parts[:, [0, 3]] -= dx
            person.parts[:, [1, 4]] -= dy
            paint(person.parts, person.textures, frame, self._painted, SOFTNESS)
        log_painted(frame, self._painted, logs)
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
    if not 0 <= seconds <= 3600:
        raise SourceError(f"seconds is {seconds}; allowed are numbers from 0 to 3600.")
    for name, number in (("subject", subject), ("seed", seed)):
        if number < 0:
            raise SourceError(f"{name} is {number}; allowed are numbers from 0.")
    camera = SceneCamera(kind, seconds=seconds, seed=seed, subject=subject, conditions=conditions)
    return camera.see(round(seconds * 1e6))


def _waves(rng: np.random.Generator, low_hz: float, high_hz: float, size: float) -> _Wave:
    """Draw a movement to and fro: three waves, the slow ones wide, of this deviation together."""
    hertz = np.exp(rng.uniform(math.log(low_hz), math.log(high_hz), 3))
    wide = rng.uniform(0.3, 1.0, 3) / np.sqrt(hertz)
    wide *= size / math.sqrt(0.5 * float(wide @ wide))
    return _Wave(wide, 2 * math.pi * hertz, rng.uniform(0, 2 * math.pi, 3))


@dataclass(frozen=True, slots=True)
class _Wave:
    """A sum of sines: sizes, turns per second in radians, phases."""

    sizes: Floats
    turns: Floats
    phases: Floats

    def at(self, seconds: float) -> float:
        return float(self.sizes @ np.sin(self.turns * seconds + self.phases))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _trembling(rng: np.random.Generator) -> _Track:
    """Draw a camera that is held or hit: 0.4 to 5 pixels to and fro, at 0.4 to 9 Hz."""
    size = _log_uniform(rng, 0.4, 5.0)
    x = _waves(rng, 0.4, 9.0, size * rng.uniform(0.4, 1.0))
    y = _waves(rng, 0.4, 9.0, size * rng.uniform(0.4, 1.0))
    return lambda seconds: (x.at(seconds), y.at(seconds))


def _panning(rng: np.random.Generator) -> _Track:
    """Draw a camera that is turned to and fro by 10 to 45 pixels, and trembles."""
    wide, hertz = _log_uniform(rng, 10.0, 45.0), rng.uniform(0.15, 0.6)
    phase, slope = rng.uniform(0, 2 * math.pi), rng.uniform(-0.4, 0.4)
    x, y = _waves(rng, 0.8, 8.0, 0.4), _waves(rng, 0.8, 8.0, 0.4)
    if rng.random() < 0.25:  # up and down
        slope = 1.0 / max(abs(slope), 0.05)
    length = math.hypot(1.0, slope)

    def track(seconds: float) -> tuple[float, float]:
        far = wide * math.sin(2 * math.pi * hertz * seconds + phase)
        return far / length + x.at(seconds), far * slope / length + y.at(seconds)

    return track


def _draw_people(
    kind: str, rng: np.random.Generator, subject: int, seconds: float
) -> Iterator[_Person]:
    """Draw the people of a scene, those who are far away first."""
    if kind in ("shaken_camera", "panned_camera"):
        if rng.random() < 0.75:
            yield _dress(Subject.number(subject), _standing(rng, 0.3))
    elif kind == "fidgeting":
        yield _dress(Subject.number(subject), _standing(rng, _log_uniform(rng, 0.7, 4.0)))
    elif kind == "coming_and_going":
        yield _come_or_go(Subject.number(subject), rng, seconds)
    else:
        count = int(rng.choice([1, 1, 1, 2, 2, 3]))
        shares = np.sort(np.exp(rng.uniform(math.log(0.35), math.log(1.1), count)))
        for n, share in enumerate(shares):
            passer = Subject.number(int(rng.integers(1 << 31, 1 << 32)))
            # Somebody is in the picture in the middle of the scene.
            middle = seconds * (rng.uniform(0.2, 0.8) if n == 0 else rng.uniform(-0.3, 1.3))
            yield _walk_by(passer, float(share), rng, middle)


def _dress(subject: Subject, move: Callable[[_Person, float], None]) -> _Person:
    clothes = np.random.default_rng([subject.id, 0xC107])
    textures = draw_textures(clothes, subject.folds)
    trousers = float(np.exp(clothes.uniform(math.log(0.05), math.log(0.5))))
    return _Person(subject, measure(subject), textures, trousers, move)


def _face(body: Floats, yaw: float) -> None:
    body[COS], body[SIN] = math.cos(yaw), math.sin(yaw)


def _standing(rng: np.random.Generator, unrest: float) -> Callable[[_Person, float], None]:
    """Draw a person who stands and shifts the weight, nods, and does not keep the hands still."""
    aside, turn = _waves(rng, 0.15, 0.8, 0.02 * unrest), _waves(rng, 0.1, 0.7, 0.08 * unrest)
    nods = (_waves(rng, 0.2, 1.2, 0.01 * unrest), _waves(rng, 0.2, 1.2, 0.006 * unrest))
    hands = [[_waves(rng, 0.2, 1.5, 0.012 * unrest) for _ in range(3)] for _ in range(2)]
    folded = unrest > 0.5 and rng.random() < 0.35

    def move(person: _Person, seconds: float) -> None:
        body, far = person.body, aside.at(seconds)
        body[SWAY_X], body[SWAY_Y] = far, 0.15 * abs(far)
        body[NOD_X], body[NOD_Y] = far + nods[0].at(seconds), nods[1].at(seconds)
        _face(body, person.subject.yaw + turn.at(seconds))
        person.pose[:] = rest()
        if folded:
            person.pose[:, :3] = (0.02, 0.42, 0.2)
            person.pose[0, 0] *= -1
        for hand in range(2):
            for axis in range(3):
                person.pose[hand, axis] += hands[hand][axis].at(seconds)
        person.pose[:, :3] *= person.subject.size

    return move


def _walk_by(subject: Subject, share: float, rng: np.random.Generator, middle_s: float) -> _Person:
    """Draw a person who walks through the picture.

    Parameters
    ----------
    share
        Size in the picture, as a share of that of one who gestures.
    middle_s
        When the person is in the middle of the picture.
    """
    to = 1.0 if rng.random() < 0.5 else -1.0
    yaw = to * (0.5 * math.pi + rng.uniform(-0.45, 0.45))
    speed = rng.uniform(0.7, 1.8)
    strides_hz = rng.uniform(0.55, 0.7) * speed**0.5 * 1.15
    vigour, begin = rng.uniform(0.6, 1.3), rng.random()
    level = 64 + (subject.y - 64) * share + rng.uniform(-14, 14)
    zoom = subject.zoom * share
    person = replace(
        subject, zoom=zoom, distance=subject.distance / share, x=64.0, y=level, roll=0.0
    )

    def move(walker: _Person, seconds: float) -> None:
        body = walker.body
        body[X] = 64 + to * speed * zoom * (seconds - middle_s)
        _face(body, yaw)
        cycles = begin + strides_hz * seconds
        body[SWAY_Y] = stride(cycles, vigour, walker.subject.size, walker.pose, walker.legs)

    return _dress(person, move)


def _come_or_go(subject: Subject, rng: np.random.Generator, seconds: float) -> _Person:
    """Draw a person who comes from the side, or from afar, and stops; or who goes."""
    to = 1.0 if rng.random() < 0.5 else -1.0
    stops_s, goes = seconds * rng.uniform(0.3, 0.9), rng.random() < 0.5
    afar = rng.random() < 0.35 and not goes
    speed = rng.uniform(0.7, 1.6)
    strides_hz = rng.uniform(0.7, 0.9) * speed**0.5
    vigour, begin = rng.uniform(0.6, 1.2), rng.random()
    stand = _standing(rng, 0.7)
    slows_s = rng.uniform(0.3, 0.6)

    def move(person: _Person, at_s: float) -> None:
        seconds_s = seconds - at_s if goes else at_s
        # Seconds of full speed that are still to go, and the share of it now.
        left = max(0.0, stops_s - seconds_s)
        pace = min(1.0, left / slows_s)
        far = speed * (left - 0.5 * slows_s if left > slows_s else 0.5 * left * pace)
        stand(person, at_s)
        body = person.body
        if pace > 0:
            standing = person.pose.copy()
            cycles = begin + strides_hz * at_s
            sunk = stride(cycles, vigour, person.subject.size, person.pose, person.legs)
            person.pose[:] = standing + pace * (person.pose - standing)
            person.legs *= pace
            body[SWAY_Y] += pace * sunk
        else:
            person.legs[:] = 0.0
        if afar:
            body[DISTANCE] = person.subject.distance + far
        else:
            body[X] = person.subject.x - to * far * person.subject.zoom
            turned = to * 0.5 * math.pi * (-1.0 if goes else 1.0) * pace
            _face(body, math.asin(body[SIN]) * (1 - pace) + turned)
        body[ROLL] = 0.0

    return _dress(subject, move)
