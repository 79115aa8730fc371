"""Recordings written byte by byte from the formats' documentation, for tests to read back.

Each writer takes events as (t, x, y, p) and returns a file. None of them shares a line with a
decoder: fields are shifted and packed here as the documents say.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Sequence

import lz4.frame
import numpy as np
import zstandard

from tests.reference.tables import (
    aedat3_packed,
    es_atis,
    evimo,
    mat,
    mat_compressed,
    metavision_csv,
    zipped_text,
)

Event = tuple[int, int, int, int]
Writer = Callable[[Sequence[Event]], bytes]

EVENTS: list[Event] = [
    (0, 1, 2, 1),
    (5, 33, 0, 0),
    (5, 7, 30, 1),
    (700, 0, 33, 0),
    (90_000, 12, 13, 1),
]
"""Fit every sensor, down to 34x34."""


def nmnist(events: Sequence[Event]) -> bytes:
    """Five bytes an event: x, y, then polarity in bit 23 and 23 bits of time, big-endian."""
    return b"".join(bytes([x, y]) + struct.pack(">I", (p << 23) | t)[1:] for t, x, y, p in events)


def dat(events: Sequence[Event], kind: int = 12) -> bytes:
    """ASCII header, event type and size, then time and address words, little-endian."""
    words = b"".join(
        struct.pack("<II", t & 0xFFFFFFFF, x | y << 14 | p << 28) for t, x, y, p in events
    )
    return b"% Version 2\n% Width 640\n% Height 480\n" + bytes([kind, 8]) + words


def dat1(events: Sequence[Event]) -> bytes:
    """Version 1: x in 9 bits, y in 8, polarity in bit 17."""
    words = b"".join(struct.pack("<II", t, x | y << 9 | p << 17) for t, x, y, p in events)
    return b"% Data file containing Event2d events.\n% Version 1\n\x00\x08" + words


def evt2(events: Sequence[Event], header: bytes = b"% evt 2.0\n% geometry 640x480\n") -> bytes:
    """TIME_HIGH (0x8) before each change of the time's upper bits, CD_OFF 0x0, CD_ON 0x1."""
    out = bytearray(header + b"% end\n")
    high = None
    for t, x, y, p in events:
        if t >> 6 != high:
            high = t >> 6
            out += struct.pack("<I", 0x8 << 28 | (high & 0xFFFFFFF))
        out += struct.pack("<I", p << 28 | (t & 0x3F) << 22 | x << 11 | y)
    return bytes(out)


def evt21(
    events: Sequence[Event], order: str = "<Q", header: bytes = b"% endianness little\n"
) -> bytes:
    """64 bits: type, 6 low bits of time, x (a multiple of 32), y, and 32 bits of columns."""

    def word(value: int) -> bytes:
        if order == "legacy":  # the upper half is sent first, each half little-endian
            return struct.pack("<II", value >> 32, value & 0xFFFFFFFF)
        return struct.pack(order, value)

    out = bytearray(b"% evt 2.1\n% geometry 640x480\n" + header + b"% end\n")
    high = None
    for t, x, y, p in events:
        if t >> 6 != high:
            high = t >> 6
            out += word(0x8 << 60 | (high & 0xFFFFFFF) << 32)
        base = x & ~31
        head = p << 60 | (t & 0x3F) << 54 | base << 43 | y << 32
        out += word(head | 1 << (x - base))
    return bytes(out)


def evt21_legacy(events: Sequence[Event]) -> bytes:
    """As IMX636 sends it."""
    return evt21(events, "legacy", b"% endianness legacy\n")


def evt3(
    events: Sequence[Event], header: bytes = b"% evt 3.0\n% geometry 640x480\n% end\n"
) -> bytes:
    """TIME_HIGH 0x8, TIME_LOW 0x6, ADDR_Y 0x0, then ADDR_X 0x2, 12 bits each."""
    out = bytearray(header)
    high = None
    for t, x, y, p in events:
        if t >> 12 != high:
            high = t >> 12
            out += struct.pack("<H", 0x8 << 12 | (high & 0xFFF))
        out += struct.pack("<H", 0x6 << 12 | (t & 0xFFF))
        out += struct.pack("<H", 0x0 << 12 | y)
        out += struct.pack("<H", 0x2 << 12 | p << 11 | x)
    return bytes(out)


def evt3_other_header(events: Sequence[Event]) -> bytes:
    """The other style of header: ``format`` with its size beside it."""
    return evt3(events, b"% format EVT3;height=480;width=640\n% end\n")


