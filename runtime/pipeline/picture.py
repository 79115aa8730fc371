"""The topic ``picture``: events at the sensor's own resolution, within a budget of bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.interfaces import InThread
from spikewire.sensors import PictureCounts

MOST_CELLS = 1280
"""Columns and rows of a picture at most."""
# From so many cells on they are packed in a thread: the others take a few microseconds.
_MANY_CELLS = 65_536
# A picture may be larger than its share of the budget; those after it come later then.
_BURST = 4
_LEAST_BYTES = 4096
# Where the resolution stays, half as many pictures as asked for are enough: sharp ones tell more.
_SLOWER = 2
# So long after a change of the resolution it is not raised.
_CALM_S = 1.0
# A picture with twice as many columns and rows takes three to four times as many bytes at most.
_FINER = 3.5


def least_scale(size: tuple[int, int]) -> int:
    """Pixels of a side that one cell stands for at the highest resolution."""
    return -(-max(size) // MOST_CELLS)


class ByteBudget:
    """Bytes a second: what is sent beyond them delays what comes next.

    Parameters
    ----------
    per_s
        Bytes a second; asked anew each time.
    """

    def __init__(self, per_s: Callable[[], float]) -> None:
        self._per_s = per_s
        self._free_at = -math.inf

    def spend(self, size: int) -> None:
        """Note that so many bytes were sent."""
        self._free_at = max(self._free_at, trio.current_time()) + size / self._per_s()

    async def wait(self) -> None:
        """Wait until what was sent is paid for."""
        await trio.sleep_until(max(self._free_at, trio.current_time()))


@dataclass(slots=True)
class _Filling:
    """A picture that the network task adds events to."""

    counts: PictureCounts
    segment: int
    since_us: int | None = None
    tick: int = 0
    t_us: int = 0


class PictureTopic:
    """Counts what was computed, and publishes it at a steady pace.

    The network task opens the picture before it computes events, and closes it afterwards. Between
    the two nobody else touches it.

    Parameters
    ----------
    broker
        Knows the subscribers, and publishes.
    in_thread
        Runs a blocking call and awaits its result.
    per_s, bytes_per_s
        Pictures, and their bytes, a second at most; asked anew each time.

    Attributes
    ----------
    wanted
        Whether it is subscribed to.
    """

    def __init__(
        self,
        broker: Broker,
        in_thread: InThread,
        per_s: Callable[[], float],
        bytes_per_s: Callable[[], float],
    ) -> None:
        self.wanted = False
        self._broker, self._in_thread = broker, in_thread
        self._per_s, self._bytes_per_s = per_s, bytes_per_s
        self._budget = ByteBudget(bytes_per_s)
        self._size: tuple[int, int] | None = None
        self._scale = 1
        self._changed_at = -math.inf
        self._filling: _Filling | None = None
        self._spare: PictureCounts | None = None
        self._open = False
        self._due: trio.Event | None = None
        self._taken: _Filling | None = None
        self._last_end: tuple[int, int] | None = None  # segment and time of the last one's end

    # -- the network task's side -----------------------------------------------------------------

    def open(self, size: tuple[int, int], segment: int) -> PictureCounts | None:
        """Return the picture that takes the next events; None if nobody wants one."""
        if not self.wanted:
            return None
        if size != self._size:
            self._size, self._scale = size, least_scale(size)
        filling = self._filling
        if filling is None or filling.segment != segment or filling.counts.size != size:
            filling = self._filling = _Filling(self._empty(size), segment)
        self._open = True
        return filling.counts

    def close(self, *, tick: int, start_us: int, t_us: int) -> None:
        """Note that the opened picture holds the events from ``start_us`` to ``t_us``."""
        self._open = False
        filling = self._filling
        assert filling is not None
        if filling.since_us is None:
            end = self._last_end
            filling.since_us = end[1] if end and end[0] == filling.segment else start_us
        filling.tick, filling.t_us = tick, t_us
        if self._due is not None:
            self._take()

    def _empty(self, size: tuple[int, int]) -> PictureCounts:
        spare, self._spare = self._spare, None
        if spare is not None and spare.size == size and spare.scale == self._scale:
            return spare
        return PictureCounts(size, self._scale)

    def _take(self) -> None:
        """Take the picture out, so that the next events go into another one."""
        self._taken, self._filling = self._filling, None
        if self._due is not None:
            self._due.set()
            self._due = None

    # -- the publisher's side --------------------------------------------------------------------

    async def run(self) -> None:
        """Publish what was counted, until cancelled."""
        while True:
            self.wanted = self._broker.wanted("picture")
            if not self.wanted and not self._open:
                self._filling = self._spare = None
            await trio.sleep(1.0 / self._per_s())
            await self._budget.wait()
            if self._filling is None:
                continue
            if self._open:
                # The picture belongs to the thread that computes: it is taken after its batch.
                self._due = trio.Event()
                await self._due.wait()
            else:
                self._take()
            taken, self._taken = self._taken, None
            if taken is not None and taken.counts.on + taken.counts.off:
                await self._publish(taken)

    async def _publish(self, taken: _Filling) -> None:
        share = int(self._bytes_per_s() / self._per_s())
        limit = max(_LEAST_BYTES, _BURST * share)
        counts, packed = taken.counts, await self._pack(taken.counts, limit)
        while packed is None:
            counts = counts.halved()
            packed = await self._pack(counts, limit)
        shown = counts.scale
        self._adapt(counts, len(packed), share)
        facts: dict[str, Any] = {
            "tick": taken.tick, "t_us": taken.t_us, "segment": taken.segment,
            "span_us": taken.t_us - (taken.since_us or 0), "size": list(counts.size),
            "shape": list(counts.shape), "scale": shown,
            "limited": shown > least_scale(counts.size), "cells": packed,
            "on_events": counts.on, "off_events": counts.off,
        }  # fmt: skip
        self._last_end = (taken.segment, taken.t_us)
        self._budget.spend(len(packed))
        self._broker.publish("picture", facts)
        taken.counts.clear()
        self._spare = taken.counts

    async def _pack(self, counts: PictureCounts, limit: int) -> bytes | None:
        columns, rows = counts.shape
        if columns * rows < _MANY_CELLS:
            return counts.pack(limit)
        packed: bytes | None = await self._in_thread(lambda: counts.pack(limit))
        return packed

    def _adapt(self, counts: PictureCounts, size: int, share: int) -> None:
        """Choose the next pictures' resolution from this one's size and the budget's share."""
        if counts.size != self._size:
            return
        now = trio.current_time()
        least, share = least_scale(counts.size), max(share, _LEAST_BYTES)
        most = _SLOWER * share
        if counts.scale > self._scale or size > most:
            wanted = max(counts.scale, self._scale) * (2 if size > most else 1)
            if wanted <= max(counts.size):
                self._scale, self._changed_at = wanted, now
        elif self._scale > least and _FINER * size < most and now > self._changed_at + _CALM_S:
            self._scale, self._changed_at = self._scale // 2, now
