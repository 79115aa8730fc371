"""Recorded files as sources: paced or as fast as the reader goes, excerpted, labelled, looped."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trio

from spikewire.sensors.datasets.dataset import RECORDINGS, TEXTS
from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.events import Deliver, Events, Packet, Policy, no_events
from spikewire.sensors.recordings.labels import Label
from spikewire.sensors.recordings.recording import Recording, open_recording
from spikewire.sensors.sources.pacing import Pacer

PACED_US = 4_000
"""Length of a paced packet, in microseconds of event time."""

SLOWEST, FASTEST = 1e-3, 1e6
"""Speeds of a replay, in times real time."""

FAST_EVENTS = 1 << 16
"""Most events of a packet where nothing is paced: 0.8 MiB."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A recording, or a part of it.

    Attributes
    ----------
    path
        The file.
    start_us, stop_us
        Microseconds after the recording's first event: [start, stop).
    labels
        Labels in the recording's own time.
    label
        One label for everything the labels leave open.
    size, columns, unit
        As for :func:`sensors.open_recording`.
    end_us
        Until when it lasts (the recording's own time), if that is longer than its events.
    """

    path: Path
    start_us: int = 0
    stop_us: int | None = None
    labels: Sequence[Label] = field(default_factory=tuple)
    label: str | None = None
    size: tuple[int, int] | None = None
    columns: Sequence[str] | None = None
    unit: str | None = None
    end_us: int | None = None

    def open(self, policy: Policy) -> Recording:
        """Open the recording."""
        return open_recording(
            self.path, policy=policy, size=self.size, columns=self.columns, unit=self.unit
        )


def check_speed(speed: float | None) -> float | None:
    """Refuse a speed that nobody could follow; None is as fast as possible."""
    if speed is not None and not (SLOWEST <= speed <= FASTEST):
        raise SourceError(
            f"speed is {speed}; allowed are positive numbers, {SLOWEST:g} to {FASTEST:g}, or max."
        )
    return speed


def _cut(events: Events, edges: Sequence[int], step_us: int | None) -> Iterator[Events]:
    """Cut a chunk where labels change, every ``step_us`` and at ``FAST_EVENTS``."""
    t = events["t"]
    cuts = {0, len(events)}
    if edges:
        cuts.update(int(i) for i in np.searchsorted(t, edges))
    if step_us is not None and len(events):
        marks = np.arange(int(t[0]) // step_us + 1, int(t[-1]) // step_us + 1) * step_us
        cuts.update(int(i) for i in np.searchsorted(t, marks))
    cuts.update(range(0, len(events), FAST_EVENTS))
    for first, last in itertools.pairwise(sorted(cuts)):
        yield events[first:last]


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
class _Piece:
    """What becomes a packet.

    ``low`` is the excerpt's first time, ``stop`` what later events are not before.
    """

    events: Events
    label: str | None
    since: int | None
    low: int
    stop: int


class _Stream:
    """Streams excerpts, one segment each, to a pipeline."""

    def __init__(self, policy: Policy) -> None:
        self.counters: Counter[str] = Counter()
        self.policy: Policy = policy
        self.segment = -1

    async def excerpt(self, what: Excerpt, pacer: Pacer, deliver: Deliver) -> int:
        """Stream one excerpt, as far as the pacer lets it; returns its events."""
        recording = await trio.to_thread.run_sync(what.open, self.policy)
        self.segment += 1
        count = 0
        pacer.begin(what.start_us)
        held: Packet | None = None
        failed: SensorError | None = None
        base: int | None = None
        try:
            async with aclosing(self._pieces(recording, what, pacer)) as pieces:
                async for piece in pieces:
                    events, base = piece.events, piece.low
                    if held is not None:
                        await deliver(held)
                        held = None
                    if not await pacer.until(piece.stop + 1 - base + what.start_us):
                        break
                    held = Packet(
                        events, recording.size, piece.stop, time.monotonic_ns(), self.segment,
                        piece.label, label_from=piece.since,
                    )  # fmt: skip
                    count += len(events)
                    self.counters["events"] += len(events)
                    self.counters["packets"] += 1
                    if pacer.speed is not None:
                        await deliver(held)
                        held = None
        except SensorError as error:
            failed = error
        for name, dropped in recording.counters.items():
            self.counters[name] += dropped
        mark = held.watermark if held is not None else (base or 0)
        if what.end_us is not None:
            mark = max(mark, what.end_us)
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
        self, recording: Recording, what: Excerpt, pacer: Pacer
    ) -> AsyncGenerator[_Piece]:
        """Yield the excerpt's events in pieces of one label each, and its changes of label."""
        chunks = recording.chunks()
        first: int | None = None
        changes = _changes(what.labels, what.label)
        edges = [at for at, _ in changes]
        label, since, next_change = what.label, None, 0
        while True:
            chunk = await trio.to_thread.run_sync(lambda: next(chunks, None))
            if chunk is None:
                break
            if first is None:
                first = int(chunk["t"][0])
            low = first + what.start_us
            high = None if what.stop_us is None else first + what.stop_us
            bounds = [low] if high is None else [low, high]
            cut = np.searchsorted(chunk["t"], bounds)
            inside = chunk[cut[0] : cut[1] if high is not None else len(chunk)]
            speed = pacer.speed
            step = None if speed is None else max(1_000, int(PACED_US * min(speed, 10)))
            for events in _cut(inside, edges, step):
                begins = int(events["t"][0])
                while next_change < len(changes) and changes[next_change][0] <= begins:
                    since, label = changes[next_change]
                    next_change += 1
                    passed = next_change < len(changes) and changes[next_change][0] <= begins
                    if passed and since >= low:
                        # Nothing happened under this label, which held all the same.
                        yield _Piece(no_events(), label, since, low, since)
                yield _Piece(events, label, since, low, int(events["t"][-1]))
            if high is not None and int(chunk["t"][-1]) >= high:
                return
        if first is None or what.end_us is None:
            return
        low = first + what.start_us
        for since, label in changes[next_change:]:
            if since < what.end_us:
                yield _Piece(no_events(), label, since, low, max(since, low))


class FileSource:
    """Recorded files, one after the other, each a segment of its own.

    Parameters
    ----------
    excerpts
        What to stream.
    speed
        1.0 is real time, 10.0 ten times that, None as fast as packets are taken.
    loop
        Begin anew after the last file.
    policy
        What to do with events that break a rule: ``"raise"`` (the default) or ``"drop"``.
    wait
        After the last file wait, paused, to be told to go on; such a source ends when cancelled.

    Raises
    ------
    SensorError
        If a file cannot be read, or the speed is not positive.
    """

    live = False

    def __init__(
        self,
        excerpts: Sequence[Excerpt],
        *,
        speed: float | None = None,
        loop: bool = False,
        policy: Policy = "raise",
        wait: bool = False,
    ) -> None:
        if not excerpts:
            raise SourceError("No recording was named.")
        self._excerpts = list(excerpts)
        self._pacer = Pacer(check_speed(speed))
        self._loop, self._wait = loop, wait
        self._stream = _Stream(policy)
        self._shown = 0
        self._durations: dict[int, int] = {}
        self.size = self._excerpts[0].open(policy).size
        self.name = "file:" + ";".join(str(e.path) for e in self._excerpts)

    @property
    def speed(self) -> float | None:
        """1.0 is real time; None as fast as packets are taken."""
        return self._pacer.speed

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered, and events dropped by reason."""
        return self._stream.counters

    @property
    def replay(self) -> Mapping[str, Any]:
        """How and where it stands; the duration is None until it is known."""
        return {
            "file": self._excerpts[self._shown].path.name,
            "number": self._shown,
            "paused": self._pacer.paused,
            "loop": self._loop,
            "speed": self._pacer.speed,
            "position_us": self._pacer.position_us,
            "duration_us": self._durations.get(self._shown),
        }

    async def control(self, **changes: Any) -> None:
        """Change how it is replayed, while it runs.

        Parameters
        ----------
        changes
            ``paused``, ``loop``, ``speed`` (None: as fast as possible), ``position_us``: from the
            first event of the recording that is shown.

        Raises
        ------
        SourceError
            If a position lies outside the recording, or a speed cannot be. A position outside the
            excerpt is moved to its edge.
        """
        if "speed" in changes:
            check_speed(changes["speed"])
        position = changes.get("position_us")
        if position is not None:
            position = await self._placed(position)
        self._loop = changes.get("loop", self._loop)
        self._pacer.change(
            speed=changes.get("speed", "same"), paused=changes.get("paused"), wanted_us=position
        )

    async def _placed(self, position_us: int) -> int:
        """A position within the excerpt, for one within its recording."""
        excerpt = self._excerpts[self._shown]
        end = await self._duration(self._shown)
        if not 0 <= position_us <= end:
            raise SourceError(
                f"{excerpt.path.name} has no position {position_us / 1e6:g} s; allowed are 0 to "
                f"{end / 1e6:g} s."
            )
        stop = end if excerpt.stop_us is None else min(end, excerpt.stop_us)
        return max(excerpt.start_us, min(position_us, stop))

    async def _duration(self, number: int) -> int:
        """How long a recording is; it is read through, once."""
        if number not in self._durations:
            read = partial(_duration_us, self._excerpts[number])
            self._durations[number] = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
        return self._durations[number]

    async def _measure(self) -> None:
        for number in range(len(self._excerpts)):
            await self._duration(number)

    async def run(self, deliver: Deliver) -> None:
        """Stream every file; a damaged one raises after its last whole event was delivered."""
        if self._pacer.speed is None and not self._wait:
            # Nobody steers what rushes by: reading it twice would be waste.
            await self._run(deliver)
            return
        failed: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure)
            try:
                await self._run(deliver)
            except Exception as error:
                # Carried around the nursery, which would wrap it in a group.
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed

    async def _run(self, deliver: Deliver) -> None:
        while True:
            excerpt = self._excerpts[self._shown]
            position = self._pacer.take_wanted()
            while True:
                if position is not None:
                    excerpt = dataclasses.replace(excerpt, start_us=position)
                await self._stream.excerpt(excerpt, self._pacer, deliver)
                position = self._pacer.take_wanted()
                if position is None:
                    break
            self._shown = (self._shown + 1) % len(self._excerpts)
            if self._shown or self._loop:
                continue
            if not self._wait:
                return
            self._shown = len(self._excerpts) - 1
            self._pacer.change(paused=True)
            while self._pacer.paused and self._pacer.wanted_us is None and not self._loop:
                await self._pacer.wait_for_change()
            if self._pacer.wanted_us is None:
                self._pacer.change(paused=False)
                self._shown = 0


def _duration_us(excerpt: Excerpt) -> int:
    first: int | None = None
    last = 0
    with suppress(SensorError):
        for chunk in excerpt.open("drop").chunks():
            first = int(chunk["t"][0]) if first is None else first
            last = int(chunk["t"][-1])
    return last - (first or 0) if first is not None else 0


@dataclass(frozen=True, slots=True)
class PlaySummary:
    """What a played excerpt came to."""

    name: str
    segment: int
    events: int


class ShelfSource:
    """A folder of recordings of which excerpts are played when asked for, one at a time.

    Raises
    ------
    SourceError
        If there is no such folder.
    """

    live = False

    def __init__(self, folder: str | Path, *, policy: Policy = "raise") -> None:
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise SourceError(f"The shelf {folder} is not a folder.")
        self._stream = _Stream(policy)
        self._orders_in, self._orders_out = trio.open_memory_channel[
            tuple[Excerpt, float | None, "trio.MemorySendChannel[PlaySummary | SensorError]"]
        ](0)
        self.name = f"shelf:{folder}"
        names = self.names()
        if not names:
            raise SourceError(f"The shelf {folder} holds no recording that can be read.")
        self.size = open_recording(self._folder / names[0]).size

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered, and events dropped by reason."""
        return self._stream.counters

    def names(self) -> list[str]:
        """List the recordings on the shelf."""
        return sorted(
            p.name
            for p in self._folder.iterdir()
            if p.suffix.lower() in RECORDINGS - TEXTS and p.is_file()
        )

    async def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
    ) -> PlaySummary:
        """Stream an excerpt through the running source; returns when all of it was delivered.

        Raises
        ------
        SensorError
            If the name is not on the shelf, the bounds are impossible, or the file is damaged.
        """
        if name not in self.names():
            raise SourceError(f"{name!r} is not on the shelf; there are {', '.join(self.names())}.")
        if start_us < 0 or (stop_us is not None and stop_us <= start_us):
            raise SourceError(f"An excerpt from {start_us} to {stop_us} us holds nothing.")
        check_speed(speed)
        done_in, done_out = trio.open_memory_channel[PlaySummary | SensorError](1)
        excerpt = Excerpt(self._folder / name, start_us, stop_us)
        await self._orders_in.send((excerpt, speed, done_in))
        try:
            outcome = await done_out.receive()
        except trio.EndOfChannel:
            raise SourceError(f"{name} was cut off: the source stopped.") from None
        if isinstance(outcome, SensorError):
            raise outcome
        return outcome

    async def run(self, deliver: Deliver) -> None:
        """Wait for orders and stream them, until cancelled."""
        async for excerpt, speed, done in self._orders_out:
            with done:
                try:
                    count = await self._stream.excerpt(excerpt, Pacer(speed), deliver)
                    outcome: PlaySummary | SensorError = PlaySummary(
                        excerpt.path.name, self._stream.segment, count
                    )
                except SensorError as error:
                    outcome = error
                done.send_nowait(outcome)
