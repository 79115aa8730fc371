"""Delivery of packets that a source has received together."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from spikewire.sensors.events import Deliver, Packet


async def deliver_all(packets: Iterable[Packet], deliver: Deliver) -> None:
    """Deliver packets in their order; none is lost if this is cancelled meanwhile."""
    cancelled: trio.Cancelled | None = None
    for packet in packets:
        try:
            await deliver(packet)
        except trio.Cancelled as error:
            cancelled = cancelled or error
    if cancelled is not None:
        raise cancelled
