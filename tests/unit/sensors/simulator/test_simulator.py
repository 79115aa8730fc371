"""The simulated camera: seeded, the right way round, at plausible rates, as a paced source."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing

from spikewire.sensors import (
    EXTRA_GESTURES,
    GESTURES,
    Events,
    Packet,
    SimSource,
    SourceError,
    check_events,
    open_recording,
    open_source,
    simulate,
)
from spikewire.sensors.simulator.camera import Camera


def test_the_same_seed_gives_the_same_events() -> None:
    one = simulate("arm_roll", seed=3, subject=2, seconds=0.1)
    assert (one == simulate("arm_roll", seed=3, subject=2, seconds=0.1)).all()
    for other in (
        simulate("arm_roll", seed=4, subject=2, seconds=0.1),
        simulate("arm_roll", seed=3, subject=4, seconds=0.1),
    ):
        assert len(other) != len(one) or (other != one).any()


def test_how_a_stretch_is_cut_changes_no_event() -> None:
    whole = Camera(seed=1, subject=3).see("air_drums", 150_000)
    camera = Camera(seed=1, subject=3)
    parts = [camera.see("air_drums", us) for us in (1_000, 63_000, 5_000, 81_000)]
    assert (whole == np.concatenate(parts)).all()


@pytest.mark.parametrize("gesture", [*GESTURES, *EXTRA_GESTURES])
def test_rates_and_statistics_are_those_of_a_camera(gesture: str) -> None:
    events = simulate(gesture, subject=2, seconds=0.9)
    check_events(events, (128, 128))  # raises if anything is out of order or bounds
    assert events["t"][-1] < 900_000
    # The real clips: 44,000 to 125,000 events a second, 49 to 52 % of them ON, and from 23 % (a
    # clap) to 58 % (an arm's circle) of the pixels with at least one event in 1.45 seconds.
    assert 20_000 < len(events) / 0.9 < 250_000
    assert 0.45 < events["p"].mean() < 0.55
    counts = np.bincount(events["x"].astype(int) + 128 * events["y"], minlength=128 * 128)
    assert 0.15 < (counts > 0).mean() < 0.85


def test_people_differ() -> None:
    rates = [len(simulate("arm_roll", subject=n, seconds=0.3)) for n in range(1, 7)]
    assert max(rates) > 1.5 * min(rates)


async def test_slices_carry_the_truth_and_pass_in_real_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    packets: list[Packet] = []
    times: list[float] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)
        times.append(trio.current_time())

    source = SimSource(classes=("arm_roll", "air_drums"), hold=0.2, speed=2.0, duration=0.8)
    assert source.live
    began = trio.current_time()
    await source.run(take)
    assert len(packets) == 160
    assert times == pytest.approx([began + p.watermark * 1e-6 / 2.0 for p in packets])
    assert [p.last for p in packets] == [False] * 159 + [True]
    assert Counter(p.label for p in packets) == {"arm_roll": 80, "air_drums": 80}
    # Each class once a round, and no packet on both sides of a change.
    for start in range(0, 160, 40):
        assert len({p.label for p in packets[start : start + 40]}) == 1
    for start in (0, 80):
        assert len({p.label for p in packets[start : start + 80]}) == 2
    for before, packet in itertools.pairwise(packets):
        assert packet.segment == 0
        assert packet.watermark == before.watermark + 5_000
        assert (packet.events["t"] >= before.watermark).all()
        assert (packet.events["t"] < packet.watermark).all()
    assert source.counters["events"] == sum(len(p.events) for p in packets)


@pytest.mark.slow
async def test_the_label_names_what_is_seen(autojump_clock: trio.testing.MockClock) -> None:
    # Which half of the image is busy tells the two waves apart, once the hands have changed.
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    waves = ("right_hand_wave", "left_hand_wave")
    await SimSource(classes=waves, hold=1.0, speed=None, duration=4.0).run(take)
    for turn in range(4):
        late = [p for p in packets if 0.5 < p.watermark * 1e-6 - turn <= 1.0]
        x = np.concatenate([p.events["x"] for p in late])
        assert (np.median(x) < 64) == (late[0].label == "right_hand_wave")


async def test_pacing_changes_no_event(autojump_clock: trio.testing.MockClock) -> None:
    seen = []
    for speed in (None, 1.0, 7.0):
        packets: list[Packet] = []

        async def take(packet: Packet, into: list[Packet] = packets) -> None:
            into.append(packet)

        source = SimSource(
            classes=("arm_roll",), subjects=(1, 2), hold=0.073, speed=speed, duration=0.25
        )
        assert source.live == (speed is not None)
        await source.run(take)
        assert packets[-1].watermark == 250_000
        seen.append(np.concatenate([p.events for p in packets]))
    assert (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert (np.diff(seen[0]["t"]) >= 0).all()


async def test_in_a_pause_the_arms_hang_and_nothing_is_the_truth() -> None:
    packets = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    source = SimSource(classes=("arm_roll",), hold=0.2, pause=0.9, speed=None, duration=2.2)
    await source.run(take)
    ends = {name: [p.watermark for p in packets if p.label == name] for name in ("arm_roll", None)}
    assert (len(ends["arm_roll"]), len(ends[None])) == (20, 90)
    assert min(ends[None]) == 220_000
    shown = np.concatenate([p.events for p in packets])
    active = np.bincount(shown["t"] // 100_000)
    # The hands take 0.4 s down; then only the body sways.
    assert active[7:11].max() < 0.5 * active[:2].min()
    # Without a pause it is the stream that it always was.
    still = Camera(seed=0, subject=1).see("arm_roll", 200_000)
    assert (shown[shown["t"] < 200_000] == still).all()
    with pytest.raises(SourceError, match="pause is -1"):
        open_source("sim:?pause=-1")


def test_extra_gestures_are_shown_only_when_asked_for() -> None:
    assert not set(EXTRA_GESTURES) & set(GESTURES)
    assert SimSource().classes == GESTURES
    source = open_source("sim:?classes=throw,hand_clapping")
    assert isinstance(source, SimSource)
    assert source.classes == ("throw", "hand_clapping")


async def test_a_class_shown_again_is_a_new_showing() -> None:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    await SimSource(seed=5, classes=("arm_roll",), hold=0.1, speed=None, duration=0.2).run(take)
    shown = np.concatenate([p.events for p in packets])
    held = Camera(seed=5, subject=1).see("arm_roll", 200_000)
    assert (shown[shown["t"] < 100_000] == held[held["t"] < 100_000]).all()
    again, on = shown[shown["t"] >= 100_000], held[held["t"] >= 100_000]
    assert len(again) != len(on) or (again != on).any()


def statistics(events: Events, seconds: float) -> dict[str, float]:
    """Describe a clip: events per second, and how they spread over the image."""
    counts = np.bincount(events["x"].astype(int) + 128 * events["y"], minlength=128 * 128)
    busiest = np.sort(counts)[::-1]
    return {
        "rate": len(events) / seconds,
        "on": float(events["p"].mean()),
        "pixels": float((counts > 0).mean()),
        "busiest tenth": float(busiest[: 128 * 128 // 10].sum() / len(events)),
        "columns": float(events["x"].std()),
        "rows": float(events["y"].std()),
    }


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 3, 5, 7, 9])
def test_a_real_clip_could_be_one_of_the_simulated(data_dir: Path, number: int) -> None:
    path = data_dir / "dvs_gesture" / f"class_{number:02d}.bin"
    real = np.concatenate(list(open_recording(path).chunks()))
    real = statistics(real[real["t"] - real["t"][0] < 700_000], 0.7)
    people = [
        statistics(simulate(GESTURES[number - 1], seed=n, subject=n, seconds=0.7), 0.7)
        for n in range(1, 9)
    ]
    for name, value in real.items():
        values = [one[name] for one in people]
        assert 0.8 * min(values) < value < 1.25 * max(values), name


async def test_options_of_the_name_reach_the_camera() -> None:
    counts = {}
    for query in ("noise=0", "noise=1", "noise=1&shake=2", "noise=0&flicker=0.5"):
        total = 0

        async def take(packet: Packet) -> None:
            nonlocal total
            total += len(packet.events)

        uri = f"sim:?seed=2&classes=hand_clapping&subject=3&speed=max&duration=0.2&{query}"
        await open_source(uri).run(take)
        counts[query] = total
    assert counts["noise=0"] < counts["noise=1"] < counts["noise=1&shake=2"]
    assert counts["noise=0&flicker=0.5"] > 2 * counts["noise=0"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sim:?classes=jump", "'jump' is no gesture; there are hand_clapping"),
        ("sim:?classes=jump", "never shown unless asked for, both_hands_wave"),
        ("sim:?colour=1", "no setting 'colour'; it has seed"),
        ("sim:?hold=0", "hold is 0.0"),
        ("sim:?seed=x", "seed is 'x'"),
        ("sim:?seed=-1", "seed is -1"),
        ("sim:?subjects=1,-2", "subjects is -2"),
        ("sim:?subject=1&subjects=2", "not both"),
        ("sim:?classes=air_drums,air_drums", "one is named twice"),
        ("sim:?duration=inf", "duration is inf"),
        ("sim:?flicker=1", "flicker is 1.0; allowed are values from 0 to 0.99"),
        ("sim:?noise=nan", "noise is nan"),
        ("sim:?speed=0", "speed is 0.0"),
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
    from spikewire.sensors import SensorError

    with pytest.raises(SensorError, match=says.replace("*", r"\*")):
        open_source(uri)


def test_a_simulator_needs_a_class() -> None:
    with pytest.raises(SourceError, match="at least one class"):
        SimSource(classes=())


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"seconds": -1}, "seconds is -1; allowed are numbers from 0 to 3600"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"subject": -1}, "subject is -1; allowed are numbers from 0"),
        ({"seed": -2}, "seed is -2"),
    ],
)
def test_impossible_numbers_of_a_simulation_are_refused(
    numbers: dict[str, float], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        simulate("arm_roll", **numbers)  # type: ignore[arg-type]
