"""Recorded files as a source: paced or as fast as the reader goes, labelled, looped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import trio

from spikewire._tasks import background_tasks
from spikewire.sensors.datasets.dvs_gesture import name_labels
from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.events import Deliver, Policy
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.sources.excerpt_stream import ExcerptStream
from spikewire.sensors.sources.pacing import Pacer, check_speed


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
        Treatment of events that break a rule: ``"raise"`` (the default) or ``"drop"``.
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
        self._stream = ExcerptStream(policy)
        self._shown = 0
        self._durations: dict[int, int] = {}
        self.size = self._excerpts[0].open(policy).size
        scheme = "aestream:" if self._excerpts[0].reader == "aestream" else "file:"
        self.name = scheme + ";".join(str(e.path) for e in self._excerpts)

    @property
    def speed(self) -> float | None:
        """1.0 is real time; None as fast as packets are taken."""
        return self._pacer.speed

    def name_labels(self, classes: Sequence[str]) -> None:
        """Give labels that are numbers of DVS128 Gesture the names of a network's classes.

        Call it before the source runs.
        """
        self._excerpts = [
            dataclasses.replace(one, labels=tuple(name_labels(one.labels, classes)))
            for one in self._excerpts
        ]

    def limit_jumps(self, jump_us: int) -> None:
        """Wait for no step ahead of more than this, whatever the speed."""
        self._stream.jump_us = jump_us

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered, and events dropped by reason."""
        return self._stream.counters

    @property
    def replay(self) -> Mapping[str, Any]:
        """State of the playback; the duration is None until it is known."""
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
            first event of the recording that is shown, ``step_us``: event time to play, after which
            the replay is paused.

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
            speed=changes.get("speed", "same"), paused=changes.get("paused"), wanted_us=position,
            step_us=changes.get("step_us"),
        )  # fmt: skip

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
        """Return a recording's duration; it is read through, once."""
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
            # A replay as fast as possible is not steered: reading it twice would be waste.
            await self._run(deliver)
            return
        async with background_tasks() as nursery:
            nursery.start_soon(self._measure)
            await self._run(deliver)

    async def _run(self, deliver: Deliver) -> None:
        while True:
            excerpt = self._excerpts[self._shown]
            position = self._pacer.take_wanted()
            while True:
                if position is not None:
                    excerpt = dataclasses.replace(excerpt, start_us=position)
                await self._stream.stream(excerpt, self._pacer, deliver)
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
        for chunk in dataclasses.replace(excerpt, reader="spikewire").open("drop").chunks():
            first = int(chunk["t"][0]) if first is None else first
            last = int(chunk["t"][-1])
    return last - (first or 0) if first is not None else 0