def es(events: Sequence[Event], size: tuple[int, int] = (320, 240)) -> bytes:
    """Steps of time below 127 in seven bits; 0xFF adds 127; rows count from below."""
    out = bytearray(b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", *size))
    now = 0
    for t, x, y, p in events:
        step = t - now
        now = t
        out += b"\xff" * (step // 127)
        out += bytes([(step % 127) << 1 | p]) + struct.pack("<HH", x, size[1] - 1 - y)
    return bytes(out)


def dvs128_address(x: int, y: int, p: int) -> int:
    """Columns from the right, rows from below; jAER's extractor takes the bit 1 for OFF."""
    return (127 - y) << 8 | (127 - x) << 1 | 1 - p


def aedat1(events: Sequence[Event]) -> bytes:
    """No version line; 16-bit addresses of the DVS128, big-endian."""
    return b"# made by hand\r\n" + b"".join(
        struct.pack(">HI", dvs128_address(x, y, p), t) for t, x, y, p in events
    )


def aedat2(events: Sequence[Event]) -> bytes:
    """DVS128: the same addresses in 32 bits."""
    return b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n" + b"".join(
        struct.pack(">II", dvs128_address(x, y, p), t & 0xFFFFFFFF) for t, x, y, p in events
    )


def aedat2_davis(events: Sequence[Event]) -> bytes:
    """DAVIS240: y in bits 22..30, x in 12..21, polarity in 11; between them a frame's sample.

    jAER counts columns from the right, and rows from below.
    """
    out = bytearray(b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n")
    for t, x, y, p in events:
        out += struct.pack(">II", (179 - y) << 22 | (239 - x) << 12 | p << 11, t)
        out += struct.pack(">II", 1 << 31 | 3 << 22 | 4 << 12 | 77, t)
    return bytes(out)


def aedat3(events: Sequence[Event], per_packet: int = 2) -> bytes:
    """Headers of 28 bytes, polarity events of 8; a packet of special events lies between."""
    out = [
        b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
        b"#Start-Time: 2016-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
    ]
    groups: list[list[Event]] = []
    for event in events:
        if not groups or len(groups[-1]) == per_packet or groups[-1][0][0] >> 31 != event[0] >> 31:
            groups.append([])
        groups[-1].append(event)
    for group in groups:
        n = len(group)
        over = group[0][0] >> 31
        # A special event, and an event that is not valid: neither is the camera's.
        out.append(struct.pack("<hhiiiiiiIi", 0, 1, 8, 4, over, 1, 1, 1, 3, 1))
        out.append(struct.pack("<hhiiiiii", 1, 1, 8, 4, over, n + 1, n + 1, n))
        out.append(struct.pack("<Ii", 9 << 17 | 9 << 2, 1))
        for t, x, y, p in group:
            out.append(struct.pack("<Ii", x << 17 | y << 2 | p << 1 | 1, t & 0x7FFFFFFF))
    return b"".join(out)


XML = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/0/"><attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/0/info/"><attr key="sizeX" type="int">346</attr>'
    '<attr key="sizeY" type="int">260</attr></node></node>'
    '<node name="1" path="/1/"><attr key="typeIdentifier" type="string">FRME</attr></node>'
    "</node></dv>"
)


def aedat4(
    events: Sequence[Event], compression: int = 0, table: bool = True, per_packet: int = 2
) -> bytes:
    """FlatBuffers by hand: IOHeader, EventPackets of 16-byte structs, and a table's stand-in."""
    pack: Callable[[bytes], bytes] = {
        0: bytes, 1: lz4.frame.compress, 3: zstandard.ZstdCompressor().compress,
    }[compression]  # fmt: skip
    body = b""
    for first in range(0, len(events), per_packet):
        group = events[first : first + per_packet]
        structs = b"".join(struct.pack("<qhhB3x", t, x, y, p) for t, x, y, p in group)
        # size | root, "EVTS", vtable(6 bytes, 2 of room), table, vector padded to 8.
        flat = struct.pack("<I4s", 16, b"EVTS") + struct.pack("<HHHH", 6, 8, 4, 0)
        flat += struct.pack("<iI", 8, 4) + struct.pack("<I", len(group))
        packet = pack(struct.pack("<I", len(flat) + len(structs)) + flat + structs)
        body += struct.pack("<iI", 0, len(packet)) + packet
        body += struct.pack("<iI", 1, 3) + b"any"  # a frame's packet, passed over
    xml = XML.encode()
    vtable = struct.pack("<HHHHH2x", 10, 20, 4, 8, 16)
    fixed = 8 + len(vtable)

    def header(at: int) -> bytes:
        flat = struct.pack("<I4s", fixed, b"IOHE") + vtable
        flat += struct.pack("<iiqI", len(vtable), compression, at, 4)
        return flat + struct.pack("<I", len(xml)) + xml

    start = len(b"#!AER-DAT4.0\r\n") + 4 + len(header(-1))
    done = header(start + len(body) if table else -1)
    out = b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(done)) + done + body
    return out + (struct.pack("<I", 8) + b"\x08\0\0\0FTAB" if table else b"")


