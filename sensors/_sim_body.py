"""An upper body that gestures: where its joints are at a time, in pixels of a 128x128 view.

The subject faces the camera, so the subject's right arm is on the left of the image, and a circle
that is clockwise to the subject turns counter-clockwise in the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

GESTURES = (
    "hand_clapping",
    "right_hand_wave",
    "left_hand_wave",
    "right_arm_clockwise",
    "right_arm_counter_clockwise",
    "left_arm_clockwise",
    "left_arm_counter_clockwise",
    "arm_roll",
    "air_drums",
    "air_guitar",
    "other_gestures",
)
"""The classes of DVS128 Gesture (Amir et al. 2017), 1 to 11."""

Point = tuple[float, float]
Pose = tuple[Point, Point]
"""Where the right and the left hand are, relative to the chest, in arm lengths: x to the image's
right, y down."""

RIGHT, LEFT = -1.0, 1.0  # side of the image

UNIT = 46.0
"""Pixels per arm length, for a subject of scale 1."""

CHEST_Y = 72.0
"""The row of the shoulders."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What differs between people; drawn from the subject's number alone."""

    scale: float
    x: float
    y: float
    speed: float
    amplitude: float
    lag: float
    skin: float
    shirt: float
    sleeve: float
    wall: float
    wander: tuple[float, ...]

    @classmethod
    def number(cls, n: int) -> Subject:
        """Draw subject ``n``."""
        rng = np.random.default_rng([n, 0x5EED])
        return cls(
            scale=rng.uniform(0.85, 1.12),
            x=rng.uniform(-6, 6),
            y=rng.uniform(-4, 5),
            speed=rng.uniform(0.8, 1.25),
            amplitude=rng.uniform(0.85, 1.15),
            lag=rng.uniform(-0.25, 0.25),
            skin=rng.uniform(0.55, 0.95),
            shirt=rng.uniform(0.15, 0.5),
            sleeve=rng.uniform(0.2, 0.75),
            wall=rng.uniform(0.3, 0.5),
            wander=tuple(rng.uniform(0, 2 * math.pi, 8)),
        )


REST: Pose = ((-0.42, 0.95), (0.42, 0.95))


def _clap(phase: float, s: Subject) -> Pose:
    gap = 0.06 + 0.34 * s.amplitude * (0.5 + 0.5 * math.cos(phase))
    return (-gap, 0.12), (gap, 0.12 + 0.05 * math.sin(phase + s.lag))


def _wave(side: float) -> Callable[[float, Subject], Pose]:
    def pose(phase: float, s: Subject) -> Pose:
        swing = 0.3 * s.amplitude * math.sin(phase)
        hand = (side * (0.62 + 0.1 * s.lag) + swing, -0.42 + 0.25 * abs(swing))
        return (hand, REST[1]) if side == RIGHT else (REST[0], hand)

    return pose


def _circle(side: float, turn: float) -> Callable[[float, Subject], Pose]:
    """Swing a stretched arm round its shoulder; ``turn`` is +1 for clockwise in the image."""

    def pose(phase: float, s: Subject) -> Pose:
        reach = 0.72 + 0.12 * s.amplitude
        hand = (
            side * 0.36 + reach * math.cos(turn * phase),
            -0.02 + reach * math.sin(turn * phase),
        )
        return (hand, REST[1]) if side == RIGHT else (REST[0], hand)

    return pose


def _roll(phase: float, s: Subject) -> Pose:
    high, wide = 0.2 * s.amplitude, 0.1 * s.amplitude
    return (
        (-0.1 + wide * math.cos(phase), 0.2 + high * math.sin(phase)),
        (0.1 + wide * math.cos(phase + math.pi), 0.2 + high * math.sin(phase + math.pi)),
    )


def _drums(phase: float, s: Subject) -> Pose:
    def height(at: float) -> float:
        return 0.28 - 0.34 * s.amplitude * math.pow(max(0.0, math.sin(at)), 1.5)

    return (-0.42, height(phase)), (0.42, height(phase + math.pi + s.lag))


