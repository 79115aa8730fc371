"""Recordings: one way to read every format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np

from spikewire.sensors.errors import DecodeError, SensorError
from spikewire.sensors.events import (
    EVENT_DTYPE,
    Checked,
    Events,
    FaultError,
    Policy,
    no_events,
)
from spikewire.sensors.formats.aedat import DAVIS_SIZES, Convention
from spikewire.sensors.formats.container import Wish, split_member
from spikewire.sensors.formats.csv_layout import check_unit, parse_columns
from spikewire.sensors.formats.detect import choose_stream, detect_file
from spikewire.sensors.formats.fixed_records import OVERFLOW_ROW
from spikewire.sensors.formats.header import NAMES, Header
from spikewire.sensors.formats.numpy_arrays import read_numpy
from spikewire.sensors.recordings.aestream_reader import compared, read_by_aestream
from spikewire.sensors.recordings.containers import open_container
from spikewire.sensors.recordings.reading import read_aedat4, read_decoded
from spikewire.sensors.recordings.slices import Slices
from spikewire.sensors.recordings.sorting import in_time_order

Reader = Literal["spikewire", "aestream", "faery"]
"""Decoding library. Ours is exact on every format; for the others see docs/formats.md.

What aestream reads is compared with ours, and ends with a :class:`DecodeError` at a difference.
"""


class Recording:
    """A file of events, decoded in chunks: memory does not grow with the file.

    Attributes
    ----------
    path, format, reader
        The file, its format in words, and the decoding library.
    note
        Facts detected from the content rather than stated, such as a text's columns.
    size
        (width, height) of the sensor.
    size_from
        ``"file"``, ``"caller"``, or ``"events"`` where the format does not say.
    counters
        Events dropped by the check, by reason; of the last reading.
    left_out
        Events that the recording itself declares unusable, by reason; of the last reading.
    damage
        The damage that :meth:`read` met and left out; else None.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        policy: Policy = "raise",
        columns: Sequence[str] | None = None,
        unit: str | None = None,
        reader: Reader = "spikewire",
        convention: Convention = "jaer",
        sort: bool = False,
    ) -> None:
        if reader not in get_args(Reader):
            raise SensorError(
                f"reader is {reader!r}; allowed are {', '.join(map(str, get_args(Reader)))}."
            )
        if convention not in get_args(Convention):
            raise SensorError(
                f"convention is {convention!r}; allowed are {', '.join(get_args(Convention))}."
            )
        self.path, self._member = split_member(path)
        self.policy: Policy = policy
        self._sort = sort
        self.reader: Reader = reader
        self.counters: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.damage: DecodeError | None = None
        self._file: BinaryIO | None = None
        self._columns, self._unit = columns, unit if unit is None else check_unit(unit)
        self._convention: Convention = convention
        self._header = self._detect()
        self.format, self.note = NAMES[self._header.format], self._header.note
        stated = self._header.size
        member = None if self._header.format == "aedat4" else self._member
        self._container = open_container(
            self.path, self._header.format, Wish(member, columns, self._unit)
        )
        if self._container is not None:
            stated, self.note = self._container.size, self._container.note
        if size is not None:
            self.size, self.size_from = size, "caller"
        elif stated is not None:
            self.size, self.size_from = stated, "file"
        else:
            self.size, self.size_from = self._infer(), "events"

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Recording {str(self.path)!r}: {self.format}, {width}x{height}>"

    def __getstate__(self) -> dict[str, Any]:
        # Processes of a DataLoader get recordings, and open their files themselves.
        return {**vars(self), "_file": None, "_header": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._header = self._detect()

    def _detect(self) -> Header:
        found = detect_file(
            self.path, columns=self._columns, unit=self._unit, convention=self._convention
        )
        if self._member is None or found.format != "aedat4":
            return found
        return choose_stream(str(self.path), found, self._member)

    def _infer(self) -> tuple[int, int]:
        """Take the extent of the events; of N-MNIST and DAVIS the smallest usual one."""
        width = height = 1
        with suppress(SensorError):
            for events in self._own((0, 0)):
                if len(events):
                    width = max(width, int(events["x"].max()) + 1)
                    height = max(height, int(events["y"].max()) + 1)
        marks = self.left_out["time_overflow"]
        self.left_out.clear()
        if marks and height <= OVERFLOW_ROW:
            return 256, OVERFLOW_ROW  # the ATIS, in columns of 8 bits
        if self._header.format == "nmnist":
            side = next(s for s in (34, 128, 256) if max(width, height) <= s)
            return side, side
        if self._header.format in ("aedat1", "aedat2"):
            held = (s for s in DAVIS_SIZES if width <= s[0] and height <= s[1])
            return next(held, DAVIS_SIZES[-1])
        # No sensor is larger, whatever one damaged event says.
        return min(width, 32768), min(height, 32768)

    def read(self, *, damaged: Literal["raise", "keep"] = "raise") -> Events:
        """Read the whole recording into one array.

        Parameters
        ----------
        damaged
            Treatment of a damaged file: ``"raise"``, or ``"keep"`` the events before the damage
            and put the error into ``damage``.

        Returns
        -------
        ndarray
            Contiguous ``EVENT_DTYPE`` array in time order: ``t`` in microseconds, ``x``, ``y``
            from the upper left, ``p`` 0 or 1. It takes 13 bytes for each event.

        Raises
        ------
        DecodeError
            If the file is damaged, and ``damaged`` is ``"raise"``.
        SensorError
            If an event breaks a rule of the sensor and the policy is ``"raise"``.

        Examples
        --------
        >>> from spikewire.sensors import open_recording
        >>> recording = open_recording("walk.aedat4")
        >>> events = recording.read()
        >>> recording.size, bool((events["t"][1:] >= events["t"][:-1]).all())
        ((128, 128), True)
        """
        if damaged not in ("raise", "keep"):
            raise SensorError(f"damaged is {damaged!r}; allowed are raise and keep.")
        parts: list[Events] = []
        self.damage = None
        try:
            for chunk in self.chunks():
                parts.append(chunk)
        except DecodeError as error:
            if damaged == "raise":
                raise
            self.damage = error
        if not parts:
            return no_events()
        # As bytes: NumPy joins records field by field, at half the speed.
        return np.concatenate([part.view(np.uint8) for part in parts]).view(EVENT_DTYPE)

    @property
    def first_us(self) -> int | None:
        """Time of the first event, where a reading can begin later without reading what is before;
        else None."""
        known = self._container if self.reader == "spikewire" else None
        return None if known is None else known.first_us

    def chunks(self, *, start_us: int = 0) -> Generator[Events]:
        """Yield checked event arrays in time order; memory does not grow with the file.

        Parameters
        ----------
        start_us
            Time after the first event at which to begin. HDF5, Parquet and ROS bags begin there;
            other formats are read from their beginning.

        Raises
        ------
        DecodeError
            After the events before the damage, if the file is damaged.
        SensorError
            After the events before it, if an event breaks a rule of the sensor and the policy is
            ``"raise"``.
        """
        self.counters.clear()
        self.left_out.clear()
        known = Checked(self.size, after=-(2**62))
        first = self.first_us
        decoded = self._decoded(start_us, None if self._sort else known)
        for events in in_time_order(decoded) if self._sort else decoded:
            if not len(events):
                continue
            fault: FaultError | None = None
            try:
                checked = known.check(events, self.policy, self.counters)
            except FaultError as error:
                fault, checked = error, events[: error.first]
            if len(checked):
                known.after = int(checked["t"][-1])
                first = int(checked["t"][0]) if first is None else first
                if start_us > 0:
                    checked = checked[np.searchsorted(checked["t"], first + start_us) :]
                if len(checked):
                    yield checked
            if fault is not None:
                late = not self._sort and "time backwards" in str(fault)
                hint = " Events are put in time order by sort (--sort)." if late else ""
                raise SensorError(f"{self.path}: {fault}{hint}") from None

    def slices(
        self, *, time_us: int | None = None, count: int | None = None, signed: bool = False
    ) -> Slices:
        """Return the recording in slices of a time or of a number of events.

        Parameters
        ----------
        time_us
            Length of a slice in microseconds, from the first event on. A slice may be empty.
        count
            Events of a slice; the last one may have fewer.
        signed
            Give polarities as int8, for transforms that write -1 into them (``ToVoxelGrid`` of
            Tonic).

        Raises
        ------
        SensorError
            If not exactly one of both is given, or it is below 1.

        Examples
        --------
        >>> from spikewire.sensors import open_recording
        >>> slices = open_recording("walk.aedat4").slices(count=1000)
        >>> len(slices[0]), slices[0].dtype.names
        (1000, ('t', 'x', 'y', 'p'))
        """
        return Slices(self.chunks, time_us=time_us, count=count, signed=signed)

    @property
    def progress(self) -> float | None:
        """Share of the file that was read so far, from 0 to 1; None where it is not known."""
        if self._container is not None:
            return self._container.progress
        file = self._file
        if file is None:
            return None
        try:
            return file.tell() / max(os.fstat(file.fileno()).st_size, 1)
        except ValueError:  # closed: it was read to its end
            return 1.0

    def _decoded(self, start_us: int, known: Checked | None) -> Iterator[Events]:
        if self.reader == "aestream":
            theirs = read_by_aestream(self.path, self._header.origin_us)
            yield from compared(self.path, "aestream", theirs, self._own(self.size))
        elif self.reader == "faery":
            yield from self._faery()
        else:
            yield from self._own(self.size, start_us, known)

    def _own(
        self, size: tuple[int, int], start_us: int = 0, known: Checked | None = None
    ) -> Iterator[Events]:
        found = self._header
        if self._container is not None:
            yield from self._container.events(start_us, self.left_out)
            return
        if found.damage is not None:
            raise DecodeError(self.path, f"{found.damage}.", found.start)
        try:
            with open(self.path, "rb") as file:
                self._file = file
                if found.format in ("npy", "npz"):
                    yield from read_numpy(self.path, file, columns=self._columns, unit=self._unit)
                    return
                file.seek(found.start)
                if found.format == "aedat4":
                    length = os.fstat(file.fileno()).st_size
                    yield from read_aedat4(self.path, file, found, length, self.left_out, known)
                else:
                    yield from read_decoded(self.path, file, found, size, self.left_out)
        except OSError as error:
            raise SensorError(f"{self.path} cannot be read: {error.strerror}.") from None

    def _faery(self) -> Iterator[Events]:
        import faery

        try:
            stream = faery.events_stream_from_file(str(self.path), dimensions_fallback=self.size)
            for packet in stream:
                events = np.empty(len(packet), EVENT_DTYPE)
                for name, source in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
                    events[name] = packet[source]
                yield events
        except BaseException as error:
            # What it has not implemented it panics at, which is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise DecodeError(self.path, f"{error} (faery).") from None


def open_recording(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    policy: Policy = "raise",
    columns: str | Sequence[str] | None = None,
    unit: str | None = None,
    reader: Reader = "spikewire",
    convention: Convention = "jaer",
    sort: bool = False,
) -> Recording:
    """Open a recording of any format that is read.

    The file is open only while it is read, so there is nothing to close.

    Parameters
    ----------
    path
        The file; its format is detected by its content.
    size
        (width, height), for formats that do not say.
    policy
        Treatment of events that break a rule: ``"raise"``, or ``"drop"`` and count.
    columns
        The order of a text's or a table's columns, such as ``"x,y,p,t"``; ``-`` passes one over.
        None takes it from a header or from the values.
    unit
        Unit of a text's or an array's times: s, ms, us or ns. None takes it from a header, else
        seconds for fractions and microseconds for whole numbers.
    reader
        Decoding library: this package, or another one to compare with.
    convention
        Meaning of the addresses of AEDAT 1.0 and 2.0: ``"jaer"``, as jAER, libcaer and v2e write
        them, or ``"document"``, as the format's document says.
    sort
        Put events in time order: those that are at most a million events late.

    Returns
    -------
    Recording
        Its format, its sensor's size, and its events by :meth:`Recording.read` in one array or by
        :meth:`Recording.chunks` piece by piece.

    Raises
    ------
    SensorError
        If there is no such file, or its format is not read.

    Examples
    --------
    >>> from spikewire.sensors import open_recording
    >>> open_recording("walk.aedat4")
    <Recording 'walk.aedat4': AEDAT 4.0, 128x128>
    >>> events = open_recording("walk.aedat4").read()
    >>> events.dtype.names
    ('t', 'x', 'y', 'p')
    """
    if isinstance(columns, str):
        columns = parse_columns(columns)
    return Recording(
        Path(path), size=size, policy=policy, columns=columns, unit=unit, reader=reader,
        convention=convention, sort=sort,
    )  # fmt: skip
