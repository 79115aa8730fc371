"""ZIP archives read by the headers of their files: the archive's end may be missing."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

ZIP = b"PK\x03\x04"


class Member:
    """One file of a ZIP archive, found by its own header: the archive's end may be missing.

    Attributes
    ----------
    fault
        Fault met while reading, or None. That a member is cut short shows at its end.
    """

    def __init__(
        self, file: BinaryIO, start: int, size: int | None, deflated: bool, whole: bool = True
    ) -> None:
        self._file, self._at, self._left = file, start, size
        self._inflate = zlib.decompressobj(-15) if deflated else None
        self._cut = not whole

    @property
    def position(self) -> int:
        """Byte of the archive that is read next."""
        return self._at

    @property
    def fault(self) -> str | None:
        """Fault of the member so far, or None."""
        return "the archive is cut short" if self._cut else None

    def _raw(self, count: int) -> bytes:
        if self._left is not None:
            count = min(count, self._left)
        self._file.seek(self._at)
        data = self._file.read(count)
        self._at += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data

    def read(self, count: int, /) -> bytes:
        """Read so many bytes, or fewer at the end.

        Raises
        ------
        zlib.error
            If the compressed data is damaged.
        """
        if self._inflate is None:
            return self._raw(count)
        parts: list[bytes] = []
        while count > 0 and not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._raw(1 << 16)
            if not data:
                self._cut = True
                break
            part = self._inflate.decompress(data, count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def archive_members(
    file: BinaryIO, path: Path, *, keep_suffix: bool = False
) -> tuple[dict[str, Member], bool]:
    """Find the files of an archive by their own headers; tells whether all of it is there.

    Their names lose the ending ``.npy`` unless it is to be kept.
    """
    sizes: dict[str, int] = {}
    members: dict[str, Member] = {}
    length = file.seek(0, 2)
    at = 0
    while True:
        file.seek(at)
        head = file.read(30)
        if len(head) < 30 or head[:4] != ZIP:
            return members, head[:4] in (b"PK\x01\x02", b"PK\x05\x06")
        flags, method = struct.unpack_from("<HH", head, 6)
        size: int | None = struct.unpack_from("<I", head, 18)[0]
        name_size, extra_size = struct.unpack_from("<HH", head, 26)
        name = file.read(name_size).decode("utf-8", "replace")
        extra = file.read(extra_size)
        size = _zip64(extra) if size == 0xFFFFFFFF else size
        if flags & 8 and not size:
            if not sizes:
                try:
                    with zipfile.ZipFile(path) as archive:
                        sizes = {i.filename: i.compress_size for i in archive.infolist()}
                except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
                    sizes = {"": 0}
            size = sizes.get(name)
        start = at + 30 + name_size + extra_size
        left = max(0, length - start)
        there = size is None or size <= left
        size = None if size is None else min(size, left)
        if method in (0, 8) and not flags & 1 and name.isprintable():
            name = name if keep_suffix else name.removesuffix(".npy")
            members[name] = Member(file, start, size, method == 8, there)
        if size is None or size < 0:
            return members, False
        at = start + size


def _zip64(extra: bytes) -> int | None:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1 and at + 20 <= len(extra):
            return int(struct.unpack_from("<Q", extra, at + 12)[0])
        at += 4 + size
    return None


def archive_ended(file: BinaryIO) -> bool:
    """Tell whether an archive's last record is all there; NumPy adds no comment to it."""
    file.seek(max(0, file.seek(0, 2) - 22))
    return file.read(4) == b"PK\x05\x06"


def holds_other_files(path: Path) -> bool:
    """Tell whether an archive holds files, none of which is NumPy's."""
    with open(path, "rb") as file:
        members, _ = archive_members(file, path, keep_suffix=True)
    return bool(members) and not any(name.endswith(".npy") for name in members)
