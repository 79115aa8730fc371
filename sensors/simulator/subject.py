"""The simulated person: measures, habits and clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Subject:
    """Differences between people, drawn from the subject's number alone.

    Lengths are metres, reflectances are shares of light returned, angles radians.

    Attributes
    ----------
    id
        The subject's number.
    zoom, distance
        Pixels per metre in the plane of the shoulders, and how far that plane is from the lens.
    x, y
        Column and row of the point between the shoulders.
    size, girth
        Factors on the length and on the thickness of every part.
    yaw, roll
        Turn of the whole body about the vertical, and lean to the side.
    tempo, amplitude, lag
        Factors on speed and reach of every gesture; how much later the left hand moves, in cycles.
    sway
        Factor on how much the body moves along.
    short_sleeves, lefty
        Bare forearms; plays the guitar the other way round.
    skin, hair, shirt, wall
        Reflectances.
    folds
        How much the folds of the clothes show.
    """

    id: int
    zoom: float
    distance: float
    x: float
    y: float
    size: float
    girth: float
    yaw: float
    roll: float
    tempo: float
    amplitude: float
    lag: float
    sway: float
    short_sleeves: bool
    lefty: bool
    skin: float
    hair: float
    shirt: float
    wall: float
    folds: float

    @classmethod
    def number(cls, n: int) -> Subject:
        """Draw subject ``n``; every number is a person."""
        rng = np.random.default_rng([n, 0x5EED])
        wall = rng.uniform(0.2, 0.6)
        return cls(
            id=n,
            zoom=rng.uniform(78, 102),
            distance=rng.uniform(1.4, 2.2),
            x=64 + rng.uniform(-6, 6),
            y=70 + rng.uniform(-5, 5),
            size=rng.uniform(0.92, 1.08),
            girth=rng.uniform(0.85, 1.2),
            yaw=rng.uniform(-0.2, 0.2),
            roll=rng.uniform(-0.04, 0.04),
            tempo=float(np.exp(rng.normal(0, 0.13))),
            amplitude=rng.uniform(0.8, 1.15),
            lag=rng.uniform(-0.05, 0.05),
            sway=rng.uniform(0.5, 1.5),
            short_sleeves=bool(rng.random() < 0.6),
            lefty=bool(rng.random() < 0.1),
            skin=float(np.exp(rng.uniform(np.log(0.25), np.log(0.8)))),
            hair=rng.uniform(0.05, 0.3),
            shirt=_unlike(rng, wall),
            wall=wall,
            folds=rng.uniform(0.1, 0.45),
        )


def _unlike(rng: np.random.Generator, wall: float) -> float:
    """Draw the reflectance of a shirt that can be told from the wall."""
    while True:
        shirt = float(np.exp(rng.uniform(np.log(0.06), np.log(0.8))))
        if abs(np.log(shirt / wall)) > 0.25:
            return shirt
