"""Recordings of further formats, written byte by byte from their documentation."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from itertools import groupby

import numpy as np

Event = tuple[int, int, int, int]


def es_atis(events: Sequence[Event], measured: Sequence[int] = (2,)) -> bytes:
    """Event Stream 2, type 2: 6 bits of time, polarity, and a bit of brightness measurements.

    A measurement follows each event whose number is in ``measured``.
    """
    out = bytearray(b"Event Stream" + bytes([2, 0, 0, 2]) + struct.pack("<HH", 34, 34))
    last = 0
    for n, (t, x, y, p) in enumerate(events):
        step = t - last
        while step >= 63:
            times = min(3, step // 63)
            out.append(0xFC | times)
            step -= 63 * times
        out += struct.pack("<BHH", step << 2 | p << 1, x, 33 - y)
        if n in measured:
            out += struct.pack("<BHH", 1, x, 33 - y)
        last = t
    return bytes(out)


def es_colour(events: Sequence[Event]) -> bytes:
    """Event Stream 2, type 4: 8 bits of time, a place, and three bytes of colour."""
    out = bytearray(b"Event Stream" + bytes([2, 0, 0, 4]) + struct.pack("<HH", 34, 34))
    last = 0
    for t, x, y, _ in events:
        out += b"\xff" * ((t - last) // 254)
        out += struct.pack("<BHHBBB", (t - last) % 254, x, 33 - y, 1, 2, 255)
        last = t
    return bytes(out)


def aedat3_packed(events: Sequence[Event]) -> bytes:
    """AEDAT 3.1 as cAER compresses it: runs of equal times in compressed packets of their own."""
    out = bytearray(b"#!AER-DAT3.1\r\n#Format: SerializedTS,PNGFrames\r\n#Source 1: DVS128\r\n")
    out += b"#!END-HEADER\r\n"

    def packet(kind: int, capacity: int, number: int, body: bytes) -> bytes:
        return struct.pack("<HhiiiiII", kind, 1, 8, 4, 0, capacity, number, number) + body

    # A compressed packet of frames, which holds no events.
    out += packet(0x8002, 5, 1, b"\x89PNG.")
    for t, run in groupby(events, key=lambda event: event[0]):
        words = [x << 17 | y << 2 | p << 1 | 1 for _, x, y, p in run]
        if len(words) < 3:
            for word in words:
                out += packet(1, 1, 1, struct.pack("<II", word, t))
            continue
        body = struct.pack("<II", words[0], t | 1 << 31)
        body += struct.pack("<II", words[1], len(words) - 2)
        body += b"".join(struct.pack("<I", word) for word in words[2:])
        out += packet(0x8001, len(body), len(words), body)
    return bytes(out)


def element(kind: int, data: bytes) -> bytes:
    """Write an element of a MAT-file: type, size, data, padding to 8 bytes."""
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name: str, values: np.ndarray, stored: int, of: int) -> bytes:  # type: ignore[type-arg]
    """Write an array of numbers of class ``of``, stored as type ``stored``."""
    sides = values.shape if values.ndim == 2 else (len(values), 1)
    body = element(6, struct.pack("<II", of, 0)) + element(5, struct.pack("<ii", *sides))
    body += element(1, name.encode()) + element(stored, values.tobytes("F"))
    return element(14, body)


def mat_head() -> bytes:
    """Write the 128 bytes at a MAT-file's beginning."""
    return b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x01IM"


def mat(events: Sequence[Event], first: int = 0) -> bytes:
    """MATLAB's structure ``TD`` with the fields x, y, p and ts, as N-MNIST's scripts make it."""
    columns = np.array(events, np.int64).reshape(-1, 4)
    fields = ("x", "y", "p", "ts")
    body = element(6, struct.pack("<II", 2, 0)) + element(5, struct.pack("<ii", 1, 1))
    body += element(1, b"TD") + element(5, struct.pack("<i", 8))
    body += element(1, b"".join(name.encode().ljust(8, b"\0") for name in fields))
    places = (columns[:, n] + first for n in (1, 2, 3))
    for values, stored, of in zip(places, (4, 4, 2), (11, 11, 9), strict=True):
        body += matrix("", values.astype({4: "<u2", 2: "u1"}[stored]), stored, of)
    body += matrix("", columns[:, 0].astype("<f8"), 9, 6)
    return mat_head() + element(14, body)


def mat_compressed(events: Sequence[Event]) -> bytes:
    """The same, compressed as MATLAB does by default."""
    packed = zlib.compress(mat(events)[128:])
    return mat_head() + struct.pack("<II", 15, len(packed)) + packed


def zipped_text(events: Sequence[Event], size: str = "34 34\n") -> bytes:
    """A text of t x y p in seconds below a line of the sensor's size, in a ZIP archive."""
    lines = [f"{t / 1e6:.9f} {x} {y} {p}\n" for t, x, y, p in events]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.txt", size + "".join(lines))
        archive.writestr("calib.txt", "335.4 335.0 129.9 99.6 -0.13 0.009 0.0 0.0 0.0\n")
    return out.getvalue()


def metavision_csv(events: Sequence[Event]) -> bytes:
    """Metavision's text: comments, the geometry, then x,y,p,t without a header."""
    lines = [f"{x},{y},{p},{t}\n" for t, x, y, p in events]
    return ("%geometry:34,34\n" + "".join(lines)).encode()


def evimo(events: Sequence[Event]) -> bytes:
    """EVIMO's archive of three arrays."""
    columns = np.array(events, np.int64).reshape(-1, 4)
    out = io.BytesIO()
    np.savez(
        out, events_t=columns[:, 0] / 1e6, events_xy=columns[:, 1:3].astype("<u2"),
        events_p=columns[:, 3].astype("u1"),
    )  # fmt: skip
    return out.getvalue()
