"""Numbers as people type them, and as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

from spikewire.sensors import parse_bytes, parse_duration, parse_size, parse_speed

_T = TypeVar("_T")


def _read(parse: Callable[[str], _T], text: str) -> _T:
    """Read an option's value, or say what is wrong with it."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def duration_us(text: str) -> int:
    """Microseconds from `750ms`, `1.5s`, `20000us` or `2min`.

    Raises
    ------
    typer.BadParameter
        Anything else: a number without a unit says too little.
    """
    return _read(parse_duration, text)


def time_span(text: str) -> tuple[int, int | None]:
    """Microseconds of a start and a stop from `1s..2.5s`; `..2s` starts at 0, `1s..` goes on.

    Raises
    ------
    typer.BadParameter
        Anything else, or a stop that is not after the start.
    """
    first, dots, last = text.partition("..")
    if not dots or not (first or last):
        raise typer.BadParameter(f"{text!r} is no part; write START..STOP, such as 1s..2.5s")
    start = duration_us(first) if first else 0
    stop = duration_us(last) if last else None
    if stop is not None and stop <= start:
        raise typer.BadParameter(f"{text!r} ends before it begins")
    return start, stop


def speed_factor(text: str) -> float | None:
    """A replay speed: `max` (None, as fast as possible) or a factor such as `1` or `10x`.

    Raises
    ------
    typer.BadParameter
        Not a positive number and not `max`.
    """
    return _read(parse_speed, text)


def names(text: str | None) -> tuple[str, ...]:
    """Names from a comma-separated list; empty for None.

    Raises
    ------
    typer.BadParameter
        An empty name, or one that occurs twice.
    """
    if text is None:
        return ()
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise typer.BadParameter(f"{text!r} holds an empty name; write a,b,c")
    for name in parts:
        if parts.count(name) > 1:
            raise typer.BadParameter(f"{name!r} is named twice")
    return parts


def sensor_size(text: str) -> tuple[int, int]:
    """(width, height) from `346x260`.

    Raises
    ------
    typer.BadParameter
        Anything else.
    """
    return _read(parse_size, text)


def host_port(text: str) -> tuple[str, int]:
    """`HOST:PORT` (or `[IPv6]:PORT`, or `:PORT` for this machine) as a pair.

    Raises
    ------
    typer.BadParameter
        No port, or one outside 1..65535.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT with a port from 1 to 65535")
    try:
        host.encode("idna")
    except UnicodeError:
        raise typer.BadParameter(f"{host!r} in {text!r} is no name of a host") from None
    return host.strip("[]") or "127.0.0.1", int(port)


def byte_count(text: str) -> int:
    """Bytes from `65536`, `64kB` (of 1,024 bytes, as memories are sold) or `1MB`.

    Raises
    ------
    typer.BadParameter
        Anything else.
    """
    return _read(parse_bytes, text)


def format_rate(events_per_second: float) -> str:
    """`87 kev/s`, `1.2 Mev/s`, `640 ev/s`."""
    for limit, unit in ((1e6, "Mev/s"), (1e3, "kev/s")):
        if events_per_second >= limit:
            scaled = events_per_second / limit
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:,.0f} {unit}"
    return f"{events_per_second:.0f} ev/s"


def format_us(microseconds: float) -> str:
    """`840 us`, `8.8 ms`, `1.45 s`."""
    if abs(microseconds) < 1e3:
        return f"{microseconds:.0f} us"
    if abs(microseconds) < 1e6:
        return f"{microseconds / 1e3:.1f} ms"
    return f"{microseconds / 1e6:.2f} s"


def format_bytes(count: int) -> str:
    """`812 B`, `63.4 kB`, `2.1 MB`."""
    if count < 1_000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.1f} MB"