def aedat4_lz4(events: Sequence[Event]) -> bytes:
    """LZ4 frames, with a table."""
    return aedat4(events, 1)


def aedat4_zstd(events: Sequence[Event]) -> bytes:
    """Zstandard frames, without a table."""
    return aedat4(events, 3, table=False)


def aedat4_stereo(events: Sequence[Event], right: Sequence[Event] | None = None) -> bytes:
    """Two streams of events; the packets of the second follow those of the first."""
    frame = struct.pack("<iI", 1, 3) + b"any"
    first = aedat4(events, table=False).replace(b"FRME", b"EVTS").replace(frame, b"")
    second = aedat4(events if right is None else right, table=False).replace(frame, b"")
    body = second[second.index(b"</dv>") + 5 :]
    at = 0
    while at < len(body):
        size = struct.unpack_from("<I", body, at + 4)[0]
        first += struct.pack("<iI", 1, size) + body[at + 8 : at + 8 + size]
        at += 8 + size
    return first


def csv(events: Sequence[Event]) -> bytes:
    """Named columns in an order of their own."""
    return b"x,y,polarity,timestamp\n" + b"".join(b"%d,%d,%d,%d\n" % (x, y, p, t)
                                                  for t, x, y, p in events)  # fmt: skip


def text(events: Sequence[Event]) -> bytes:
    """No header; seconds with decimals, apart by blanks."""
    return b"".join(b"%d.%06d %d %d %d\n" % (t // 1_000_000, t % 1_000_000, x, y, p)
                    for t, x, y, p in events)  # fmt: skip


def npy(events: Sequence[Event]) -> bytes:
    """Fields in another order and of other types than ours."""
    array = np.array(
        [(x, y, t, p) for t, x, y, p in events],
        [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")],
    )
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(events: Sequence[Event], compressed: bool = False) -> bytes:
    """One array per field."""
    out = io.BytesIO()
    t, x, y, p = (np.array([event[n] for event in events], np.int64) for n in range(4))
    (np.savez_compressed if compressed else np.savez)(out, t=t, x=x, y=y, p=p)
    return out.getvalue()


def npz_compressed(events: Sequence[Event]) -> bytes:
    """The same, deflated."""
    return npz(events, compressed=True)


def npz_streamed(events: Sequence[Event]) -> bytes:
    """A structured array in an archive that was written to a pipe: no sizes in its headers."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.all = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.all += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("events.npy", npy(events))
    return pipe.all


WRITERS: dict[str, tuple[str, Writer]] = {
    "aedat1": (".aedat", aedat1),
    "aedat2": (".aedat", aedat2),
    "aedat2_davis": (".aedat", aedat2_davis),
    "aedat3": (".aedat", aedat3),
    "aedat3_packed": (".aedat", aedat3_packed),
    "aedat4": (".aedat4", aedat4),
    "aedat4_lz4": (".aedat4", aedat4_lz4),
    "aedat4_zstd": (".aedat4", aedat4_zstd),
    "csv": (".csv", csv),
    "csv_comments": (".csv", metavision_csv),
    "text": (".txt", text),
    "text_zipped": (".zip", zipped_text),
    "dat": (".dat", dat),
    "dat1": (".dat", dat1),
    "es": (".es", es),
    "es_atis": (".es", es_atis),
    "evt2": (".raw", evt2),
    "evt21": (".raw", evt21),
    "evt21_legacy": (".raw", evt21_legacy),
    "evt3": (".raw", evt3),
    "evt3_other_header": (".raw", evt3_other_header),
    "mat": (".mat", mat),
    "mat_compressed": (".mat", mat_compressed),
    "nmnist": (".bin", nmnist),
    "npy": (".npy", npy),
    "npz": (".npz", npz),
    "npz_evimo": (".npz", evimo),
    "npz_compressed": (".npz", npz_compressed),
    "npz_streamed": (".npz", npz_streamed),
}
"""By name: how the file's name ends, and its writer."""
