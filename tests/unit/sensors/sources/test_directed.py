"""The simulated person is directed: gesture, hold, person, distance, light."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trio

from spikewire.sensors import GESTURES, SimSource, SourceError
from spikewire.sensors.events import Packet


async def watched(source: SimSource, steps: dict[int, dict[str, Any]]) -> list[Packet]:
    """Everything that a source shows; it is directed after so many packets."""
    packets: list[Packet] = []

    async def deliver(packet: Packet) -> None:
        packets.append(packet)
        if (changes := steps.get(len(packets))) is not None:
            await source.direct(**changes)

    await source.run(deliver)
    return packets


def simulated(**more: Any) -> SimSource:
    return SimSource(classes=("arm_roll", "air_drums"), hold=0.04, speed=None, duration=0.2, **more)


async def test_without_directions_the_gestures_take_turns() -> None:
    packets = await watched(simulated(), {})
    assert len(packets) == 10
    assert {packets[0].label, packets[2].label} == {"arm_roll", "air_drums"}
    assert packets[0].label == packets[1].label
    assert packets[-1].last


async def test_a_gesture_is_shown_and_held_until_the_sequence_goes_on() -> None:
    source = simulated()
    assert source.sim["hold"] is False
    packets = await watched(
        source, {1: {"gesture": "hand_clapping"}, 6: {"gesture": None}, 8: {"hold": False}}
    )
    labels = [packet.label for packet in packets]
    assert labels[1:6] == ["hand_clapping"] * 5
    assert labels[6:8] == [None, None]
    assert set(labels[8:]) <= {"arm_roll", "air_drums"}
    times = np.concatenate([packet.events["t"] for packet in packets])
    assert (np.diff(times) >= 0).all()
    assert times[-1] < 200_000
    assert source.sim["gestures"][: len(GESTURES)] == list(GESTURES)


async def test_holding_keeps_what_is_shown() -> None:
    source = simulated()
    packets = await watched(source, {1: {"hold": True}})
    assert {packet.label for packet in packets} == {packets[0].label}
    assert source.sim["gesture"] == packets[0].label


async def test_another_person_farther_away_gives_fewer_events() -> None:
    counts = {}
    for distance in (1.0, 2.0):
        source = simulated(seed=3)
        await source.direct(gesture="arm_roll", person=4, distance=distance)
        packets = await watched(source, {})
        counts[distance] = sum(len(packet.events) for packet in packets)
        assert source.sim["person"] == 4
    assert counts[2.0] < 0.7 * counts[1.0]


async def test_little_light_means_more_noise() -> None:
    counts = {}
    for light in (1.0, 0.1):
        source = simulated(seed=3)
        await source.direct(gesture=None, light=light)
        counts[light] = sum(len(packet.events) for packet in await watched(source, {}))
    assert counts[0.1] > 2 * counts[1.0]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"gesture": "dance"}, "'dance' is no gesture"),
        ({"person": -1}, "person is -1"),
        ({"distance": 9.0}, "distance is 9.0; allowed are numbers from 0.5 to 2"),
        ({"light": 0.0}, "light is 0.0"),
    ],
)
async def test_what_cannot_be_changes_nothing(changes: dict[str, Any], part: str) -> None:
    source = simulated()
    before = source.sim
    with pytest.raises(SourceError, match=part.replace("(", r"\(")):
        await source.direct(hold=True, **changes)
    assert source.sim == before
    await trio.lowlevel.checkpoint()
