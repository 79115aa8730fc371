"""Detection of a recording's format: its header, and the decoder of its events."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikewire._hdf5 import is_hdf5
from spikewire.sensors.errors import SensorError, quoted
from spikewire.sensors.formats import aedat4
from spikewire.sensors.formats.aedat import (
    CHIPS,
    DVS128,
    Aedat2,
    Aedat3,
    Chip,
    Convention,
    aedat1_address_bytes,
    aedat1_jumps,
    davis,
)
from spikewire.sensors.formats.aedat3_compressed import COMPRESSIONS, CompressedAedat3
from spikewire.sensors.formats.archive import ZIP, holds_other_files
from spikewire.sensors.formats.array_folder import columns_of
from spikewire.sensors.formats.csv_decoder import Csv
from spikewire.sensors.formats.csv_layout import detect_layout
from spikewire.sensors.formats.decoder import Decoder
from spikewire.sensors.formats.diagnosis import diagnosis, is_nmnist, words_without_header
from spikewire.sensors.formats.fixed_records import ES_TYPES, EventStream, Nmnist
from spikewire.sensors.formats.header import HEAD, EventsStream, Header
from spikewire.sensors.formats.numpy_arrays import NPY
from spikewire.sensors.formats.parquet import MAGIC as PARQUET
from spikewire.sensors.formats.prophesee_header import detect_prophesee
from spikewire.sensors.formats.ros.magic import MAGICS, is_bag_folder

MATLAB = b"MATLAB 5.0 MAT-file"
"""Beginning of a .mat file; those of version 7.3 are HDF5."""


def detect_file(
    path: Path,
    *,
    columns: Sequence[str] | None,
    unit: str | None,
    convention: Convention = "jaer",
) -> Header:
    """Detect a recording's format by its content, and read its header.

    Raises
    ------
    SensorError
        If the file cannot be opened, or is of no known format, or of one that is not read.
    """
    try:
        kind = folder_format(path)
        if kind is not None:
            return Header(kind, None, 0)
        if path.is_dir():
            raise SensorError(f"{path} is a folder, not a recording.")
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise SensorError(f"{path} cannot be read: {error.strerror}.") from None
    found = detect(
        str(path), path.suffix.lower(), head, columns=columns, unit=unit, convention=convention
    )
    if found.format == "npz" and holds_other_files(path):
        return Header("zip", None, 0)
    return found


def folder_format(path: Path) -> str | None:
    """Return the short name of the format of a folder that is one recording, else None."""
    if not path.is_dir():
        return None
    if is_bag_folder(path):
        return "rosbag2"
    return "npy_folder" if columns_of(path) else None


def detect(
    name: str,
    suffix: str,
    head: bytes,
    *,
    columns: Sequence[str] | None = None,
    unit: str | None = None,
    convention: Convention = "jaer",
) -> Header:
    """Detect a format by a recording's first bytes, and read its header.

    Parameters
    ----------
    name
        The recording's name in messages.
    suffix
        How its name ends: N-MNIST and AEDAT 1.0 have nothing else to be told by.
    head
        Its first ``HEAD`` bytes, or all of it.
    columns, unit
        A text's columns and unit of time, where the caller knows them.
    convention
        Meaning of the addresses of AEDAT 1.0 and 2.0.

    Raises
    ------
    SensorError
        If it is of no known format, or of one that is not read.
    """
    if not head:
        raise SensorError(f"{name} is empty.")
    if head.startswith(aedat4.MAGIC):
        return _detect_aedat4(head)
    if head.startswith(b"#!AER-DAT"):
        return _with_origin(_detect_aedat(name, head, convention), head)
    if head.startswith(b"Event Stream"):
        return _detect_es(name, head)
    if head.startswith(NPY):
        return Header("npy", None, 0)
    if head.startswith(ZIP):
        return Header("npz", None, 0)
    if is_hdf5(head):
        return Header("hdf5", None, 0)
    for magic, kind in MAGICS.items():
        if head.startswith(magic):
            return Header(kind, None, 0)
    if head.startswith(PARQUET):
        return Header("parquet", None, 0)
    if head.startswith(MATLAB):
        return Header("mat", None, 0)
    if suffix in (".bin", ".aedat", ".dat"):
        _refuse_others(name, suffix, head)
    if suffix == ".bin":
        return Header("nmnist", None, 0, lambda size: Nmnist(size[1]))
    commented = head.startswith(b"%")
    if commented and suffix in (".raw", ".dat"):
        return _with_origin(detect_prophesee(name, suffix, head), head)
    layout = detect_layout(name, head, columns, unit)
    if layout is not None:
        return Header(
            "csv", layout.size, layout.header, lambda _: Csv(layout), note=layout.described
        )
    if commented:
        return _with_origin(detect_prophesee(name, suffix, head), head)
    if suffix in (".aedat", ".dat") or (head.startswith(b"#") and suffix == ""):
        return _detect_aedat(name, head, convention)
    _refuse_others(name, suffix, head)
    raise SensorError(
        f"{name} is of no format that is read: AEDAT 1.0 to 4.0, Prophesee RAW (EVT 2.0, 2.1, 3.0) "
        "and DAT, Event Stream, N-MNIST (.bin), MATLAB, CSV (also in ZIP), NPY, NPZ, HDF5, "
        "Parquet and ROS bags."
    )


def _refuse_others(name: str, suffix: str, head: bytes) -> None:
    """Refuse what is known to be no recording that is read, whatever its name ends in."""
    what = diagnosis(head)
    # Text and RAW with a header are told by their content, later.
    if what is None and not head.startswith((b"%", b"#")):
        what = words_without_header(head, suffix)
    if what is None and suffix == ".bin" and not is_nmnist(head):
        what = (
            "no N-MNIST, although its name ends in .bin: its times run backwards; if it is another "
            "format, name it so"
        )
    if what is not None:
        raise SensorError(f"{name} is {what}.")


def _with_origin(found: Header, head: bytes) -> Header:
    """Add the origin of times, which a line ``t0`` of the header holds."""
    stated = re.search(rb"^[%#]\s*t0:?\s+(-?\d{1,19})\s*$", head[: found.start], re.I | re.M)
    origin = int(stated[1]) if stated else 0
    return replace(found, origin_us=origin) if -(1 << 62) <= origin < 1 << 63 else found


def _detect_aedat4(head: bytes) -> Header:
    start = len(aedat4.MAGIC)
    if len(head) < start + 4:
        return Header("aedat4", None, start, damage="the header is cut short")
    size = struct.unpack_from("<I", head, start)[0]
    header = head[start + 4 : start + 4 + size]
    if len(header) < size:
        damage = "the header is cut short" if len(head) < HEAD else f"a header of {size:,} bytes"
        return Header("aedat4", None, start, damage=damage)
    compression, table, text = aedat4.header_fields(header)
    streams = aedat4.event_streams(text)
    stated = next((stream.size for stream in streams if stream.size is not None), None)
    return Header(
        "aedat4", stated, start + 4 + size, compression=compression, table=table, streams=streams,
        note=_named_streams(streams, 0),
    )  # fmt: skip


def choose_stream(name: str, header: Header, wanted: str) -> Header:
    """Return the header of a recording of which another stream of events is read.

    Parameters
    ----------
    name
        The recording's name in messages.
    header
        Its header.
    wanted
        The number of the stream, counted from 0.

    Raises
    ------
    SensorError
        If there is none of this number.
    """
    streams = header.streams
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 5 else -1
    if not 0 <= number < max(len(streams), 1):
        count = max(len(streams), 1)
        allowed = f"0 to {count - 1}" if count > 1 else "0"
        raise SensorError(
            f"{name} has no stream of events {quoted(wanted)[1:-1]}; allowed are {allowed}."
        )
    if not streams:
        return header
    chosen = streams[number]
    ordered = (chosen, *(stream for stream in streams if stream is not chosen))
    note = _named_streams(streams, number)
    return replace(header, streams=ordered, size=chosen.size or header.size, note=note)


def _named_streams(streams: Sequence[EventsStream], number: int) -> str:
    """Tell which of several streams is read, and name the others."""
    if len(streams) < 2:
        return ""

    def named(n: int) -> str:
        size, name = streams[n].size, streams[n].name
        facts = [name] if name else []
        facts += [f"{size[0]}x{size[1]}"] if size else []
        return f"{n} ({', '.join(facts)})" if facts else str(n)

    others = [named(n) for n in range(min(len(streams), 16)) if n != number]
    return f"stream of events {named(number)} is read; others are {', '.join(others)}"


def _hash_lines(head: bytes) -> tuple[list[str], int, bool]:
    """Read lines that begin with ``#``; returns them, where they end, and whether that is sure.

    A binary record may begin with the same byte: lines are printable, and end.
    """
    lines: list[str] = []
    at = 0
    while head[at : at + 1] == b"#":
        end = head.find(b"\n", at)
        if end < 0:
            # Cut within a line, unless it is no line.
            rest = head[at : at + 256]
            return lines, at, not all(b >= 32 or b in b"\t\r" for b in rest)
        line = head[at : end + 1]
        if any(byte < 32 and byte not in b"\t\r\n" for byte in line):
            break
        lines.append(line.decode("latin-1").strip())
        at = end + 1
        if lines[-1].startswith(("#!END-HEADER", "# End Of ASCII Header")):
            break
    return lines, at, True


def _chip_size(lines: Sequence[str]) -> tuple[str, tuple[int, int]] | None:
    for line in lines:
        if "AEChip" in line or line.startswith("#Source"):
            for name, size in CHIPS.items():
                if name in line.lower().replace("seebetter.", ""):
                    return name, size
    return None


def _detect_aedat(name: str, head: bytes, convention: Convention) -> Header:
    lines, start, whole = _hash_lines(head)
    version = next((line[9:].strip() for line in lines if line.startswith("#!AER-DAT")), "1.0")
    kind = {"1.0": "aedat1", "2.0": "aedat2", "3.0": "aedat3", "3.1": "aedat3"}.get(version)
    if not whole and (not lines or kind is not None):
        return Header(kind or "aedat1", None, start, damage="the header is cut short")
    if kind is None:
        raise SensorError(f"{name} is AEDAT {quoted(version)}, which is not read; 1.0 to 4.0 are.")
    known = _chip_size(lines)
    if kind == "aedat3":
        return _detect_aedat3(name, lines, start, version, known)
    body = np.frombuffer(head, np.uint8)[start:]
    width = 4 if version == "2.0" else aedat1_address_bytes(body)
    if any("int32 address" in line for line in lines):
        width = 4
    elif any("int16 address" in line for line in lines):
        width = 2
    if not lines and len(body) >= 512 and aedat1_jumps(body, width) > 0.2:
        raise SensorError(
            f"{name} is of no format that is known, and no AEDAT 1.0 either, although its name "
            "ends so: its times jump about."
        )
    note = ""
    if known is None:
        chip, note = _guess_chip(body, width)
    elif known[0] == "dvs128":
        chip = DVS128
    else:
        chip = davis(known[1])
    read = chip.under(convention)
    return Header(
        kind, chip.size, start, lambda size: Aedat2(read, width, chip.size or size), note=note
    )


def _guess_chip(body: np.ndarray[tuple[int], np.dtype[np.uint8]], width: int) -> tuple[Chip, str]:
    """Tell a chip by its addresses: those of the DVS128 have 16 bits."""
    step = width + 4
    rows = body[: len(body) // step * step].reshape(-1, step)
    if width == 4 and len(rows) and (rows[:, :2] > 0).any(1).mean() > 0.5:
        return davis(None), "a chip of the DAVIS family, by its addresses"
    return DVS128, "chip DVS128, by its addresses"


def _detect_aedat3(
    name: str,
    lines: Sequence[str],
    start: int,
    version: str,
    known: tuple[str, tuple[int, int]] | None,
) -> Header:
    stated = next((line[8:].strip() for line in lines if line.startswith("#Format:")), "RAW")
    compressed = stated != "RAW"
    if compressed and not {part.strip() for part in stated.split(",")} <= set(COMPRESSIONS):
        raise SensorError(
            f"{name} is AEDAT {version} of format {quoted(stated)}; RAW, "
            f"{' and '.join(COMPRESSIONS)} are read."
        )
    if version == "3.1" and (not lines or not lines[-1].startswith("#!END-HEADER")):
        return Header("aedat3", None, start, damage="the header is cut short")
    size = known[1] if known is not None else None
    low = version == "3.0"

    def decoder(size: tuple[int, int]) -> Decoder:
        plain = Aedat3(size[1] if low else 0)
        return CompressedAedat3(plain) if compressed else plain

    return Header("aedat3", size, start, decoder)


def _detect_es(name: str, head: bytes) -> Header:
    if len(head) < 16:
        return Header("es", None, 12, damage="the header is cut short")
    major, kind = head[12], head[15]
    if major != 2 or kind not in ES_TYPES:
        known = ", ".join(f"{number} ({what})" for number, what in ES_TYPES.items())
        raise SensorError(
            f"{name} is an Event Stream of version {major} and type {kind}; version 2 is read, of "
            f"the types {known}."
        )
    if len(head) < 20:
        return Header("es", None, 16, damage="the header is cut short")
    width, height = struct.unpack_from("<HH", head, 16)
    if not width or not height:
        return Header("es", None, 16, damage=f"a sensor of {width}x{height}")
    return Header("es", (width, height), 20, lambda size: EventStream(size[1], kind))
