"""Variation between people: class by class, never all at once, and off unless asked for."""

from __future__ import annotations

import numpy as np

from spikewire.sensors import EXTRA_GESTURES, GESTURES, plan_set
from spikewire.sensors.simulator.camera import Camera
from spikewire.sensors.simulator.gestures import path
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.variety import vary_place

PEOPLE = [Subject.number(n) for n in range(120)]


def varied_gestures(person: Subject) -> set[str]:
    """Find the gestures that a person makes otherwise when varied."""
    names = (*GESTURES, *EXTRA_GESTURES)
    return {
        name
        for name in names
        if not np.array_equal(
            path(name, person, np.random.default_rng(1)).table,
            path(name, person, np.random.default_rng(1), varied=True).table,
        )
    }


def test_people_either_stand_elsewhere_or_vary_some_gestures() -> None:
    moved = 0
    for person in PEOPLE:
        elsewhere = vary_place(person)
        varied = varied_gestures(person)
        if elsewhere != person:
            moved += 1
            assert not varied
            assert abs(elsewhere.x - person.x) <= 20
            assert abs(elsewhere.y - person.y) <= 12
        else:
            assert len(varied) < 17
            assert "other_gestures" not in varied
    assert 25 < moved < 55


def test_some_clap_with_one_hand_and_some_downwards() -> None:
    one_hand, downwards = set(), set()
    for person in PEOPLE:
        if "hand_clapping" not in varied_gestures(person):
            continue
        table = path("hand_clapping", person, np.random.default_rng(1), varied=True).table
        travel = np.ptp(table[:, :, :3], 1)
        if travel[:, :2].max(1).min() < 0.4 * travel[:, :2].max():
            one_hand.add(person.id)
        fast = int(travel.max(1).argmax())
        if travel[fast, 1] > 2 * travel[fast, 0]:
            downwards.add(person.id)
    assert len(one_hand) > 8
    assert len(downwards) > 8


def test_arms_are_stretched_and_bent() -> None:
    reaches = []
    for person in PEOPLE:
        if "right_arm_clockwise" in varied_gestures(person):
            plain, varied = (
                np.ptp(
                    path("right_arm_clockwise", person, np.random.default_rng(1), v).table[0, :, 0]
                )
                for v in (False, True)
            )
            reaches.append(varied / plain)
    assert min(reaches) < 0.8
    assert max(reaches) > 1.2


def test_a_camera_varies_only_where_asked() -> None:
    person = next(person.id for person in PEOPLE if vary_place(person) != person)
    plain = Camera(seed=1, subject=person).see("air_drums", 60_000)
    same = Camera(seed=1, subject=person, varied=False).see("air_drums", 60_000)
    other = Camera(seed=1, subject=person, varied=True).see("air_drums", 60_000)
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, other)
    assert [take.varied for take in plan_set(2, lights=["led"], varied=True)] == [True, True]
    assert not any(take.varied for take in plan_set(2))
