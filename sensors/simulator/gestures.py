"""The eleven gestures, and a few more, as closed paths of two hands.

Places are metres from the point between the shoulders: x to the image's right, y down, z towards
the camera. The subject faces the camera, so the subject's right hand is on the left of the image
(x < 0), and a circle that is clockwise to the subject turns counter-clockwise in the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikewire.sensors.datasets.gesture_names import EXTRA_GESTURES, GESTURES
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.variety import vary_path

Floats = np.ndarray[Any, np.dtype[np.float64]]
RIGHT, LEFT = 0, 1  # rows of a path; the image side of each is -1 and +1
SIDE = (-1.0, 1.0)

KNOTS = 128
"""Points of a path's table; the pose between two of them is interpolated."""

HAND = 12
"""Numbers of one hand's pose: place (3), bend added to the forearm's direction to get the fingers'
(3), the palm's normal (3), spread of the fingers, how closed the fist is, how far out the elbow."""
_REST = (0.24, 0.50, 0.08, 0.0, 0.3, 0.0, 1.0, 0.0, 0.2, 0.25, 0.35, 0.5)


@dataclass(frozen=True, slots=True)
class Path:
    """One showing of a gesture.

    Attributes
    ----------
    table
        float64[2, KNOTS, HAND]: pose of the right and the left hand over one cycle.
    hertz
        Cycles per second.
    start
        Where in the cycle it begins, 0 to 1.
    """

    table: Floats
    hertz: float
    start: float


def rest() -> Floats:
    """Return float64[2, HAND]: arms hanging."""
    out = np.array([_REST, _REST])
    out[RIGHT, [0, 3, 6]] *= -1
    return out


def path(gesture: str, subject: Subject, rng: np.random.Generator, varied: bool = False) -> Path:
    """Draw one showing of a gesture by a subject.

    How a person makes a gesture is a habit, drawn from the person alone; ``rng`` draws how far,
    how fast and in what place it turns out this time. A ``varied`` person also makes some
    gestures in another way, as `spikewire.sensors.simulator.variety` says.
    """
    number = (*GESTURES, *EXTRA_GESTURES).index(gesture)
    habit = np.random.default_rng([subject.id, number, 0xAB17])
    table = np.repeat(rest()[:, None, :], KNOTS, 1)
    reach = subject.amplitude * rng.uniform(0.9, 1.1)
    turn = 2 * math.pi * np.arange(KNOTS) / KNOTS
    lag = 2 * math.pi * (subject.lag + rng.uniform(-0.015, 0.015))
    hertz = _DRAW[gesture](table, turn, lag, reach, subject, habit)
    if varied:
        vary_path(table, gesture, number, subject)
    size = table[:, :, :3].std(1).max(1)
    # No hand runs to and fro on one line: a part of the movement, out of step, rounds the path.
    # Nor does anybody repeat a gesture in quite the same place.
    aside = habit.normal(0, 0.16, (2, 1, 3)) * size[:, None, None]
    table[:, :, :3] += aside * np.sin(turn + habit.uniform(0, 2 * math.pi))[:, None]
    table[:, :, :3] += ((size > 0.01)[:, None] * rng.normal(0, 0.015, (2, 3)))[:, None]
    table[:, :, :3] *= subject.size
    return Path(table, hertz * subject.tempo * rng.uniform(0.92, 1.08), rng.random())


def _hand(
    table: Floats,
    hand: int,
    place: tuple[Any, Any, Any],
    bend: tuple[Any, Any, Any] = (0.0, 0.0, 0.0),
    palm: tuple[Any, Any, Any] = (0.0, 0.0, 1.0),
    spread: float = 0.3,
    closed: float | Floats = 0.1,
    elbow: float = 0.6,
) -> None:
    """Fill one hand's pose; x of place, bend and palm count outwards from the body's middle."""
    side = SIDE[hand]
    columns = (side * place[0], place[1], place[2], side * bend[0], bend[1], bend[2],
               side * palm[0], palm[1], palm[2], spread, closed, elbow)  # fmt: skip
    for column, value in enumerate(columns):
        table[hand, :, column] = value


