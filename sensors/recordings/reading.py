"""Reading loops: decoders fed with chunks of a file or a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from spikewire.sensors.errors import DecodeError
from spikewire.sensors.events import Checked, Events
from spikewire.sensors.formats import aedat4
from spikewire.sensors.formats.header import Header


class Readable(Protocol):
    """A file, a pipe, or a member of an archive."""

    def read(self, count: int, /) -> bytes:
        """Read up to so many bytes; none at the end."""


CHUNK = 1 << 17
"""Bytes read at once: 32 events may lie in 8 bytes of EVT 2.1, so 14 MiB of events at most."""


def read_decoded(
    path: Path | str,
    file: Readable,
    found: Header,
    size: tuple[int, int],
    left_out: Counter[str] | None = None,
) -> Iterator[Events]:
    """Yield unchecked events of a format that has a decoder, from a file or a pipe.

    Parameters
    ----------
    path
        What to call it in messages.
    file
        Read from where it stands, which is ``found.start``.
    found
        What its header says.
    size
        (width, height) of the sensor, for formats that count from another corner.
    left_out
        Takes the counts of events that are declared unusable.

    Raises
    ------
    DecodeError
        After the events before the damage.
    """
    assert found.decoder is not None
    decoder = found.decoder(size)
    at = found.start
    rest = b""
    try:
        while True:
            more = file.read(CHUNK)
            data = rest + more
            if not more and not rest:
                break
            if not more:
                # A text's last line may lack its end.
                finish: Callable[[bytes], bytes] = getattr(decoder, "finish", bytes)
                data = finish(rest)
            events, used = decoder.decode(np.frombuffer(data, np.uint8))
            at += used
            if len(events):
                if found.origin_us:
                    events["t"] += found.origin_us
                yield events
            if decoder.fault is not None:
                raise DecodeError(path, f"{decoder.fault}.", at)
            rest = data[used:]
            if not more:
                break
        short: int = getattr(decoder, "short", 0)
        if rest or short:
            raise DecodeError(path, f"{len(rest)} of {decoder.unit}.", at)
    finally:
        if left_out is not None:
            left_out.update({name: n for name, n in decoder.left_out.items() if n})


def read_aedat4(
    path: Path | str,
    file: BinaryIO,
    found: Header,
    length: int | None,
    left_out: Counter[str] | None = None,
    checked: Checked | None = None,
) -> Iterator[Events]:
    """Yield events of AEDAT 4.0, from a file or a pipe (``length`` is then None).

    Only the first stream of events is read; the events of others are counted as left out.
    ``checked`` is told whether what is yielded breaks no rule.

    Raises
    ------
    DecodeError
        After the events of whole packets before the damage.
    """
    table = found.table
    stop = table if table >= found.start and (length is None or table <= length) else None
    numbers = {each.number for each in found.streams}
    wanted = found.streams[0].number if found.streams else None
    at = found.start
    unpacker = aedat4.Unpacker(found.compression)
    try:
        for here, stream, payload in aedat4.packets(file, found.start, stop):
            at = here
            if numbers and stream not in numbers:
                continue
            whole = unpacker.unpack(payload)
            if bytes(whole[8:12]) != b"EVTS":
                if numbers:
                    raise aedat4.DamageError("this is no packet of events")
                continue
            wanted = stream if wanted is None else wanted
            for events in aedat4.packet_events(whole, checked):
                if stream == wanted:
                    yield events
                elif left_out is not None:
                    left_out["other_stream"] += len(events)
    except aedat4.DamageError as damage:
        where = damage.args[1] if len(damage.args) > 1 else at
        raise DecodeError(path, f"{damage.args[0]}.", where) from None
    if length is None:
        return
    if stop is None and table > length:
        raise DecodeError(path, "the file ends before its data table.", length)
    if stop is not None and not _whole_table(file, stop, length):
        raise DecodeError(path, "the data table is cut short.", stop)


def _whole_table(file: BinaryIO, at: int, length: int) -> bool:
    """Tell whether the table, an LZ4 or Zstandard frame or a flatbuffer, is all there."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        return False
    if head[:4] == b"\x04\x22\x4d\x18":
        return aedat4.lz4_frame_end(file, at, length) == length
    if head[:4] == b"\x28\xb5\x2f\xfd":
        file.seek(at)
        with suppress(aedat4.DamageError):
            aedat4.Unpacker(aedat4.ZSTD).unpack(file.read(aedat4.MOST_BYTES))
            return True
        return False
    return at + 4 + int.from_bytes(head[:4], "little") <= length
