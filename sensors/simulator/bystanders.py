"""People in scenes without a gesture: who they are, and how they move.

They stand about, walk by, come and go, or move their hands in some way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

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
    pose_at,
)
from spikewire.sensors.simulator.gestures import Floats, path, rest
from spikewire.sensors.simulator.render import draw_textures
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.walker import WALKER_PARTS, stride


@dataclass(slots=True)
class Person:
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
    move: Callable[[Person, float], None]
    pose: Floats = field(default_factory=rest)
    legs: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    parts: Floats = field(default_factory=lambda: np.empty((WALKER_PARTS, FIELDS)))


def draw_wave(rng: np.random.Generator, low_hz: float, high_hz: float, size: float) -> Wave:
    """Draw a movement to and fro: three waves, the slow ones wide, of this deviation together."""
    hertz = np.exp(rng.uniform(math.log(low_hz), math.log(high_hz), 3))
    wide = rng.uniform(0.3, 1.0, 3) / np.sqrt(hertz)
    wide *= size / math.sqrt(0.5 * float(wide @ wide))
    return Wave(wide, 2 * math.pi * hertz, rng.uniform(0, 2 * math.pi, 3))


@dataclass(frozen=True, slots=True)
class Wave:
    """A sum of sines: sizes, turns per second in radians, phases."""

    sizes: Floats
    turns: Floats
    phases: Floats

    def at(self, seconds: float) -> float:
        """Return where it is at a time."""
        return float(self.sizes @ np.sin(self.turns * seconds + self.phases))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def draw_people(
    kind: str, rng: np.random.Generator, subject: int, seconds: float
) -> Iterator[Person]:
    """Draw the people of a scene, those who are far away first."""
    if kind in ("shaken_camera", "panned_camera"):
        if rng.random() < 0.75:
            yield _dress(Subject.number(subject), _standing(rng, 0.3))
    elif kind == "fidgeting":
        yield _dress(Subject.number(subject), _standing(rng, log_uniform(rng, 0.7, 4.0)))
    elif kind == "movements":
        yield _dress(Subject.number(subject), _moving(Subject.number(subject), rng))
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


def _dress(subject: Subject, move: Callable[[Person, float], None]) -> Person:
    clothes = np.random.default_rng([subject.id, 0xC107])
    textures = draw_textures(clothes, subject.folds)
    trousers = float(np.exp(clothes.uniform(math.log(0.05), math.log(0.5))))
    return Person(subject, measure(subject), textures, trousers, move)


def _face(body: Floats, yaw: float) -> None:
    body[COS], body[SIN] = math.cos(yaw), math.sin(yaw)


def _standing(rng: np.random.Generator, unrest: float) -> Callable[[Person, float], None]:
    """Draw a person who stands and shifts the weight, nods, and does not keep the hands still."""
    aside, turn = draw_wave(rng, 0.15, 0.8, 0.02 * unrest), draw_wave(rng, 0.1, 0.7, 0.08 * unrest)
    nods = (draw_wave(rng, 0.2, 1.2, 0.01 * unrest), draw_wave(rng, 0.2, 1.2, 0.006 * unrest))
    hands = [[draw_wave(rng, 0.2, 1.5, 0.012 * unrest) for _ in range(3)] for _ in range(2)]
    folded = unrest > 0.5 and rng.random() < 0.35

    def move(person: Person, seconds: float) -> None:
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


def _moving(subject: Subject, rng: np.random.Generator) -> Callable[[Person, float], None]:
    """Draw a movement of the hands that is no habit of this person alone."""
    stand = _standing(rng, 0.4)
    somebody = replace(subject, id=int(rng.integers(1 << 31, 1 << 32)))
    shown = path("other_gestures", somebody, rng)

    def move(person: Person, seconds: float) -> None:
        stand(person, seconds)
        pose_at(shown.table, shown.start + shown.hertz * seconds, person.pose, 1.0, person.pose)

    return move


def _walk_by(subject: Subject, share: float, rng: np.random.Generator, middle_s: float) -> Person:
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

    def move(walker: Person, seconds: float) -> None:
        body = walker.body
        body[X] = 64 + to * speed * zoom * (seconds - middle_s)
        _face(body, yaw)
        cycles = begin + strides_hz * seconds
        body[SWAY_Y] = stride(cycles, vigour, walker.subject.size, walker.pose, walker.legs)

    return _dress(person, move)


def _come_or_go(subject: Subject, rng: np.random.Generator, seconds: float) -> Person:
    """Draw a person who comes from the side, or from afar, and stops; or who goes."""
    to = 1.0 if rng.random() < 0.5 else -1.0
    stops_s, goes = seconds * rng.uniform(0.3, 0.9), rng.random() < 0.5
    afar = rng.random() < 0.35 and not goes
    speed = rng.uniform(0.7, 1.6)
    strides_hz = rng.uniform(0.7, 0.9) * speed**0.5
    vigour, begin = rng.uniform(0.6, 1.2), rng.random()
    stand = _standing(rng, 0.7)
    slows_s = rng.uniform(0.3, 0.6)

    def move(person: Person, at_s: float) -> None:
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