def _guitar(phase: float, s: Subject) -> Pose:
    strum = 0.22 * s.amplitude * math.sin(phase)
    slide = 0.05 * math.sin(0.31 * phase)
    return (-0.08 + 0.3 * strum, 0.52 + strum), (0.72 + slide, 0.08 - 0.5 * slide)


def _other(phase: float, s: Subject) -> Pose:
    w = s.wander
    right = (
        -0.45 + 0.35 * math.sin(0.53 * phase + w[0]) * math.cos(0.21 * phase + w[1]),
        0.1 + 0.5 * math.sin(0.37 * phase + w[2]),
    )
    left = (
        0.45 + 0.35 * math.sin(0.47 * phase + w[3]) * math.cos(0.19 * phase + w[4]),
        0.1 + 0.5 * math.sin(0.61 * phase + w[5]),
    )
    return right, left


# Beats per second at speed 1, and the path. Clockwise to the subject is -1 in the image.
_MOTIONS: dict[str, tuple[float, Callable[[float, Subject], Pose]]] = {
    "hand_clapping": (2.0, _clap),
    "right_hand_wave": (1.9, _wave(RIGHT)),
    "left_hand_wave": (1.9, _wave(LEFT)),
    "right_arm_clockwise": (1.1, _circle(RIGHT, -1.0)),
    "right_arm_counter_clockwise": (1.1, _circle(RIGHT, 1.0)),
    "left_arm_clockwise": (1.1, _circle(LEFT, -1.0)),
    "left_arm_counter_clockwise": (1.1, _circle(LEFT, 1.0)),
    "arm_roll": (1.8, _roll),
    "air_drums": (2.2, _drums),
    "air_guitar": (2.4, _guitar),
    "other_gestures": (1.2, _other),
}


def hands(gesture: str, seconds: float, subject: Subject) -> Pose:
    """Return where the hands are, ``seconds`` into a gesture."""
    beats, path = _MOTIONS[gesture]
    return path(2 * math.pi * beats * subject.speed * seconds + subject.wander[7], subject)


def blend(a: Pose, b: Pose, share: float) -> Pose:
    """Move from pose ``a`` (share 0) to ``b`` (share 1)."""
    return (
        (a[0][0] + share * (b[0][0] - a[0][0]), a[0][1] + share * (b[0][1] - a[0][1])),
        (a[1][0] + share * (b[1][0] - a[1][0]), a[1][1] + share * (b[1][1] - a[1][1])),
    )


def limbs(pose: Pose, subject: Subject, seconds: float) -> np.ndarray:
    """Return the moving parts as capsules.

    Returns
    -------
    ndarray
        float64[6, 6]: x0, y0, x1, y1, radius, brightness of the right upper arm, forearm and hand,
        then the left ones, in pixels; later rows cover earlier ones.
    """
    unit = UNIT * subject.scale
    sway = 0.6 * math.sin(2 * math.pi * 0.35 * seconds + subject.wander[6])
    cx, cy = 64.0 + subject.x + sway, CHEST_Y + subject.y
    out = np.empty((6, 6))
    for n, (side, (hx, hy)) in enumerate(zip((RIGHT, LEFT), pose, strict=True)):
        sx, sy = cx + side * 0.36 * unit, cy - 0.02 * unit
        x, y = cx + hx * unit, cy + hy * unit
        ex, ey = _elbow(sx, sy, x, y, 0.46 * unit, side)
        out[3 * n] = sx, sy, ex, ey, 0.105 * unit, subject.sleeve
        out[3 * n + 1] = ex, ey, x, y, 0.08 * unit, subject.skin * 0.9
        out[3 * n + 2] = x, y, x, y, 0.115 * unit, subject.skin
    return out


def _elbow(sx: float, sy: float, x: float, y: float, link: float, side: float) -> Point:
    """Bend an arm of two equal links so that it ends at the hand; the elbow points out and down."""
    dx, dy = x - sx, y - sy
    span = max(1e-6, math.hypot(dx, dy))
    half = span / 2
    rise = math.sqrt(max(0.0, link * link - half * half))
    nx, ny = -dy / span, dx / span
    if nx * side + 0.3 * ny < 0:
        nx, ny = -nx, -ny
    return sx + dx / 2 + nx * rise, sy + dy / 2 + ny * rise
