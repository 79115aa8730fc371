"""Times, speeds, sizes and byte counts as people write them.

Every option, setting and filter reads its values here, so the same units are known everywhere.
Importing this module loads neither NumPy nor Numba.
"""

from __future__ import annotations

import re

_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min|)", re.ASCII)
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)
_BYTES = re.compile(r"(\d{1,12})\s*(B|kB|KiB|MB|MiB)?", re.ASCII)

DEFAULT_JUMP_S = 300.0
"""Longest pause within one segment of a stream, in seconds of event time."""

LARGEST_SIDE = 32_768
"""Most columns or rows of a sensor."""


def parse_duration(text: str, *, bare: str | None = None) -> int:
    """Read a duration such as ``750ms``, ``1.5s``, ``20000us`` or ``2min``.

    Parameters
    ----------
    text
        A decimal number and its unit.
    bare
        Unit of a number without one; None refuses such a number.

    Returns
    -------
    int
        Microseconds, rounded.

    Raises
    ------
    ValueError
        If it is no duration.

    Examples
    --------
    >>> from spikewire.sensors import parse_duration
    >>> parse_duration("1.5s")
    1500000
    >>> parse_duration("20000", bare="us")
    20000
    """
    match = _DURATION.fullmatch(text.strip())
    unit = None if match is None else match[2] or bare
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a duration such as 750ms, 1.5s, 20000us or 2min")
    return round(float(match[1]) * _MICROSECONDS[unit])


def parse_speed(text: str) -> float | None:
    """Read a playback speed such as ``1``, ``10x``, ``0.5`` or ``max``.

    Returns
    -------
    float or None
        Times real time; None for ``max``, which is as fast as possible.

    Raises
    ------
    ValueError
        If it is neither a positive number nor ``max``.

    Examples
    --------
    >>> from spikewire.sensors import parse_speed
    >>> parse_speed("10x")
    10.0
    """
    plain = text.strip().lower()
    if plain == "max":
        return None
    try:
        factor = float(plain.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < float("inf"):
        raise ValueError(f"{text!r} is not a speed such as 1, 10x, 0.5 or max")
    return factor


def parse_size(text: str) -> tuple[int, int]:
    """Read the size of a sensor, such as ``346x260``.

    Returns
    -------
    tuple of int
        (width, height) in pixels.

    Raises
    ------
    ValueError
        If it is none, or larger than ``LARGEST_SIDE``.

    Examples
    --------
    >>> from spikewire.sensors import parse_size
    >>> parse_size("346x260")
    (346, 260)
    """
    match = _SIZE.fullmatch(text.strip())
    size = (0, 0) if match is None else (int(match[1]), int(match[2]))
    if not (0 < size[0] <= LARGEST_SIDE and 0 < size[1] <= LARGEST_SIDE):
        raise ValueError(f"{text!r} is not a sensor's size such as 346x260")
    return size


def parse_bytes(text: str) -> int:
    """Read a number of bytes such as ``65536``, ``64kB`` or ``1MB``.

    One kB is 1,024 bytes, as memories are sold.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> from spikewire.sensors import parse_bytes
    >>> parse_bytes("64kB")
    65536
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of bytes such as 65536, 64kB or 1MB")
    return int(match[1]) << {"k": 10, "K": 10, "M": 20}.get((match[2] or "B")[0], 0)
