"""Diagnosis of files of which no events are read: what they are, and what to do with them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

_UNPACK = "unpack it, and read what it holds"
_UNREAD = "of which no events are read here: write them as AEDAT 4.0, NumPy or text"
_VIDEO = "a video, which holds pictures and no events; simulators such as v2e make events of it"
_PICTURE = "a picture, which holds no events"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", f"compressed by gzip: {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"compressed by xz: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"compressed by Zstandard: {_UNPACK}"),
    (b"\x04\x22\x4d\x18", f"compressed by LZ4: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"an archive of 7-Zip: {_UNPACK}"),
    (b"Rar!\x1a\x07", f"an archive of RAR: {_UNPACK}"),
    (b"\x89PNG\r\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF87a", _PICTURE),
    (b"GIF89a", _PICTURE),
    (b"\x1a\x45\xdf\xa3", _VIDEO),
    (b"%PDF-", "a PDF, which holds no events"),
    (b"\x7fELF", "a program, and no recording"),
    (b"\xd4\xc3\xb2\xa1", "a capture of a network (pcap): replay it to udp: with tcpreplay"),
    (b"\xa1\xb2\xc3\xd4", "a capture of a network (pcap): replay it to udp: with tcpreplay"),
    (b"\x0a\x0d\x0d\x0a", "a capture of a network (pcapng): replay it to udp: with tcpreplay"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file: fetch it with git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex, not the file: fetch it with git annex get"),
    (b"MATLAB 5.0 MAT-file", f"a MATLAB file, {_UNREAD}"),
    (b"PARE", f"an encrypted table of Parquet, {_UNREAD}"),
    (b"AEDZ", "jAER's compressed AEDZ: save it as AEDAT 2.0 in jAER"),
)  # fmt: skip
"""Beginnings of files, and what they are."""


def diagnosis(head: bytes) -> str | None:
    """Tell what a file is by its first bytes, as the rest of a sentence: ``"a picture, ..."``.

    Formats that no beginning tells may have any, so what is taken for another's is long or rare.
    """
    known = next((what for magic, what in _BEGINNINGS if head.startswith(magic)), None)
    if known is not None:
        return known
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return f"compressed by bzip2: {_UNPACK}"
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return _VIDEO
    if head[257:262] == b"ustar":
        return f"an archive of tar: {_UNPACK}"
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 32:
        return "a network or tensors (safetensors), and no recording"
    if len(head) >= 64 and not head.strip(b"\0"):
        return "a file of zeros, as an unfinished download or copy leaves it"
    return _pickle(head) or _text(head)


def _pickle(head: bytes) -> str | None:
    framed = head[:1] == b"\x80" and head[2:3] == b"\x95" and head[8:11] == b"\0\0\0"
    plain = head[:3] in (b"\x80\x02]", b"\x80\x02}", b"\x80\x03]", b"\x80\x03}")
    if framed or (plain and head[3:4] == b"q") or head[:4] in (b"\x80\x02cn", b"\x80\x03cn"):
        return "a pickle of Python, which is a program: save arrays with numpy.savez"
    return None


def _text(head: bytes) -> str | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and head[2:66].count(b"\0") >= len(head[2:66]) // 2:
        return "a text in UTF-16: save it in UTF-8"
    start = head[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        page = b"html" in start[:200]
        return (
            "a web page: the download gave a page, perhaps a login, in place of the file"
            if page
            else "XML, which holds no events"
        )
    if start.startswith((b"{", b"[{")):
        return "JSON, which holds no events"
    first = start.split(b"\n", 1)[0].strip()
    if first.replace(b" ", b"") == b"class,starttime_usec,endtime_usec":
        return "a file of labels: give it with --labels beside its recording"
    return None


def words_without_header(head: bytes, suffix: str) -> str | None:
    """Tell words without a header by what their bits can mean, as :func:`diagnosis` does."""
    if len(head) >= 4 * 13 and is_wide_faery(head):
        return (
            "a dump of faery's UDP layout t64_x16_y16_on8, which has no header; it is NumPy's "
            "[('t', '<u8'), ('x', '<u2'), ('y', '<u2'), ('on', '?')]: save it with numpy.save"
        )
    if len(head) >= 8 * 8 and is_narrow_faery(head):
        return (
            "a dump of faery's UDP layout t32_x16_y15_on1, which has no header; save it with "
            "numpy.save as t, x, y, on"
        )
    for version, named in ((3, _evt3), (2, _evt2)):
        if len(head) >= 128 and named(head):
            return (
                f"words of EVT {version}.0 without a header; put the line '% evt {version}.0' and "
                "a line '% end' before them, and name it .raw"
            )
    if suffix == ".raw":
        return (
            "raw words without a header, which do not look like EVT 2.0 or 3.0; put a line such as "
            "'% evt 2.1' and a line '% end' before them"
        )
    return None


def is_nmnist(head: bytes) -> bool:
    """Tell whether times go on as in N-MNIST, whose files have nothing else to be told by."""
    rows = np.frombuffer(head, np.uint8, len(head) // 5 * 5).reshape(-1, 5).astype(np.int64)
    times = (rows[:, 2] & 0x7F) << 16 | rows[:, 3] << 8 | rows[:, 4]
    return len(times) < 64 or float((np.diff(times) < 0).mean()) < 0.2


def is_wide_faery(data: bytes) -> bool:
    """Tell records of 13 bytes, ``t64_x16_y16_on8``, as faery sends them by default."""
    rows = np.frombuffer(data, [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "u1")],
                         len(data) // 13)  # fmt: skip
    return len(rows) > 0 and _plausible(rows["t"], rows["x"], rows["y"]) and bool(
        (rows["on"] <= 1).all()
    )  # fmt: skip


def is_narrow_faery(data: bytes) -> bool:
    """Tell records of 8 bytes, ``t32_x16_y15_on1``, where they are no words of SPIF."""
    rows = np.frombuffer(data, [("t", "<u4"), ("x", "<u2"), ("y", "<u2")], len(data) // 8)
    others = np.frombuffer(data, "<u4", len(rows) * 2)[1::2].astype(np.int64)
    # SPIF has its time in the second word, which then never falls either.
    return (
        len(rows) >= 8
        and _plausible(rows["t"], rows["x"], rows["y"] >> 1)
        and bool((np.diff(others) < 0).any())
    )


def _plausible(t: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any]) -> bool:
    """Tell whether times go on in small steps, and places are those of a sensor."""
    if int(t.max()) >= 1 << 62:
        return False
    steps = np.diff(t.astype(np.int64))
    return (
        bool((steps >= 0).all() and (steps < 10_000_000).all() and int(t[-1]) > int(t[0]))
        and int(x.max()) < 4096
        and int(y.max()) < 4096
    )


def _evt3(head: bytes) -> bool:
    """Tell 16-bit words whose types occur as in EVT 3.0."""
    kinds = np.frombuffer(head, "<u2", min(len(head) // 2, 4096)) >> 12
    known = np.isin(kinds, (0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0xA, 0xE, 0xF))
    times = np.frombuffer(head, "<u2", len(kinds))[kinds == 0x8] & 0xFFF
    placed = bool((kinds == 0x0).any() and np.isin(kinds, (0x2, 0x3)).any())
    return bool(known.mean() > 0.99) and placed and _rising(times)


def _evt2(head: bytes) -> bool:
    """Tell 32-bit words whose types occur as in EVT 2.0."""
    words = np.frombuffer(head, "<u4", min(len(head) // 4, 4096))
    kinds = words >> 28
    known = np.isin(kinds, (0x0, 0x1, 0x8, 0xA, 0xE, 0xF))
    return bool(known.mean() > 0.99) and _rising(words[kinds == 0x8] & 0xFFFFFFF)


def _rising(times: npt.NDArray[Any]) -> bool:
    """Tell whether words of time are there, and rise by little."""
    numbers = [int(t) for t in times]
    steps = [b - a for a, b in pairwise(numbers)]
    return len(numbers) >= 2 and sum(0 <= step <= 64 for step in steps) >= 0.95 * len(steps)
