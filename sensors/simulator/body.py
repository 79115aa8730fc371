"""From where the hands are to where every part of an upper body is in the image.

Two-link arms solved in space, hands with fingers, a torso and a head, seen through a pinhole lens.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.simulator.gestures import HAND, KNOTS, Floats
from spikewire.sensors.simulator.subject import Subject

TRUNK = 8
PARTS = TRUNK + 18
"""Torso, shoulders, neck, hair, face, two eyes, mouth; then 9 of each arm: upper arm, forearm, two
halves of the palm, four fingers, thumb."""

FIELDS = 11
"""Numbers of a part: x0, y0, r0, x1, y1, r1 (pixels), reflectance, texture, its length along the
part in texels, its phase, and how much of a shadow it casts on what is behind."""

# Places in the vector that describes a body: from its Subject, then what moves.
FOCAL, DISTANCE, X, Y, SIZE, GIRTH, COS, SIN, ROLL, SKIN, HAIR, SHIRT, SLEEVE = range(13)
SWAY_X, SWAY_Y, SWAY_Z, NOD_X, NOD_Y = range(13, 18)
BODY = 18

UPPER, FORE = 0.29, 0.25
"""Lengths of the two segments of an arm, metres (a person of 1.75 m)."""

CLOTH, SKIN_TEXTURE, HAIR_TEXTURE = 0.0, 1.0, 2.0

_V = numba.float64[::1]
_M = numba.float64[:, ::1]


@kernel(numba.void(numba.float64[:, :, ::1], numba.float64, _M, numba.float64, _M))
def pose_at(table, phase, old, share, out):  # type: ignore[no-untyped-def]
    """Read a path at a phase, and move towards it from an older pose.

    Parameters
    ----------
    table
        float64[2, KNOTS, HAND], closed: the last knot is followed by the first.
    phase
        Cycles done; whole ones are of no matter.
    old, share
        float64[2, HAND] is where the hands came from; share 0 is there, 1 on the path.
    out
        float64[2, HAND], overwritten. Between knots a Catmull-Rom spline.
    """
    at = (phase - np.floor(phase)) * KNOTS
    knot = int(at)
    f = at - knot
    k0, k1, k2, k3 = (knot - 1) % KNOTS, knot % KNOTS, (knot + 1) % KNOTS, (knot + 2) % KNOTS
    for hand in range(2):
        for n in range(HAND):
            p0, p1 = table[hand, k0, n], table[hand, k1, n]
            p2, p3 = table[hand, k2, n], table[hand, k3, n]
            bow = 2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0)
            value = p1 + 0.5 * f * (p2 - p0 + f * bow)
            out[hand, n] = old[hand, n] + share * (value - old[hand, n])


@kernel(numba.void(_V, numba.float64, numba.float64, numba.float64, _V))
def _place(body, x, y, z, out):  # type: ignore[no-untyped-def]
    """Turn a place of the body into column, row, pixels per metre there, and depth."""
    wx = body[COS] * x + body[SIN] * z + body[SWAY_X]
    wz = body[COS] * z - body[SIN] * x + body[SWAY_Z]
    wy = y + body[ROLL] * wx + body[SWAY_Y]
    zoom = body[FOCAL] / max(0.3, body[DISTANCE] - wz)
    out[0], out[1], out[2], out[3] = body[X] + wx * zoom, body[Y] + wy * zoom, zoom, wz


@kernel(
    numba.void(
        _V, _M, _V, numba.int64, _V, _V, numba.float64, numba.float64, numba.float64,
        numba.float64, numba.float64,
    )
)  # fmt: skip
def lay_part(body, parts, depth, n, a, b, ra, rb, bright, texture, shadow):  # type: ignore[no-untyped-def]
    """Lay part ``n`` between two places of the body; radii in metres."""
    one, two = np.empty(4), np.empty(4)
    _place(body, a[0], a[1], a[2], one)
    _place(body, b[0], b[1], b[2], two)
    girth = body[GIRTH] * body[SIZE]
    row = parts[n]
    row[0], row[1], row[2] = one[0], one[1], ra * girth * one[2]
    row[3], row[4], row[5] = two[0], two[1], rb * girth * two[2]
    row[6], row[7] = bright, texture
    row[8] = 90.0 * np.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)
    row[9] = 7.3 * n
    row[10] = shadow
    depth[n] = 0.5 * (one[3] + two[3])


@kernel(numba.void(_V, _M, _V))
def lay_trunk(body, parts, depth):  # type: ignore[no-untyped-def]
    """Lay torso, neck and head, back to front; they are behind the arms."""
    s = body[SIZE]
    a, b = np.zeros(3), np.zeros(3)
    a[1], b[1] = 0.19 * s, 0.62 * s
    lay_part(body, parts, depth, 0, a, b, 0.165, 0.15, body[SHIRT], CLOTH, 0.0)
    a[0], b[0] = -0.13 * s, 0.13 * s
    a[1] = b[1] = 0.035 * s
    lay_part(body, parts, depth, 1, a, b, 0.058, 0.058, body[SHIRT], CLOTH, 0.0)
    nx, ny = body[NOD_X], body[NOD_Y]
    a[0], b[0], a[1], b[1] = 0.0, nx, 0.0, -0.12 * s
    lay_part(body, parts, depth, 2, a, b, 0.055, 0.05, 0.8 * body[SKIN], SKIN_TEXTURE, 0.0)
    a[0], b[0], a[1], b[1] = nx, nx, -0.25 * s + ny, -0.2 * s + ny
    lay_part(body, parts, depth, 3, a, b, 0.09, 0.085, body[HAIR], HAIR_TEXTURE, 0.0)
    a[1], b[1] = -0.21 * s + ny, -0.13 * s + ny
    a[2] = b[2] = 0.06
    lay_part(body, parts, depth, 4, a, b, 0.076, 0.058, body[SKIN], SKIN_TEXTURE, 0.0)
    a[1] = b[1] = -0.2 * s + ny
    for eye in range(2):
        side = 2 * eye - 1
        a[0], b[0] = nx + side * 0.022 * s, nx + side * 0.04 * s
        lay_part(
            body, parts, depth, 5 + eye, a, b, 0.009, 0.009, 0.4 * body[SKIN], SKIN_TEXTURE, 0.0
        )
    a[0], b[0], a[1], b[1] = nx - 0.022 * s, nx + 0.022 * s, -0.115 * s + ny, -0.115 * s + ny
    lay_part(body, parts, depth, 7, a, b, 0.007, 0.007, 0.55 * body[SKIN], SKIN_TEXTURE, 0.0)
    for n in range(TRUNK):
        depth[n] = n - 100.0


# Loops over three numbers: expressions of arrays take ten times as long to compile.
@kernel(numba.void(_V))
def _unit(v):  # type: ignore[no-untyped-def]
    length = max(np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), 1e-9)
    for i in range(3):
        v[i] /= length


@kernel(numba.void(_V, _V, numba.float64, _V))
def _go(out, start, far, along):  # type: ignore[no-untyped-def]
    """Set ``out = start + far * along``; it may be one of them."""
    for i in range(3):
        out[i] = start[i] + far * along[i]


@kernel(numba.void(_V, _V, _V, numba.float64, numba.float64, numba.float64, numba.float64))
def bend_arm(shoulder, wrist, elbow, side, outwards, upper, fore):  # type: ignore[no-untyped-def]
    """Find the elbow of an arm of two segments; it points down, outwards and to the back.

    A wrist out of reach is drawn in, changed in place, along the line from the shoulder.
    """
    along = np.empty(3)
    _go(along, wrist, -1.0, shoulder)
    span = np.sqrt(along[0] ** 2 + along[1] ** 2 + along[2] ** 2)
    _unit(along)
    reach = min(max(span, 1.02 * abs(upper - fore) + 0.02), 0.985 * (upper + fore))
    _go(wrist, shoulder, reach, along)
    foot = (upper * upper - fore * fore + reach * reach) / (2 * reach)
    rise = np.sqrt(max(0.0, upper * upper - foot * foot))
    pole = np.empty(3)
    pole[0], pole[1], pole[2] = side * outwards, 1.0, -0.3
    _go(pole, pole, -(pole[0] * along[0] + pole[1] * along[1] + pole[2] * along[2]), along)
    _unit(pole)
    _go(elbow, shoulder, foot, along)
    _go(elbow, elbow, rise, pole)


@kernel(numba.void(_V, _V, _V, _V, _V, _V))
def _hand_axes(wrist, elbow, pose, ahead, palm, across):  # type: ignore[no-untyped-def]
    """Set the unit vectors of a hand: towards the fingers, out of the palm, across it."""
    _go(ahead, wrist, -1.0, elbow)
    _unit(ahead)
    _go(ahead, ahead, 1.0, pose[3:6])
    _unit(ahead)
    for i in range(3):
        palm[i] = pose[6 + i]
    _unit(palm)
    across[0] = ahead[1] * palm[2] - ahead[2] * palm[1]
    across[1] = ahead[2] * palm[0] - ahead[0] * palm[2]
    across[2] = ahead[0] * palm[1] - ahead[1] * palm[0]
    _unit(across)


@kernel(numba.void(_V, _M, _V, _V, numba.int64, _V, _V))
def _hand(body, parts, depth, pose, hand, wrist, elbow):  # type: ignore[no-untyped-def]
    """Lay the palm, the fingers and the thumb of one hand."""
    s, skin = body[SIZE], body[SKIN]
    side = 2.0 * hand - 1.0
    n = TRUNK + 9 * hand
    ahead, palm, across = np.empty(3), np.empty(3), np.empty(3)
    _hand_axes(wrist, elbow, pose, ahead, palm, across)
    knuckles, base, point, tip = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    _go(knuckles, wrist, 0.09 * s, ahead)
    spread, closed = pose[9], pose[10]
    for half in range(2):
        off = (half - 0.5) * 0.04 * s
        _go(base, wrist, 0.5 * off, across)
        _go(tip, knuckles, off, across)
        lay_part(body, parts, depth, n + 2 + half, base, tip, 0.025, 0.025, skin, SKIN_TEXTURE, 1.0)
    for finger in range(4):
        k = finger - 1.5
        _go(base, knuckles, 0.021 * s * k, across)
        _go(point, ahead, 0.3 * spread * k, across)
        _go(point, point, 1.6 * closed, palm)
        _unit(point)
        _go(tip, base, (0.082 - 0.006 * k * k) * (1.0 - 0.6 * closed) * s, point)
        lay_part(
            body, parts, depth, n + 4 + finger, base, tip, 0.0115, 0.0095,
            skin * (0.88 + 0.08 * (finger % 2)), SKIN_TEXTURE, 0.0,
        )  # fmt: skip
    _go(base, wrist, 0.03 * s, ahead)
    _go(base, base, side * 0.032 * s, across)
    for i in range(3):
        point[i] = 0.7 * ahead[i]
    _go(point, point, side * (0.4 + spread), across)
    _go(point, point, 0.4 * closed, palm)
    _unit(point)
    _go(tip, base, 0.06 * s, point)
    lay_part(body, parts, depth, n + 8, base, tip, 0.0135, 0.011, skin, SKIN_TEXTURE, 0.0)


@kernel(numba.void(_V, _M, _V, _V, numba.int64))
def lay_arm(body, parts, depth, pose, hand):  # type: ignore[no-untyped-def]
    """Lay one arm and its hand from the hand's pose (see ``HAND``)."""
    s = body[SIZE]
    side = 2.0 * hand - 1.0
    n = TRUNK + 9 * hand
    wrist, elbow, shoulder = np.empty(3), np.empty(3), np.empty(3)
    shoulder[0], shoulder[1], shoulder[2] = side * 0.185 * s, 0.035 * s, 0.0
    elbow[0], elbow[1], elbow[2] = side * 0.05, 0.4, 0.0
    for i in range(3):
        wrist[i] = pose[i]
        shoulder[i] += 0.1 * (wrist[i] - shoulder[i] - elbow[i])
    bend_arm(shoulder, wrist, elbow, side, pose[11], UPPER * s, FORE * s)
    skin, sleeve = body[SKIN], body[SLEEVE]
    texture = SKIN_TEXTURE if sleeve == skin else CLOTH
    lay_part(body, parts, depth, n, shoulder, elbow, 0.053, 0.042, body[SHIRT], CLOTH, 0.6)
    lay_part(body, parts, depth, n + 1, elbow, wrist, 0.041, 0.029, sleeve, texture, 1.0)
    _hand(body, parts, depth, pose, hand, wrist, elbow)


