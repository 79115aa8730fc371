"""Recordings through the ``aestream`` program, compared with our own reader event by event.

``aestream input file PATH output stdout`` prints a line ``t,x,y,p`` for each event, and its number
of events at the end. It runs in a process of its own, which may die: version 0.6.4 crashes on
damaged files, ends in silence on others, and gives wrong times for EVT 3.0.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from spikewire._children import supervised
from spikewire.sensors.errors import DecodeError, SourceError
from spikewire.sensors.events import Events
from spikewire.sensors.formats.csv_decoder import Csv
from spikewire.sensors.formats.csv_layout import Layout
from spikewire.sensors.formats.header import Header
from spikewire.sensors.recordings.reading import read_decoded

SILENT_S = 60.0
"""Longest wait for the next bytes of the program."""

_LINES = Layout(("t", "x", "y", "p"), "us", 0, "caller")
_LAST_LINE = re.compile(rb"Sent a total of (\d+) events\s*$")
_HELD = 64
"""Bytes that may be the last line."""


def find_program() -> str:
    """Find the ``aestream`` program, beside this interpreter first.

    Raises
    ------
    SourceError
        If there is none.
    """
    beside = Path(sys.executable).with_name("aestream")
    found = str(beside) if beside.is_file() else shutil.which("aestream")
    if found is None:
        raise SourceError(
            "There is no program aestream here: it comes with Python 3.11 only. Use camera: for a "
            "camera, file: for a recording, or any sender of SPIF with udp:."
        )
    return found


def complaint(output: bytes) -> str:
    """Return the line that a C++ program complained with: what it threw, or its last one."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line]
    last = next((line for line in reversed(lines) if "what():" in line), lines[-1] if lines else "")
    return last.removeprefix("what():").strip().rstrip(".")[:300]


class _Program:
    """The running program, read like a file of its lines; without its last one."""

    def __init__(self, path: Path, program: Sequence[str]) -> None:
        self._path = path
        self._held = b""
        self.ended = False
        self.announced: int | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [*program, "input", "file", str(path.absolute()), "output", "stdout"]
        self._process = subprocess.Popen(
            supervised(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.close()  # ends the program, by its supervisor
        process.wait()
        self._errors.close()

    def read(self, count: int, /) -> bytes:
        """Read at least a byte, and about so many, of the lines; nothing at their end."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while not self.ended:
            if not select.select([pipe], [], [], SILENT_S)[0]:
                raise DecodeError(self._path, f"aestream has said nothing for {SILENT_S:g} s.")
            data = os.read(pipe, count)
            self._held += data
            if not data:
                self.ended = True
                last = _LAST_LINE.search(self._held)
                if last is not None:
                    self.announced = int(last[1])
                    self._held = self._held[: last.start()]
            elif len(self._held) > _HELD:
                ready, self._held = self._held[:-_HELD], self._held[-_HELD:]
                return ready
        ready, self._held = self._held, b""
        return ready

    def fault(self, events: int) -> str | None:
        """Wait for the program's end, and tell what went wrong; ``events`` were read."""
        code = self._process.wait()
        self._errors.seek(0)
        said = complaint(self._errors.read(1 << 16))
        said = f", saying: {said}" if said else ""
        if code:
            how = f"died of signal {-code}" if code < 0 else f"failed with code {code}"
            return f"aestream {how} after {events:,} events{said}."
        if self.announced is None:
            return f"aestream ended in silence after {events:,} events{said}."
        if self.announced != events:
            return f"aestream sent {self.announced:,} events, of which {events:,} arrived."
        return None


def read_by_aestream(
    path: Path, origin_us: int = 0, *, program: Sequence[str] | None = None
) -> Iterator[Events]:
    """Yield the unchecked events that aestream reads, as they come.

    The program waits while nothing is taken, and ends when the generator is closed, or with this
    process.

    Parameters
    ----------
    path
        The recording.
    origin_us
        Time to be added to every event, of which aestream knows nothing.
    program
        The command to start; None for ``aestream`` where it is found.

    Raises
    ------
    SourceError
        If there is no such program.
    DecodeError
        After the events before, if it dies, ends without its last line, or says nothing for long.
    """
    lines = Header("csv", None, 0, lambda _: Csv(_LINES), origin_us=origin_us)
    count = 0
    with _Program(path, [find_program()] if program is None else program) as running:
        pipe: BinaryIO = running  # type: ignore[assignment]
        cut: DecodeError | None = None
        try:
            for events in read_decoded(path, pipe, lines, (0, 0)):
                count += len(events)
                yield events
        except DecodeError as error:
            if error.offset is None:
                raise
            cut = error  # a line that is none; why it is tells the program's end
        # A program that goes on is not waited for.
        fault = running.fault(count) if running.ended else None
        if fault is not None:
            raise DecodeError(path, fault)
        if cut is not None:
            raise DecodeError(path, f"aestream printed what is no event: {cut.reason}")


def compared(
    path: Path, reader: str, theirs: Iterator[Events], ours: Iterator[Events]
) -> Iterator[Events]:
    """Yield the events of another reader for as long as they are those of ours.

    Raises
    ------
    DecodeError
        After the equal events: at the first difference, at the damage that ours met, or where the
        other reader ended early.
    """
    count = 0
    rest = np.zeros(0, np.uint8)
    for events in theirs:
        packed = np.ascontiguousarray(events).view(np.uint8)
        step = events.dtype.itemsize
        at = 0
        while at < len(packed):
            if not len(rest):
                try:
                    rest = _next(ours)
                except DecodeError:
                    yield events[: at // step]
                    raise
            n = min(len(rest), len(packed) - at)
            wrong = np.flatnonzero(packed[at : at + n] != rest[:n])
            if len(wrong) or not n:
                first = at // step + (int(wrong[0]) // step if len(wrong) else 0)
                yield events[:first]
                other = f"reads {_shown(rest, int(wrong[0]) // step, events)}" if n else "ends"
                raise DecodeError(
                    path,
                    f"{reader} gives event {count + first - at // step:,} (counted from 0) as "
                    f"{_named(events[first])}, where spikewire {other}.",
                )
            rest = rest[n:]
            at += n
            count += n // step
        yield events
    if len(rest) or len(_next(ours)):
        raise DecodeError(
            path, f"{reader} ends after {count:,} events, where spikewire reads more."
        )


def _next(ours: Iterator[Events]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    for events in ours:
        if len(events):
            return np.ascontiguousarray(events).view(np.uint8)
    return np.zeros(0, np.uint8)


def _shown(packed: np.ndarray[tuple[int], np.dtype[np.uint8]], number: int, like: Events) -> str:
    return _named(packed.view(like.dtype)[number])


def _named(event: np.void) -> str:
    return ", ".join(f"{name} {int(event[name])}" for name in ("t", "x", "y", "p"))
