"""Files of pictures: PNG without any library, GIF by Pillow, MP4 by ffmpeg."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from spikewire.apps.cli.errors import CommandError, UsageError, check_target
from spikewire.apps.recordings.pictures import RGB

SUFFIXES = (".png", ".gif", ".mp4")

MOST_GIF = 2000
"""Pictures of a GIF, which Pillow keeps in memory."""

_EXTRA = "needs packages of an extra: pip install 'spikewire[video]'"


def check_picture_target(path: Path) -> None:
    """Refuse a file that cannot be written before its pictures are drawn.

    Raises
    ------
    UsageError
        If its name says no format, it would lie in no folder, or a library is missing.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: a picture ends in .png, .gif or .mp4")
    check_target("OUT", path)
    try:
        if suffix == ".gif":
            import PIL.Image  # noqa: F401
        elif suffix == ".mp4":
            import imageio_ffmpeg  # noqa: F401
    except ImportError:
        raise UsageError(f"{suffix} {_EXTRA}") from None


def write_pictures(path: Path, pictures: Iterable[RGB], fps: float) -> int:
    """Write pictures; returns their number. The file appears when it is whole.

    Raises
    ------
    CommandError
        If there is no picture, too many for a GIF, or the file cannot be written.
    """
    drawn = iter(pictures)
    first = next(drawn, None)
    if first is None:
        raise CommandError(f"{path} was not written: there is no event to show")
    part = path.with_name(f".{path.stem}.part{path.suffix.lower()}")
    write = {".png": _png, ".gif": _gif, ".mp4": _mp4}[path.suffix.lower()]
    try:
        count = write(part, chain([first], drawn), fps)
        os.replace(part, path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return count


def _png(path: Path, pictures: Iterable[RGB], fps: float) -> int:
    image = next(iter(pictures))
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = image.reshape(height, -1)

    def piece(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 6)
    pieces = piece(b"IHDR", head) + piece(b"IDAT", body) + piece(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + pieces)
    return 1


def _gif(path: Path, pictures: Iterable[RGB], fps: float) -> int:
    from PIL import Image

    images: list[Image.Image] = []
    for picture in pictures:
        if len(images) == MOST_GIF:
            raise CommandError(
                f"more than {MOST_GIF:,} pictures are too many for a GIF: cut the recording by "
                "--start and --stop, lengthen --every, or write .mp4"
            )
        images.append(Image.fromarray(picture).quantize(64))
    # GIF counts in hundredths of a second, and viewers slow down shorter pictures than two.
    images[0].save(
        path, save_all=True, append_images=images[1:], loop=0,
        duration=max(20, round(100 / fps) * 10),
    )  # fmt: skip
    return len(images)


def _mp4(path: Path, pictures: Iterable[RGB], fps: float) -> int:
    import imageio_ffmpeg

    drawn = iter(pictures)
    first = next(drawn)
    size = (first.shape[1], first.shape[0])
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=fps, macro_block_size=2, quality=7, ffmpeg_log_level="error"
    )
    writer.send(None)
    count = 0
    try:
        for picture in chain([first], drawn):
            writer.send(np.ascontiguousarray(picture))
            count += 1
    finally:
        writer.close()
    return count
