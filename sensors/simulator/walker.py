"""A body with legs, seen from any side: people who walk, stand about, come and go."""

from __future__ import annotations

import math

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.simulator.body import (
    CLOTH,
    FIELDS,
    PARTS,
    SIN,
    SIZE,
    TRUNK,
    lay_arm,
    lay_part,
    lay_trunk,
)
from spikewire.sensors.simulator.gestures import LEFT, RIGHT, Floats, rest

LEG = 3
"""Parts of a leg: thigh, shin, foot."""

WALKER_PARTS = PARTS + 2 * LEG

_HIP, _THIGH, _SHIN, _FOOT = 0.56, 0.42, 0.4, 0.17
_ARM = 9
_SIDEWAYS = 0.5  # sine of the turn from which one arm is behind the trunk

_V = numba.float64[::1]
_M = numba.float64[:, ::1]


@kernel(numba.void(_V, _M, _V, _V, numba.int64, numba.int64, numba.float64))
def _lay_leg(body, parts, depth, angles, leg, n, bright):  # type: ignore[no-untyped-def]
    """Lay the three parts of a leg from ``n`` on; angles of hip and knee in radians."""
    s = body[SIZE]
    side = 2.0 * leg - 1.0
    hip, knee, ankle, toe = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    hip[0], hip[1] = side * 0.085 * s, _HIP * s
    down, back = np.cos(angles[0]), np.sin(angles[0])
    knee[0], knee[1], knee[2] = hip[0], hip[1] + _THIGH * s * down, _THIGH * s * back
    bent = angles[0] - angles[1]
    ankle[0] = knee[0]
    ankle[1] = knee[1] + _SHIN * s * np.cos(bent)
    ankle[2] = knee[2] + _SHIN * s * np.sin(bent)
    toe[0] = ankle[0]
    toe[1] = ankle[1] + 0.04 * s - _FOOT * s * np.sin(bent)
    toe[2] = ankle[2] + _FOOT * s * np.cos(bent)
    lay_part(body, parts, depth, n, hip, knee, 0.085, 0.06, bright, CLOTH, 0.0)
    lay_part(body, parts, depth, n + 1, knee, ankle, 0.058, 0.042, bright, CLOTH, 0.0)
    lay_part(body, parts, depth, n + 2, ankle, toe, 0.04, 0.032, 0.5 * bright, CLOTH, 0.0)


@kernel(numba.int64(_M, numba.int64, numba.int64, _M, numba.int64))
def _take(loose, first, stop, parts, at):  # type: ignore[no-untyped-def]
    """Copy some parts to the place ``at`` in the order of painting; return the next place."""
    for n in range(first, stop):
        for field in range(FIELDS):
            parts[at, field] = loose[n, field]
        at += 1
    return at


@kernel(numba.void(_V, _M, _M, numba.float64, _M))
def place_walker(body, pose, legs, trousers, parts):  # type: ignore[no-untyped-def]
    """Lay out all parts of a body that may stand sideways, far ones first.

    Parameters
    ----------
    body
        float64[BODY]: the subject's measures, and how the body is turned and sways now.
    pose
        float64[2, HAND]: the right hand and the left.
    legs
        float64[2, 2]: angles of hip and knee of the right leg and the left, in radians; 0 stands.
    trousers
        Reflectance of the legs.
    parts
        float64[WALKER_PARTS, FIELDS], overwritten.
    """
    loose, depth = np.empty((WALKER_PARTS, FIELDS)), np.empty(WALKER_PARTS)
    lay_trunk(body, loose, depth)
    near = 0 if body[SIN] > 0 else 1
    for hand in range(2):
        lay_arm(body, loose, depth, pose[hand], hand)
        _lay_leg(body, loose, depth, legs[hand], hand, PARTS + LEG * hand, trousers)
    at = 0
    for leg in (1 - near, near):
        first = PARTS + LEG * leg
        at = _take(loose, first, first + LEG, parts, at)
    hidden = TRUNK + _ARM * (1 - near)
    sideways = abs(body[SIN]) > _SIDEWAYS
    if sideways:
        at = _take(loose, hidden, hidden + _ARM, parts, at)
    at = _take(loose, 0, TRUNK, parts, at)
    if not sideways:
        at = _take(loose, hidden, hidden + _ARM, parts, at)
    _take(loose, TRUNK + _ARM * near, TRUNK + _ARM * (near + 1), parts, at)


def stride(cycles: float, vigour: float, size: float, pose: Floats, legs: Floats) -> float:
    """Move hands and legs to where they are in a stride.

    Parameters
    ----------
    cycles
        Strides done, of two steps each.
    vigour
        1.0 is a usual walk, 0 stands.
    size
        Factor on the length of every part.
    pose
        float64[2, HAND], overwritten: the hands, which swing against the legs.
    legs
        float64[2, 2], overwritten: angles of hip and knee, in radians.

    Returns
    -------
    float
        How far the body has sunk, in metres.
    """
    turn = 2 * math.pi * cycles
    pose[:] = rest()
    for leg, phase in ((RIGHT, 0.0), (LEFT, math.pi)):
        swing = math.sin(turn + phase)
        legs[leg, 0] = vigour * 0.42 * swing
        # The knee bends while its leg comes to the front.
        legs[leg, 1] = vigour * (0.12 + 0.75 * max(0.0, math.cos(turn + phase)) ** 2)
        pose[leg, 0] *= 0.9
        pose[leg, 1] -= 0.05 * vigour * swing * swing
        pose[leg, 2] -= 0.2 * vigour * swing
    pose[:, :3] *= size
    return 0.02 * vigour * math.cos(2 * turn)
