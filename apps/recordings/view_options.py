"""Options of the commands that show a recording: how it is cut, accumulated and played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.cli.options.shared import Filters, RecordingOptions, Start, Stop
from spikewire.apps.cli.units import duration_us
from spikewire.apps.recordings.cut import cut_chunks, empty_part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from spikewire.sensors import Recording, Slices

DEFAULT_EVERY_US = 40_000

MOST_EMPTY = 10_000
"""Pictures in a row without an event: seven minutes at the usual pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """The part of a recording that is shown, and the length of a picture."""

    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            metavar="TIME",
            parser=duration_us,
            help="Time that a picture accumulates (default: 40ms).",
        ),
    ] = None
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="Number of events that a picture accumulates."),
    ] = None
    start: Start = None
    stop: Stop = None
    filters: Filters = None

    def check(self) -> None:
        """Refuse options that exclude each other.

        Raises
        ------
        UsageError
            There is a time and a number of events, or no time between start and stop.
        """
        if self.every is not None and self.count is not None:
            raise UsageError("--every accumulates by time, and --count by events: give one")
        if self.every is not None and self.every < 1:
            raise UsageError("--every is 0; a picture lasts at least 1us")
        if self.stop is not None and self.stop <= (self.start or 0):
            raise UsageError("--stop must lie after --start")

    @property
    def step_us(self) -> int | None:
        """Time of a picture in microseconds; None if pictures are of a number of events."""
        return None if self.count is not None else self.every or DEFAULT_EVERY_US


class Shown:
    """A recording's part that is shown.

    Parameters
    ----------
    path
        The recording.
    formats, view
        Ways to read and to cut it.

    Raises
    ------
    sensors.SensorError
        It cannot be opened.
    UsageError
        A filter is not understood.

    Attributes
    ----------
    size
        (width, height) of the filtered events.
    events
        Events shown so far.
    """

    def __init__(self, path: Path, formats: RecordingOptions, view: ViewOptions) -> None:
        from spikewire.sensors import SensorError, make_chain, open_recording

        settings: dict[str, Any] = formats.settings()
        self.recording: Recording = open_recording(path, policy="drop", **settings)
        self._view = view
        try:
            self._chain = make_chain(view.filters or (), self.recording.size)
        except SensorError as error:
            raise UsageError(str(error)) from error
        self.size = self._chain.size
        self.events = 0
        self.damage: str | None = None

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Yield the events between start and stop; damage ends them, and is kept."""
        from spikewire.sensors import DecodeError

        start, stop = self._view.start or 0, self._view.stop
        try:
            for chunk in cut_chunks(self.recording, start, stop):
                if len(events := self._chain.apply(chunk)):
                    self.events += len(events)
                    yield events
        except DecodeError as error:
            self.damage = str(error)

    def empty(self) -> str:
        """Return a sentence about a part without events."""
        return empty_part(self.recording.path, self._view.start or 0, self._view.stop)

    def slices(self) -> Slices:
        """Return the events in slices of one picture each.

        Raises
        ------
        CommandError
            While they are read, at a gap that would fill thousands of pictures with nothing.
        """
        from spikewire.sensors import Slices

        if self._view.step_us is None:
            return Slices(self.chunks, count=self._view.count)
        return Slices(self._without_gaps, time_us=self._view.step_us)

    def _without_gaps(self) -> Iterator[NDArray[Any]]:
        step_us = self._view.step_us or 1
        last: int | None = None
        for chunk in self.chunks():
            times = chunk["t"] if last is None else np.append(last, chunk["t"])
            last = int(times[-1])
            steps = np.diff(times)
            if len(steps) and int(steps.max()) > MOST_EMPTY * step_us:
                at = int(steps.argmax())
                empty = int(steps[at]) // step_us
                raise CommandError(
                    f"{self.recording.path} has no event between {int(times[at]):,} us and "
                    f"{int(times[at + 1]):,} us, which would be {empty:,} empty "
                    "pictures: cut it by --start and --stop, lengthen --every, or use --count"
                )
            yield chunk
