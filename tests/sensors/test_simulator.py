"""The simulated camera: seeded, the right way round, at plausible rates, as a paced source."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import trio
import trio.testing

from sensors import GESTURES, Packet, SimSource, SourceError, open_source, simulate
from sensors._sim_body import Subject, hands


def test_the_same_seed_gives_the_same_events() -> None:
    one = simulate("arm_roll", seed=3, subject=2, duration_us=100_000)
    assert (one == simulate("arm_roll", seed=3, subject=2, duration_us=100_000)).all()
    other = simulate("arm_roll", seed=4, subject=2, duration_us=100_000)
    assert len(other) != len(one) or (other != one).any()


@pytest.mark.parametrize("gesture", GESTURES)
def test_rates_and_order_are_those_of_a_camera(gesture: str) -> None:
    events = simulate(gesture, subject=1, duration_us=400_000)
    assert (np.diff(events["t"]) >= 0).all()
    assert events["t"][-1] < 400_000
    assert events["x"].max() < 128
    assert events["y"].max() < 128
    assert 5_000 < len(events) / 0.4 < 300_000
    assert 0.2 < events["p"].mean() < 0.8


def test_the_subjects_right_is_on_the_images_left() -> None:
    for gesture, is_left in (("right_hand_wave", True), ("left_hand_wave", False)):
        events = simulate(gesture, subject=1, duration_us=900_000)
        late = events[events["t"] > 450_000]
        assert (np.median(late["x"]) < 64) == is_left


@pytest.mark.parametrize(
    ("gesture", "hand", "turn"),
    [
        ("right_arm_clockwise", 0, -1),
        ("right_arm_counter_clockwise", 0, 1),
        ("left_arm_clockwise", 1, -1),
        ("left_arm_counter_clockwise", 1, 1),
    ],
)
def test_circles_turn_as_the_subject_sees_them(gesture: str, hand: int, turn: int) -> None:
    # Clockwise to someone facing the camera is counter-clockwise in the image: with y pointing
    # down, the angle then falls.
    subject = Subject.number(1)
    points = [hands(gesture, s, subject)[hand] for s in np.arange(0, 0.6, 0.02)]
    centre = np.mean([hands(gesture, s, subject)[hand] for s in np.linspace(0, 20, 2000)], 0)
    angles = np.unwrap([math.atan2(y - centre[1], x - centre[0]) for x, y in points])
    assert np.sign(angles[-1] - angles[0]) == turn


async def test_slices_carry_the_truth_and_pass_in_real_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    source = SimSource(classes=("arm_roll", "air_drums"), hold=0.2, speed=2.0, duration=0.8)
    began = trio.current_time()
    await source.run(take)
    assert trio.current_time() - began == pytest.approx(0.4)
    assert len(packets) == 80
    assert packets[-1].last
    assert Counter(p.label for p in packets) == {"arm_roll": 40, "air_drums": 40}
    for before, packet in itertools.pairwise(packets):
        assert packet.watermark == before.watermark + 10_000
        assert (packet.events["t"] >= before.watermark).all()
        assert (packet.events["t"] < packet.watermark).all()


async def test_pacing_changes_no_event(autojump_clock: trio.testing.MockClock) -> None:
    seen = []
    for speed in (None, 1.0):
        packets: list[Packet] = []

        async def take(packet: Packet, into: list[Packet] = packets) -> None:
            into.append(packet)

        source = SimSource(
            classes=("arm_roll",), subjects=(1, 2), hold=0.05, speed=speed, duration=0.2
        )
        await source.run(take)
        seen.append(np.concatenate([p.events for p in packets]))
    assert (seen[0] == seen[1]).all()
    assert (np.diff(seen[0]["t"]) >= 0).all()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sim:?classes=jump", "'jump' is no gesture; there are hand_clapping"),
        ("sim:?colour=1", "no setting 'colour'; it has seed"),
        ("sim:?hold=0", "hold is 0.0"),
        ("sim:?seed=x", "seed is 'x'"),
        ("sim:cat", "takes settings only"),
        ("sim:?duration=-1", "duration is -1"),
        ("cam:", "is no source; allowed are file:PATH"),
        ("udp://nowhere:99999", "is no address"),
        ("udp://127.0.0.1:0?size=big", "size is 'big'; allowed are sizes such as 346x260"),
        ("file:", "names no recording"),
        ("file:/none/*.bin", "No file matches"),
        ("file:/none.bin", "cannot be read"),
        ("file:x.bin?start=1h", "start is '1h'; allowed are times"),
        ("file:x.bin?start=5&stop=5", "holds nothing"),
        ("shelf:/none", "is not a folder"),
    ],
)
def test_wrong_names_are_refused_in_one_sentence(uri: str, says: str) -> None:
    from sensors import SensorError

    with pytest.raises(SensorError, match=says.replace("*", r"\*")):
        open_source(uri)


def test_a_simulator_needs_a_class() -> None:
    with pytest.raises(SourceError, match="at least one class"):
        SimSource(classes=())
