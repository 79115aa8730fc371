"""The simulated body: limbs keep their length, and right, left and turns are the subject's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spikewire.sensors import EXTRA_GESTURES, GESTURES, simulate
from spikewire.sensors.simulator.body import FIELDS, PARTS, bend_arm, measure, place_parts, pose_at
from spikewire.sensors.simulator.gestures import HAND, KNOTS, LEFT, RIGHT, path, rest
from spikewire.sensors.simulator.render import TEXELS, paint, shift
from spikewire.sensors.simulator.subject import Subject


@pytest.mark.parametrize("seed", range(20))
def test_arms_keep_their_lengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shoulder, wrist, elbow = rng.normal(0, 0.1, 3), rng.normal(0, 0.4, 3), np.empty(3)
    wanted = wrist.copy()
    side = float(rng.choice([-1.0, 1.0]))
    bend_arm(shoulder, wrist, elbow, side, 0.6, 0.29, 0.25)
    assert np.linalg.norm(elbow - shoulder) == pytest.approx(0.29)
    assert np.linalg.norm(wrist - elbow) == pytest.approx(0.25)
    reach = np.linalg.norm(wanted - shoulder)
    if 0.07 < reach < 0.53:
        assert wrist == pytest.approx(wanted)
    else:  # out of reach: drawn to where it can be, in the same direction
        along = (wanted - shoulder) / reach
        assert (wrist - shoulder) @ along == pytest.approx(np.linalg.norm(wrist - shoulder))


def test_a_pose_between_knots_is_smooth_and_closed() -> None:
    a = 2 * np.pi * np.arange(KNOTS) / KNOTS
    table = np.zeros((2, KNOTS, HAND))
    table[RIGHT, :, 0], table[LEFT, :, 1] = np.sin(a), np.cos(a)
    old, pose = np.zeros((2, HAND)), np.empty((2, HAND))
    for phase in np.linspace(-1.3, 2.7, 101):
        pose_at(table, phase, old, 1.0, pose)
        assert pose[RIGHT, 0] == pytest.approx(np.sin(2 * np.pi * phase), abs=1e-4)
        assert pose[LEFT, 1] == pytest.approx(np.cos(2 * np.pi * phase), abs=1e-4)
        pose_at(table, phase, old, 0.25, pose)
        assert pose[RIGHT, 0] == pytest.approx(0.25 * np.sin(2 * np.pi * phase), abs=1e-4)


@pytest.mark.parametrize("gesture", [*GESTURES, *EXTRA_GESTURES])
def test_every_subject_and_gesture_can_be_laid_out(gesture: str) -> None:
    parts, pose = np.empty((PARTS, FIELDS)), np.empty((2, HAND))
    for number in range(40):
        subject = Subject.number(number)
        one = path(gesture, subject, np.random.default_rng(number))
        assert one.table.shape == (2, KNOTS, HAND)
        assert 0.2 < one.hertz < 6
        for phase in (0.1, 0.6):
            pose_at(one.table, phase, rest(), 1.0, pose)
            place_parts(measure(subject), pose, parts)
            assert np.isfinite(parts).all()
            assert (parts[:, [2, 5]] > 0).all()
            assert (parts[:, 9] >= 0).all()  # texture phases, which the painter needs positive


def moving_hand(gesture: str, number: int) -> tuple[int, np.ndarray]:
    """Return which hand moves more, and its columns and rows over one cycle, in pixels."""
    subject = Subject.number(number)
    one = path(gesture, subject, np.random.default_rng(number))
    hand = int(one.table[:, :, :2].std(1).sum(1).argmax())
    return hand, one.table[hand, :, :2]


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("gesture", [g for g in GESTURES if g.startswith(("right", "left"))])
def test_one_sided_gestures_move_that_hand_on_that_side(gesture: str, number: int) -> None:
    hand, places = moving_hand(gesture, number)
    assert hand == (RIGHT if gesture.startswith("right") else LEFT)
    # The subject faces the camera: the right hand is on the left of the image.
    assert np.sign(places[:, 0].mean()) == (-1 if hand == RIGHT else 1)


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("gesture", [g for g in GESTURES if g.endswith("clockwise")])
def test_circles_turn_as_the_subject_sees_them(gesture: str, number: int) -> None:
    # Clockwise to someone facing the camera is counter-clockwise in the image: with y pointing
    # down, the angle then falls.
    _, places = moving_hand(gesture, number)
    x, y = (places - places.mean(0)).T
    turned = np.unwrap(np.arctan2(y, x))
    clockwise = not gesture.endswith("counter_clockwise")
    assert (turned[-1] - turned[0]) / (2 * math.pi) == pytest.approx(
        -1 if clockwise else 1, abs=0.05
    )


def test_turns_of_the_events() -> None:
    # Where the events are tells the same as where the hand is, as in the real recordings, in which
    # a right arm's counter-clockwise circle turns clockwise in the image.
    for gesture, image_turn in (("right_arm_counter_clockwise", 1), ("left_arm_clockwise", -1)):
        events = simulate(gesture, subject=2, seconds=1)
        step = events["t"] // 50_000
        places = np.array(
            [
                [np.median(events["x"][step == n]), np.median(events["y"][step == n])]
                for n in range(20)
            ]
        )
        x, y = (places - places.mean(0)).T
        turned = np.unwrap(np.arctan2(y, x))
        assert image_turn * (turned[-1] - turned[0]) > math.pi


def naive_cover(part: np.ndarray, y: int, x: int, softness: float) -> float:
    """How much of a pixel a part covers: a soft edge round a tapered capsule."""
    start, way = part[[0, 1]], part[[3, 4]] - part[[0, 1]]
    along = min(1.0, max(0.0, float((np.array([x, y]) - start) @ way) / max(1e-9, way @ way)))
    distance = float(np.linalg.norm(np.array([x, y]) - start - along * way))
    radius = part[2] + along * (part[5] - part[2])
    return min(1.0, max(0.0, (radius - distance) / softness + 0.5))


@pytest.mark.parametrize("seed", range(10))
def test_the_painter_covers_what_a_naive_one_covers(seed: int) -> None:
    # A black part on a white wall: what remains of the wall is what the part does not cover.
    rng = np.random.default_rng(seed)
    part = np.zeros((1, FIELDS))
    part[0, [0, 1, 3, 4]] = rng.uniform(-5, 45, 4)
    part[0, [2, 5]] = rng.uniform(1, 9, 2)
    frame, painted = np.ones((40, 40)), np.zeros((40, 40), np.uint8)
    paint(part, np.ones((1, TEXELS, TEXELS)), frame, painted, 1.3)
    slow = np.array([[1 - naive_cover(part[0], y, x, 1.3) for x in range(40)] for y in range(40)])
    assert frame == pytest.approx(slow, abs=1e-12)
    assert ((slow < 1) <= (painted == 1)).all()


def test_a_moved_scene_is_cut_between_pixels() -> None:
    y, x = np.mgrid[0:12, 0:14].astype(float)
    out = np.empty((8, 10))
    shift(3 * x + 5 * y, 0.25, -0.5, out)
    assert out == pytest.approx((3 * (x + 0.25) + 5 * (y - 0.5))[2:10, 2:12])