@kernel(numba.void(_V, _M, _M))
def place_parts(body, pose, parts):  # type: ignore[no-untyped-def]
    """Lay out all parts of a body, far ones first.

    Parameters
    ----------
    body
        float64[BODY]: the subject's measures and how the body sways now.
    pose
        float64[2, HAND]: the right hand and the left.
    parts
        float64[PARTS, FIELDS], overwritten.
    """
    loose = np.empty((PARTS, FIELDS))
    depth = np.empty(PARTS)
    lay_trunk(body, loose, depth)
    lay_arm(body, loose, depth, pose[0], 0)
    lay_arm(body, loose, depth, pose[1], 1)
    order = np.arange(PARTS)
    for n in range(1, PARTS):
        taken, at = order[n], n
        while at > 0 and depth[order[at - 1]] > depth[taken]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = taken
    for n in range(PARTS):
        for field in range(FIELDS):
            parts[n, field] = loose[order[n], field]


def measure(subject: Subject) -> Floats:
    """Return float64[BODY]: a subject who stands still."""
    body = np.zeros(BODY)
    body[FOCAL] = subject.zoom * subject.distance
    body[DISTANCE], body[X], body[Y] = subject.distance, subject.x, subject.y
    body[SIZE], body[GIRTH] = subject.size, subject.girth
    body[COS], body[SIN], body[ROLL] = math.cos(subject.yaw), math.sin(subject.yaw), subject.roll
    body[SKIN], body[HAIR], body[SHIRT] = subject.skin, subject.hair, subject.shirt
    body[SLEEVE] = subject.skin if subject.short_sleeves else subject.shirt
    return body


def sway(body: Floats, amount: float, pose: Floats, seconds: float, waves: Floats) -> None:
    """Move trunk and head a little: nobody stands still, and arms pull the body along.

    Parameters
    ----------
    body
        float64[BODY], changed in place.
    amount
        1.0 is usual.
    pose
        float64[2, HAND]: where the hands are.
    waves
        float64[3 or more]: phases of the slow movements.
    """
    turn = 2 * math.pi * seconds
    hands_x = pose[0, 0] + pose[1, 0]
    lifted = 1.0 - pose[0, 1] - pose[1, 1]
    body[SWAY_X] = amount * (0.009 * math.sin(0.31 * turn + waves[0]) + 0.045 * hands_x)
    body[SWAY_Y] = amount * (0.003 * math.sin(0.27 * turn + waves[1]) - 0.02 * lifted)
    body[SWAY_Z] = amount * 0.008 * math.sin(0.23 * turn + waves[2])
    body[NOD_X] = amount * (0.006 * math.sin(0.61 * turn + waves[1]) - 0.03 * hands_x)
    body[NOD_Y] = amount * (0.004 * math.sin(0.43 * turn + waves[0]) + 0.01 * lifted)