def _both(a: Floats, lag: float) -> tuple[tuple[int, Floats], tuple[int, Floats]]:
    """Return both hands with their angles; the left hand lags behind."""
    return (RIGHT, a), (LEFT, a + lag)


def _clap(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    height, front = habit.uniform(0.14, 0.3), habit.uniform(0.26, 0.36)
    rising = habit.uniform(0.0, 0.06)
    for hand, angle in _both(a, lag):
        apart = (0.5 + 0.5 * np.cos(angle)) ** 0.8
        _hand(
            t, hand, (0.035 + 0.19 * reach * apart, height - rising * apart, front),
            bend=(0.6, -0.8 + 0.3 * apart, 0.4), palm=(-1.0, 0.0, 0.35),
            spread=0.15, closed=0.05, elbow=0.7,
        )  # fmt: skip
    return 2.2


def _wave(hand: int) -> Callable[..., float]:
    def draw(
        t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
    ) -> float:
        swing = np.sin(a)
        out, high = habit.uniform(0.24, 0.4), habit.uniform(-0.16, 0.04)
        arc = habit.uniform(0.1, 0.22) * reach
        _hand(
            t, hand, (out + arc * swing, high + 0.25 * arc * swing**2, habit.uniform(0.14, 0.3)),
            bend=(0.45 * np.sin(a - 0.5), -0.8, 0.0), palm=(0.0, 0.0, 1.0),
            spread=habit.uniform(0.25, 0.6), closed=0.0, elbow=0.35,
        )  # fmt: skip
        return 1.9

    return draw


def _circle(hand: int, image_turn: float) -> Callable[..., float]:
    """Draw a big circle of one arm; ``image_turn`` is +1 for clockwise in the image."""

    def draw(
        t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
    ) -> float:
        # Angles run clockwise in the image because y points down.
        angle = image_turn * a
        wide, tall = habit.uniform(0.33, 0.44) * reach, habit.uniform(0.37, 0.48) * reach
        front = habit.uniform(0.2, 0.34)
        x = SIDE[hand] * habit.uniform(0.2, 0.32) + wide * np.cos(angle)
        y = habit.uniform(-0.02, 0.1) + tall * np.sin(angle)
        # The arm comes to the front where it crosses the body and at the top.
        z = front - 0.12 * SIDE[hand] * np.cos(angle) - 0.05 * np.sin(angle)
        _hand(
            t, hand, (SIDE[hand] * x, y, z), palm=(-0.3, 0.0, 1.0),
            spread=0.25, closed=habit.choice([0.05, 0.3, 0.9]), elbow=0.6,
        )  # fmt: skip
        return 1.1

    return draw


def _roll(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    height, front = habit.uniform(0.16, 0.28), habit.uniform(0.26, 0.34)
    away = 1.0 if habit.random() < 0.8 else -1.0  # most people roll their arms forwards
    for hand in (RIGHT, LEFT):
        angle = away * (a + (math.pi + lag if hand == LEFT else 0.0))
        _hand(
            t, hand,
            (-0.02 + 0.02 * np.cos(angle), height + 0.11 * reach * np.sin(angle),
             front + 0.11 * reach * np.cos(angle)),
            bend=(-0.6, 0.0, 0.0), palm=(0.0, 0.0, -1.0), spread=0.1,
            closed=habit.choice([0.2, 0.9]), elbow=1.3,
        )  # fmt: skip
    return 1.7


def _drums(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    low, apart = habit.uniform(0.28, 0.4), habit.uniform(0.1, 0.22)
    together = habit.random() < 0.15
    for hand in (RIGHT, LEFT):
        angle = a + (0.0 if hand == RIGHT else lag + (0.0 if together else math.pi))
        lifted = np.maximum(0.0, 0.5 + 0.5 * np.sin(angle)) ** 1.4
        # The hands visit different drums.
        roam = 0.05 * np.sin(angle + habit.uniform(0, 2 * math.pi))
        _hand(
            t, hand, (apart + roam, low - 0.26 * reach * lifted, 0.34 - 0.1 * lifted),
            bend=(-0.1, 0.4 - 0.6 * lifted, 0.3), palm=(0.0, 1.0, 0.2), spread=0.05,
            closed=0.9, elbow=0.6,
        )  # fmt: skip
    return 2.0


def _guitar(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    strum, neck = (LEFT, RIGHT) if s.lefty else (RIGHT, LEFT)
    swing = np.sin(a)
    _hand(
        t, strum, (0.02 - 0.05 * swing, habit.uniform(0.32, 0.42) + 0.11 * reach * swing, 0.2),
        bend=(-0.5, 0.4 * np.sin(a - 0.6), 0.0), palm=(0.2, 0.0, -1.0), spread=0.1, closed=0.7,
        elbow=1.0,
    )  # fmt: skip
    slide = habit.uniform(0.0, 0.05) * np.sin(a + habit.uniform(0, 6))
    _hand(
        t, neck, (habit.uniform(0.36, 0.5) + slide, habit.uniform(0.04, 0.2) - 0.4 * slide, 0.22),
        bend=(-0.2, -0.6, 0.0), palm=(-0.4, 0.0, -1.0), spread=0.2, closed=0.6, elbow=0.4,
    )  # fmt: skip
    return 2.6


def _other(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    """Draw something of the subject's own: a path of random harmonics, one hand or both."""
    hands = ((RIGHT,), (LEFT,), (RIGHT, LEFT), (RIGHT, LEFT))[habit.integers(4)]
    for hand in hands:
        place = np.array([habit.uniform(0.05, 0.35), habit.uniform(-0.1, 0.3), 0.26])[:, None]
        wander = np.zeros((3, KNOTS))
        for harmonic in range(1, 5):
            size = habit.normal(0, 0.17 / harmonic**0.7, (3, 2))
            wander += size[:, :1] * np.cos(harmonic * a) + size[:, 1:] * np.sin(harmonic * a)
        x, y, z = place + reach * wander * np.array([[0.8], [1.0], [0.35]])
        _hand(
            t, hand, (x, y, z), bend=tuple(habit.normal(0, 0.5, 3)),
            palm=(habit.normal(0, 0.6), habit.normal(0, 0.6), 1.0), spread=habit.uniform(0.05, 0.5),
            closed=habit.uniform(0, 1), elbow=habit.uniform(0.3, 1.1),
        )  # fmt: skip
    return 0.6


def _wave_both(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    out, high = habit.uniform(0.24, 0.38), habit.uniform(-0.2, 0.0)
    arc, spread = habit.uniform(0.1, 0.2) * reach, habit.uniform(0.25, 0.6)
    # Some wave outwards with both at once, some with both to the same side.
    mirrored = habit.random() < 0.6
    for hand in (RIGHT, LEFT):
        angle = a + (lag + (0.0 if mirrored else math.pi) if hand == LEFT else 0.0)
        swing = np.sin(angle)
        _hand(
            t, hand, (out + arc * swing, high + 0.25 * arc * swing**2, 0.2),
            bend=(0.45 * np.sin(angle - 0.5), -0.8, 0.0), spread=spread, closed=0.0, elbow=0.35,
        )  # fmt: skip
    return 1.8


def _jack(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    low, high = habit.uniform(0.15, 0.35), habit.uniform(2.5, 2.95)
    far, front = habit.uniform(0.47, 0.52), habit.uniform(0.0, 0.1)
    for hand, angle in _both(a, lag):
        lifted = 0.5 - 0.5 * np.cos(angle)
        # From hanging down, stretched out to the sides, to above the head.
        raised = low + (high - low) * np.minimum(1.0, (0.3 + 0.7 * reach) * lifted)
        x, y = np.sin(raised), np.cos(raised)
        _hand(
            t, hand, (0.185 + far * x, 0.035 + far * y, front), bend=(0.3 * x, 0.3 * y, 0.0),
            palm=(-1.0, 0.0, 0.3), spread=0.15, closed=0.05, elbow=0.5,
        )  # fmt: skip
    return 0.9


def _throw(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    hand = LEFT if s.lefty else RIGHT
    high = habit.uniform(-0.34, -0.22)
    # Slowly back and up, then fast to the front and down: most of the cycle is the way back.
    phase = a + 0.7 * np.sin(a)
    forward = 0.5 - 0.5 * np.cos(phase)
    lifted = np.maximum(0.0, np.sin(phase))
    _hand(
        t, hand,
        (0.34 - 0.26 * reach * forward, high + 0.46 * reach * forward - 0.1 * lifted,
         -0.02 + 0.4 * reach * forward),
        bend=(0.0, -0.6 + 1.1 * forward, 0.5), palm=(-0.2, 0.3, 1.0), spread=0.2,
        closed=0.9 - 0.8 * forward, elbow=1.0,
    )  # fmt: skip
    return 1.2


def _push(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    apart, height = habit.uniform(0.1, 0.2), habit.uniform(0.06, 0.2)
    for hand, angle in _both(a, lag):
        out = (0.5 - 0.5 * np.cos(angle)) ** 1.3
        _hand(
            t, hand, (apart + 0.05 * out, height - 0.1 * reach * out, 0.12 + 0.36 * reach * out),
            bend=(0.0, -0.9, 0.0), palm=(0.0, 0.0, 1.0), spread=0.3, closed=0.0, elbow=0.8,
        )  # fmt: skip
    return 1.3


def _swim(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    """Draw a breaststroke: from the chest to the front, apart, and back."""
    height = habit.uniform(0.08, 0.2)
    wide, deep = habit.uniform(0.15, 0.22) * reach, habit.uniform(0.1, 0.15) * reach
    for hand, angle in _both(a, lag):
        _hand(
            t, hand,
            (0.06 + wide * (1 - np.cos(angle)), height + 0.09 * reach * np.sin(angle),
             0.28 + deep * np.sin(angle)),
            bend=(0.2, 0.0, 0.5), palm=(0.5 * np.sin(angle), 1.0, 0.0), spread=0.1, closed=0.05,
            elbow=0.9,
        )  # fmt: skip
    return 1.0


def _cross(
    t: Floats, a: Floats, lag: float, reach: float, s: Subject, habit: np.random.Generator
) -> float:
    """Draw both arms swung across each other before the chest, and out again."""
    height, front = habit.uniform(-0.02, 0.16), habit.uniform(0.24, 0.32)
    inside, drop = habit.uniform(0.1, 0.16), habit.uniform(-0.08, 0.08)
    for hand, angle in _both(a, lag):
        out = 0.5 + 0.5 * np.cos(angle)
        _hand(
            t, hand,
            (-inside + (inside + 0.42) * reach * out, height + drop * out + 0.02 * SIDE[hand],
             front + 0.03 * SIDE[hand] - 0.12 * out),
            bend=(0.3, 0.0, 0.0), palm=(0.0, 0.0, 1.0), spread=0.2,
            closed=habit.choice([0.1, 0.9]), elbow=0.9,
        )  # fmt: skip
    return 1.3


_DRAW: dict[str, Callable[..., float]] = {
    "hand_clapping": _clap,
    "right_hand_wave": _wave(RIGHT),
    "left_hand_wave": _wave(LEFT),
    "right_arm_clockwise": _circle(RIGHT, -1.0),
    "right_arm_counter_clockwise": _circle(RIGHT, 1.0),
    "left_arm_clockwise": _circle(LEFT, -1.0),
    "left_arm_counter_clockwise": _circle(LEFT, 1.0),
    "arm_roll": _roll,
    "air_drums": _drums,
    "air_guitar": _guitar,
    "other_gestures": _other,
    "both_hands_wave": _wave_both,
    "jumping_jack": _jack,
    "throw": _throw,
    "push": _push,
    "swim": _swim,
    "cross_arms": _cross,
}
"""Fill a table over the angles of one cycle, and return the usual cycles per second."""
