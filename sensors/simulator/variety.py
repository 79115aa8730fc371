"""Variation of a gesture between people, beyond their habits.

A varied person either stands elsewhere, or makes about half of the gestures in another way: claps
with one hand, or downwards; stretches or bends the arms. Never all at once: a network that sees
every class varied in every way at the same time learns none of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from spikewire.sensors.simulator.subject import Subject

Floats = np.ndarray[Any, np.dtype[np.float64]]

_PLACE, _PALM, _ELBOW = slice(0, 3), slice(6, 9), 11
_SHOULDER = np.array([[-0.185, 0.035, 0.0], [0.185, 0.035, 0.0]])
_STANDS_ELSEWHERE = 3  # one person in so many
_FAR_PIXELS = (20, 12)
_STILL_M = 0.01


def vary_place(subject: Subject) -> Subject:
    """Move one person in three by up to 20 pixels aside and 12 up or down."""
    rng = np.random.default_rng([subject.id, 0x57A2D])
    if not _moved(rng):
        return subject
    dx, dy = (rng.uniform(-far, far) for far in _FAR_PIXELS)
    return dataclasses.replace(subject, x=subject.x + dx, y=subject.y + dy)


def vary_path(table: Floats, gesture: str, number: int, subject: Subject) -> None:
    """Vary the path of a gesture as this person makes it.

    Parameters
    ----------
    table
        float64[2, knots, numbers of a pose], changed in place; lengths of a person of usual size.
    gesture, number
        Name of the gesture, and its number.
    subject
        The person. Nothing is varied for those who stand elsewhere.
    """
    if _moved(np.random.default_rng([subject.id, 0x57A2D])) or gesture == "other_gestures":
        return
    rng = np.random.default_rng([subject.id, number, 0x7A21])
    if rng.integers(2):
        return
    if gesture == "hand_clapping":
        _clap_otherwise(table, rng)
    else:
        _stretch_or_bend(table, rng)


def _moved(rng: np.random.Generator) -> bool:
    return bool(rng.integers(_STANDS_ELSEWHERE) == 0)


def _clap_otherwise(table: Floats, rng: np.random.Generator) -> None:
    """Clap with one hand on the other, downwards, or both."""
    one, down = ((True, False), (True, True), (True, True), (False, True))[rng.integers(4)]
    meet = int(np.abs(table[0, :, 0] - table[1, :, 0]).argmin())
    moving = int(rng.integers(2))
    for hand in range(2):
        contact = table[hand, meet, _PLACE].copy()
        away = table[hand, :, _PLACE] - contact
        if one:
            away *= 1.6 if hand == moving else 0.0
        if down:
            # The moving hand comes from above. Both palms lie flat.
            above = -1.0 if hand == moving else 1.0
            travel = np.abs(away[:, 0])
            away = np.stack((0.2 * away[:, 0], above * travel, 0.3 * away[:, 2]), 1)
            contact = np.array([0.2 * contact[0], contact[1] + 0.02 * above, contact[2]])
            table[hand, :, _PALM] = (0.0, -above, 0.2)
        table[hand, :, _PLACE] = contact + away


def _stretch_or_bend(table: Floats, rng: np.random.Generator) -> None:
    """Scale the moving hands' places about the shoulders, by 1.15 to 1.35 or 0.65 to 0.85."""
    stretched = bool(rng.integers(2))
    scale = rng.uniform(1.15, 1.35) if stretched else rng.uniform(0.65, 0.85)
    for hand in range(2):
        place = table[hand, :, _PLACE]
        if place.std(0).max() > _STILL_M:
            table[hand, :, _PLACE] = _SHOULDER[hand] + scale * (place - _SHOULDER[hand])
            table[hand, :, _ELBOW] *= 0.7 if stretched else 1.3
