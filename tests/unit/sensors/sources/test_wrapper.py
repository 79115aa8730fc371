import copy

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, Packet
from spikewire.sensors.events import Deliver
from spikewire.sensors.sources.wrapper import SourceWrapper


class Three:
    """Three packets of 1, 2 and 3 events."""

    name, live, size = "three", False, (4, 4)
    extra = "passed through"

    def __init__(self) -> None:
        self.counters = {"events": 0}

    async def run(self, deliver: Deliver) -> None:
        for n in (1, 2, 3):
            self.counters["events"] += n
            await deliver(Packet(np.zeros(n, EVENT_DTYPE), self.size, 0, 0, 0))


class Even(SourceWrapper):
    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        if len(packet.events) % 2 == 0:
            await deliver(packet)


async def test_a_wrapper_is_its_source_but_for_the_packets() -> None:
    lengths: list[int] = []

    async def deliver(packet: Packet) -> None:
        lengths.append(len(packet.events))

    plain, even = SourceWrapper(Three()), Even(Three())
    await plain.run(deliver)
    await even.run(deliver)
    assert lengths == [1, 2, 3, 2]
    for source in (plain, even):
        assert (source.name, source.live, source.size) == ("three", False, (4, 4))
        assert source.counters == {"events": 6}
        assert source.extra == "passed through"
        with pytest.raises(AttributeError, match="nothing"):
            source.nothing  # noqa: B018


def test_a_wrapper_can_be_copied() -> None:
    assert copy.copy(SourceWrapper(Three())).name == "three"
