"""Filters that are changed while a stream runs."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, Filtered, Packet, SensorError

SIZE = (8, 6)


class Source:
    """Delivers what it is given."""

    name, live, size, counters = "test", False, SIZE, {"events": 0}

    async def run(self, deliver):
        raise NotImplementedError


def events(count=100, start=0, place=None):
    made = np.zeros(count, EVENT_DTYPE)
    made["t"] = start + np.arange(count) * 1000
    if place is None:
        made["x"], made["y"] = np.arange(count) % SIZE[0], np.arange(count) % SIZE[1]
    else:
        made["x"], made["y"] = place
    return made


async def through(source, array, size=SIZE):
    """The packet that comes of these events."""
    got = []

    async def deliver(packet):
        got.append(packet)

    await source.on_packet(Packet(array, size, 0, 0, 0), deliver)
    (packet,) = got
    return packet


def listed(source):
    return [(one["number"], one["filter"], one["on"], one["removed"]) for one in source.filters]


async def test_filters_are_added_switched_changed_and_removed():
    source = Filtered(Source(), ["polarity:on"])
    given = events()
    given["p"][:30] = 1
    assert len((await through(source, given)).events) == 30
    await source.change_filters(add="crop:0,0,4x4")
    packet = await through(source, given)
    assert packet.size == (4, 4)
    left = len(packet.events)
    assert listed(source) == [(1, "polarity:on", True, 140), (2, "crop:0,0,4x4", True, 30 - left)]
    await source.change_filters(number=1, on=False)
    await source.change_filters(number=2, to="crop:2,2,3x2")
    assert (await through(source, given)).size == (3, 2)
    assert [one["size"] for one in source.filters] == [[8, 6], [3, 2]]
    await source.change_filters(number=2, remove=True)
    packet = await through(source, given)
    assert (packet.size, len(packet.events)) == (SIZE, 100)
    # What was taken away stays counted.
    removed = source.counters
    assert removed["filter_polarity"] == 140
    assert removed["filter_crop"] == 30 - left + 100 - len(given[_inside(given, 2, 2, 3, 2)])
    await source.change_filters(add="flip:x")
    assert listed(source)[-1][0] == 3  # a number is never given twice


def _inside(array, left, top, width, height):
    x, y = array["x"].astype(int) - left, array["y"].astype(int) - top
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"add": "blur"}, "'blur' is no filter; there are refractory"),
        ({"add": "hot:1"}, "hot takes a number from 2 to 100,000, not '1'"),
        ({"number": 1, "to": "crop:0,0,9x9"}, "leaves the sensor, which is 8x6"),
        ({"number": 1, "to": "crop:0,0,2x2"}, "leaves the sensor, which is 2x2"),
        ({"number": 7, "on": True}, r"no filter 7; there are 1 \(crop:0,0,4x4\), 2"),
    ],
)
async def test_what_cannot_be_changes_nothing(changes, says):
    source = Filtered(Source(), ["crop:0,0,4x4", "crop:1,1,3x3"])
    before = source.filters
    with pytest.raises(SensorError, match=says):
        await source.change_filters(**changes)
    assert source.filters == before
    assert (await through(source, events())).size == (3, 3)


async def test_there_are_sixteen_filters_at_most():
    source = Filtered(Source(), ["flip:x"] * 16)
    with pytest.raises(SensorError, match="16 filters already"):
        await source.change_filters(add="flip:x")


async def test_a_filter_keeps_its_memory_while_others_change_and_tells_hot_pixels():
    source = Filtered(Source(), ["hot:20"])
    await through(source, events(2500, place=(5, 4)))
    assert source.filters[0]["hot"] == [5, 4]
    await source.change_filters(add="crop:4,3,3x3")
    assert source.filters[0]["hot"] == [1, 1]  # as the picture behind the crop has it
    assert len((await through(source, events(10, 2_500_000, (5, 4)))).events) == 0
    # Before the crop it has another sensor: it begins anew.
    await source.change_filters(number=2, remove=True)
    await source.change_filters(number=1, on=False)
    assert source.filters[0]["hot"] == []
    removed = source.filters[0]["removed"]
    await source.change_filters(number=1, on=True)
    assert (source.filters[0]["hot"], source.filters[0]["removed"]) == ([5, 4], removed)


async def test_changed_filters_are_saved_and_take_the_place_of_those_given():
    source = Filtered(Source(), ["flip:x"])
    await source.change_filters(add="hot:30")
    await through(source, events(2500, place=(5, 4)))
    saved = source.save()
    again = Filtered(Source(), [])
    assert again.save() is None
    again.restore(saved)
    assert [(one["filter"], one["hot"]) for one in again.filters] == [
        ("flip:x", []), ("hot:30", [2, 4])
    ]  # fmt: skip
    # As given at the start, only filters like them are restored.
    plain = Filtered(Source(), ["hot:30"])
    with pytest.raises(SensorError, match="The saved filters are not these"):
        plain.restore(Filtered(Source(), ["refractory:1ms"]).save())


async def test_a_packet_without_filters_passes_as_it_is():
    packet = Packet(events(), (99, 99), 5, 6, 7, "wave")
    got = []

    async def deliver(one):
        got.append(one)

    await Filtered(Source(), []).on_packet(packet, deliver)
    assert got == [packet]
    assert got[0] is packet
