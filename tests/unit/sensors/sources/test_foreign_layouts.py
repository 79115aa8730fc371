"""Datagrams of faery's layouts at a port for SPIF."""

from __future__ import annotations

import socket
import struct

import pytest
import trio

from spikewire.sensors import Packet, SourceError, UdpSource
from spikewire.sensors.sources.foreign_layouts import CERTAIN, LOOKED_AT, ForeignLayouts

EVENTS = [(n * 37, n % 30, n * 7 % 30, n % 2) for n in range(100)]
WIDE = b"".join(struct.pack("<QHHB", *event) for event in EVENTS)
NARROW = b"".join(struct.pack("<IHH", t, x, y << 1 | p) for t, x, y, p in EVENTS)
SPIF = b"".join(struct.pack("<II", x << 16 | p << 15 | y, t) for t, x, y, p in EVENTS)


@pytest.mark.parametrize(
    ("datagram", "layout"), [(WIDE, "t64_x16_y16_on8"), (NARROW, "t32_x16_y15_on1")]
)
def test_a_stream_of_another_layout_is_named(datagram: bytes, layout: str) -> None:
    look = ForeignLayouts("udp://127.0.0.1:3333", strict=True)
    for _ in range(CERTAIN - 1):
        assert look.is_foreign(datagram)
    with pytest.raises(SourceError, match=rf"receives faery's own layout {layout}, and SPIF"):
        look.is_foreign(datagram)


def test_others_cannot_end_a_stream_of_spif() -> None:
    look = ForeignLayouts("udp://0.0.0.0:3333", strict=False)
    assert all(look.is_foreign(WIDE) for _ in range(LOOKED_AT))
    assert not look.is_foreign(WIDE)  # later datagrams are not looked at
    look = ForeignLayouts("udp://127.0.0.1:3333", strict=True)
    assert not look.is_foreign(SPIF)
    assert all(look.is_foreign(NARROW) for _ in range(2 * CERTAIN))


async def test_a_socket_is_given_up_with_a_sentence() -> None:
    source = UdpSource(port=0, size=(346, 260))
    got: list[Packet] = []

    async def take(packet: Packet) -> None:
        got.append(packet)

    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, trio.fail_after(60):
        for _ in range(CERTAIN):
            sender.sendto(WIDE, ("127.0.0.1", source.port))
        with pytest.raises(SourceError, match="faery's own layout"):
            await source.run(take)
    assert got == []
    assert source.counters["datagrams_foreign"] == CERTAIN - 1
