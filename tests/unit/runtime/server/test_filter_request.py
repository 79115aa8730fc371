"""The request `filter`: checked, applied between packets, and told by status and stats."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from spikewire.runtime import ProtocolError, RequestRefused
from spikewire.runtime.protocol.messages import decode_message
from spikewire.sensors import Filtered


@pytest.fixture
def filtered(fakes: Any) -> Any:
    """A source behind filters, and its sender of packets."""
    source = fakes.Source()
    source.size = (64, 48)
    return Filtered(source, []), source.push


async def test_a_region_becomes_the_sensor_in_a_new_segment(
    fakes, running, autojump_clock, filtered
):
    source, push = filtered
    async with running(source) as run, run.client() as client:
        assert "filter" in client.hello["offers"]
        await client.subscribe("picture")
        await trio.sleep(0.1)
        push(fakes.packet(range(0, 50_000, 100)))
        await trio.sleep(1)
        first = await anext(client)
        reply = await client.filter(add="crop:0,0,16x12")
        assert [(one["filter"], one["size"]) for one in reply["filters"]] == [
            ("crop:0,0,16x12", [16, 12])
        ]
        push(fakes.packet(range(50_000, 100_000, 100)))
        await trio.sleep(1)
        second = await anext(client)
        assert (first["size"], second["size"]) == ([64, 48], [16, 12])
        assert second["segment"] == first["segment"] + 1
        stats = run.service.first.stats_publisher._stats()
        assert stats["size_changes"] == 1
        (told,) = stats["filters"]
        assert told["removed"] == stats["source"]["filter_crop"] > 0
        assert stats["events"] + stats["source"]["filter_crop"] == 1000
        (told,) = (await client.status())["status"]["source"]["filters"]
        assert (told["number"], told["on"]) == (1, True)
        assert (await client.filter(number=1, remove=True))["filters"] == []


async def test_wrong_filters_are_refused_by_name(fakes, running, autojump_clock, filtered):
    async with running(filtered[0]) as run, run.client() as client:
        for changes, says in (
            ({"add": "hot:1"}, "The filter hot takes a number"),
            ({"number": 3, "on": False}, "There is no filter 3; there are none"),
        ):
            with pytest.raises(RequestRefused, match=says) as refused:
                await client.filter(**changes)
            assert refused.value.code == "filter_failed"
        assert (await client.filter())["filters"] == []


async def test_a_source_without_filters_refuses(fakes, running, autojump_clock):
    async with running(fakes.Source([])) as run, run.client() as client:
        assert "filter" not in client.hello["offers"]
        with pytest.raises(RequestRefused) as refused:
            await client.filter()
        assert refused.value.code == "no_filters"


@pytest.mark.parametrize(
    "fields", [{"add": "hot", "on": True}, {"number": 1}, {"on": True}, {"add": ""},
               {"number": 1, "remove": True, "on": True}, {"number": 1, "remove": False}]
)  # fmt: skip
def test_what_changes_nothing_or_too_much_is_no_request(fields):
    import msgspec

    with pytest.raises(ProtocolError, match="Not a message of protocol 1"):
        decode_message(msgspec.msgpack.encode({"type": "filter", **fields}))
