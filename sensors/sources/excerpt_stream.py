"""Excerpts as packets: cut where labels change and where a packet is long enough."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass

import numpy as np
import trio

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Deliver, Events, Packet, Policy, count_before, no_events
from spikewire.sensors.jumps import JumpFinder
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.labels import Label
from spikewire.sensors.recordings.recording import Recording
from spikewire.sensors.sources.pacing import Pacer
from spikewire.sensors.units import DEFAULT_JUMP_S

PACED_US = 4_000
"""Length of a paced packet, in microseconds of event time."""

FAST_EVENTS = 1 << 16
"""Most events of a packet where nothing is paced: 0.8 MiB."""

_AHEAD = 3 * FAST_EVENTS
"""Events that are read in one go where nothing is paced."""


def _cut(
    events: Events, edges: Sequence[int], step_us: int | None, jumps: Sequence[int]
) -> Iterator[Events]:
    """Cut a chunk at jumps, where labels change, every ``step_us`` and at ``FAST_EVENTS``."""
    t = events["t"]
    cuts = {0, len(events), *jumps}
    cuts.update(count_before(events, at) for at in edges if len(t) and t[0] < at <= t[-1])
    if step_us is not None and len(events):
        steps = t // step_us
        cuts.update((np.flatnonzero(steps[1:] != steps[:-1]) + 1).tolist())
    cuts.update(range(0, len(events), FAST_EVENTS))
    for first, last in itertools.pairwise(sorted(cuts)):
        yield events[first:last]


def _between(events: Events, low: int, high: int | None) -> Events:
    """Return the events from ``low`` on and before ``high``, as a view."""
    stop = len(events) if high is None else count_before(events, high)
    return events[count_before(events, low) : stop]


def _changes(labels: Sequence[Label], label: str | None) -> list[tuple[int, str | None]]:
    """List when the label changes, and to what; ``label`` is that of what the labels leave open."""
    times = sorted({edge for one in labels for edge in (one.start_us, one.stop_us)})
    changes: list[tuple[int, str | None]] = []
    before = label
    for at in times:
        name = next((one.name for one in labels if one.start_us <= at < one.stop_us), label)
        if name != before:
            changes.append((at, name))
            before = name
    return changes


@dataclass(frozen=True, slots=True)
class Piece:
    """Events of one packet.

    ``low`` is the excerpt's first time, ``stop`` what later events are not before. ``jumped`` says
    that time jumped before the first event.
    """

    events: Events
    label: str | None
    since: int | None
    low: int
    stop: int
    jumped: bool = False


class _ReadAhead:
    """Reads chunks in a thread, several at a time: a change of threads costs as much as decoding.

    Parameters
    ----------
    chunks
        The chunks of a recording; an error comes after those before it.
    """

    def __init__(self, chunks: Iterator[Events]) -> None:
        self._chunks = chunks
        self._ready: deque[Events | None] = deque()
        self._error: Exception | None = None

    async def next(self, most: int) -> Events | None:
        """Return the next chunk, None at the end; reads up to ``most`` events, or one chunk."""
        if not self._ready and self._error is None:
            await trio.to_thread.run_sync(self._read, most)
        if self._ready:
            return self._ready.popleft()
        assert self._error is not None
        raise self._error

    def _read(self, most: int) -> None:
        count = 0
        try:
            while count < most:
                chunk = next(self._chunks, None)
                self._ready.append(chunk)
                if chunk is None:
                    return
                count += len(chunk)
        except Exception as error:
            self._error = error


class ExcerptStream:
    """Streams excerpts, one segment each, to a pipeline."""

    def __init__(self, policy: Policy) -> None:
        self.counters: Counter[str] = Counter()
        self.policy: Policy = policy
        self.segment = -1
        self.jump_us = round(DEFAULT_JUMP_S * 1e6)

    async def stream(self, excerpt: Excerpt, pacer: Pacer, deliver: Deliver) -> int:
        """Stream one excerpt, as far as the pacer lets it; returns its events."""
        recording = await trio.to_thread.run_sync(excerpt.open, self.policy)
        self.segment += 1
        count = 0
        pacer.begin(excerpt.start_us)
        held: Packet | None = None
        failed: SensorError | None = None
        base: int | None = None
        try:
            async with aclosing(self._pieces(recording, excerpt, pacer)) as pieces:
                async for piece in pieces:
                    events, base = piece.events, piece.low
                    if held is not None:
                        ready, held = held, None
                        await deliver(ready)
                    if piece.jumped:
                        begins = int(events["t"][0]) if len(events) else piece.stop
                        pacer.begin(begins - base + excerpt.start_us)
                    if not await pacer.until(piece.stop + 1 - base + excerpt.start_us):
                        break
                    held = Packet(
                        events, recording.size, piece.stop, time.monotonic_ns(), self.segment,
                        piece.label, label_from=piece.since,
                    )  # fmt: skip
                    count += len(events)
                    self.counters["events"] += len(events)
                    self.counters["packets"] += 1
                    if pacer.speed is not None:
                        ready, held = held, None
                        await deliver(ready)
        except trio.Cancelled:
            if held is not None:
                # It was received, and counted.
                await deliver(held)
            raise
        except SensorError as error:
            failed = error
        self.counters.update(recording.counters)
        self.counters.update(recording.left_out)
        mark = held.watermark if held is not None else (base or 0)
        if excerpt.end_us is not None:
            mark = max(mark, excerpt.end_us)
        if held is not None:
            await deliver(dataclasses.replace(held, watermark=mark, last=True))
        else:
            await deliver(
                Packet(
                    no_events(), recording.size, mark, time.monotonic_ns(), self.segment,
                    None, last=True,
                )
            )  # fmt: skip
        if failed is not None:
            raise failed
        return count

    async def _pieces(
        self, recording: Recording, excerpt: Excerpt, pacer: Pacer
    ) -> AsyncGenerator[Piece]:
        """Yield the excerpt's events in pieces of one label each, and its changes of label."""
        first = recording.first_us
        start_us = excerpt.start_us if first is not None else 0
        # Closed here, with its file: a collection of cycles could end the file first.
        with closing(recording.chunks(start_us=start_us)) as chunks:
            finder = JumpFinder(self.jump_us)
            changes = _changes(excerpt.labels, excerpt.label)
            edges = [at for at, _ in changes]
            label, since, next_change = excerpt.label, None, 0
            ahead = _ReadAhead(chunks)
            while True:
                most = 1 if pacer.speed is not None else _AHEAD
                chunk = await ahead.next(most)
                if chunk is None:
                    break
                if first is None:
                    first = int(chunk["t"][0])
                low = first + excerpt.start_us
                high = None if excerpt.stop_us is None else first + excerpt.stop_us
                inside = _between(chunk, low, high)
                speed = pacer.speed
                step = None if speed is None else max(1_000, int(PACED_US * min(speed, 10)))
                jumps = finder.find(inside["t"])
                after = {int(inside["t"][i]) for i in jumps}
                for events in _cut(inside, edges, step, jumps):
                    begins = int(events["t"][0])
                    jumped = begins in after
                    while next_change < len(changes) and changes[next_change][0] <= begins:
                        since, label = changes[next_change]
                        next_change += 1
                        passed = next_change < len(changes) and changes[next_change][0] <= begins
                        if passed and since >= low:
                            # Nothing happened under this label, which held all the same.
                            yield Piece(no_events(), label, since, low, since, jumped)
                    after.discard(begins)
                    yield Piece(events, label, since, low, int(events["t"][-1]), jumped)
                if high is not None and int(chunk["t"][-1]) >= high:
                    return
            if first is None or excerpt.end_us is None:
                return
            low = first + excerpt.start_us
            for since, label in changes[next_change:]:
                if since < excerpt.end_us:
                    yield Piece(no_events(), label, since, low, max(since, low))
