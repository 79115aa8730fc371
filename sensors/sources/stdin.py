"""Events from standard input: any format that is read in order, as it comes."""

from __future__ import annotations

import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

import trio

from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.events import Deliver, Events, Packet, Policy, check_events, no_events
from spikewire.sensors.formats.detect import detect
from spikewire.sensors.formats.header import HEAD, NAMES, Header
from spikewire.sensors.recordings.reading import read_aedat4, read_decoded
from spikewire.sensors.sources.outliers import NEWEST, LoneOutliers, stretches

SUFFIXES: Mapping[str, str] = {"nmnist": ".bin", "aedat1": ".aedat"}
"""Formats that cannot be told by their content, and the name's end that tells them."""


_TELLING = 256
_HELD_S = 1.0
"""Events that may be wrong wait for so long: by then a clock has caught up with them, unless they
are so far ahead that a segment begins."""


class _Pipe(io.RawIOBase):
    """A pipe whose reads give what there is, instead of waiting for all that was asked for."""

    def __init__(self, file: int, head: bytes) -> None:
        self._file, self._head = file, head

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1, /) -> bytes:
        if self._head:
            out, self._head = self._head[:count], self._head[count:]
            return out
        return os.read(self._file, count)


class _Whole(_Pipe):
    """The same, for packets: waits for all that was asked for."""

    def read(self, count: int = -1, /) -> bytes:
        out = b""
        while len(out) < count:
            more = super().read(count - len(out))
            if not more:
                break
            out += more
        return out


class StdinSource:
    """A recording that comes through standard input, while it comes.

    NumPy's formats cannot: their rows lie where only a file can be read.

    Parameters
    ----------
    size
        (width, height) of the sensor; None takes it from the header.
    format
        Short name of a format that its content does not tell: ``"nmnist"``, ``"aedat1"``.
    columns, unit
        As for :func:`sensors.open_recording`.
    file
        The descriptor to read; standard input.

    Raises
    ------
    SensorError
        If it is empty, of no known format, or says no size and none is given.
    """

    name = "stdin:"
    live = False  # a pipe makes its writer wait: nothing need be lost

    def __init__(
        self,
        *,
        size: tuple[int, int] | None = None,
        format: str | None = None,
        columns: tuple[str, ...] | None = None,
        unit: str | None = None,
        policy: Policy = "drop",
        file: int | None = None,
    ) -> None:
        if format is not None and format not in SUFFIXES:
            raise SourceError(f"format is {format!r}; allowed are {', '.join(SUFFIXES)}.")
        self._file = sys.stdin.fileno() if file is None else file
        suffix = SUFFIXES.get(format or "", "")
        head = b""
        while True:
            more = os.read(self._file, 65536)
            head += more
            try:
                found = detect("Standard input", suffix, head, columns=columns, unit=unit)
            except SensorError:
                # Too little may have come yet to tell.
                if not more or len(head) >= HEAD:
                    raise
                continue
            # Behind a whole header lies what is none; some of it tells what the header does not.
            whole = found.damage is None and len(head) - found.start >= _TELLING
            if not more or whole or len(head) >= HEAD:
                break
        self._head = head
        if found.damage is not None:
            raise SourceError(f"Standard input: {found.damage}.")
        if found.decoder is None and found.format != "aedat4":
            kind = "a ZIP archive" if found.format == "npz" else NAMES[found.format]
            raise SourceError(f"Standard input is {kind}, which needs a file.")
        sized = size or found.size
        if sized is None:
            raise SourceError(
                f"Standard input is {NAMES[found.format]}, which does not say the sensor's size; "
                "give it, as in stdin:?size=346x260."
            )
        self.size = sized
        self._found: Header = found
        self._policy: Policy = policy
        self._counts: Counter[str] = Counter()
        self._outliers = LoneOutliers(self._counts)
        self._newest = NEWEST
        self._fault: SensorError | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered, and events dropped by reason."""
        return self._counts

    async def run(self, deliver: Deliver) -> None:
        """Deliver events until the input ends; a damaged one raises after its last whole event."""
        pieces = self._pieces()
        last = segment = 0
        more = True
        try:
            while more:
                if self._outliers.holding and not await self._readable():
                    stretches = list(self._checked(self._outliers.release()))
                else:
                    # An abandoned read ends with the program: nobody else reads standard input.
                    stretches, more = await trio.to_thread.run_sync(
                        self._read, pieces, abandon_on_cancel=True
                    )
                for events, restarted in stretches:
                    segment += restarted
                    if not len(events):
                        continue
                    last = int(events["t"][-1])
                    self._counts["events"] += len(events)
                    self._counts["packets"] += 1
                    await deliver(Packet(events, self.size, last, time.monotonic_ns(), segment))
            if self._fault is not None:
                raise self._fault
        finally:
            self._outliers.drop_held()
        await deliver(Packet(no_events(), self.size, last, time.monotonic_ns(), segment, last=True))

    def _pieces(self) -> Iterator[Events]:
        """Yield unchecked events as they come."""
        found, rest = self._found, self._head[self._found.start :]
        if found.format == "aedat4":
            whole: BinaryIO = _Whole(self._file, rest)  # type: ignore[assignment]
            return read_aedat4("Standard input", whole, found, None, self._counts)
        pipe: BinaryIO = _Pipe(self._file, rest)  # type: ignore[assignment]
        return read_decoded("Standard input", pipe, found, self.size, self._counts)

    async def _readable(self) -> bool:
        """Wait for more, as long as events are held at most; tells whether it has come."""
        with trio.move_on_after(_HELD_S):
            # A file cannot be waited for, and makes nobody wait.
            with suppress(PermissionError):
                await trio.lowlevel.wait_readable(self._file)
            return True
        return False

    def _read(self, pieces: Iterator[Events]) -> tuple[list[tuple[Events, bool]], bool]:
        """Read once; returns checked events as :meth:`_checked` does, and whether more may come."""
        try:
            events = next(pieces, None)
        except SensorError as error:
            self._fault, events = error, None
        if events is None:
            return list(self._checked(self._outliers.release())), False
        if self._policy == "drop":
            events = self._outliers.take(events, 0)
        return list(self._checked(events)), True

    def _checked(self, piece: Events) -> Iterator[tuple[Events, bool]]:
        """Yield checked events, and whether the sender's clock began anew with them."""
        for events, restarted in stretches(piece, self._newest):
            if restarted:
                self._newest = NEWEST
                self._counts["time_restarts"] += 1
            try:
                checked = check_events(
                    events, self.size, policy=self._policy, counters=self._counts,
                    after=self._newest,
                )  # fmt: skip
            except SensorError as error:
                raise SensorError(f"Standard input: {error}") from None
            if len(checked):
                self._newest = int(checked["t"][-1])
            yield checked, restarted
