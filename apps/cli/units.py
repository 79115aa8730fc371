"""Numbers as people type them, and as people read them."""

from __future__ import annotations

import re

import typer

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min)")


def duration_us(text: str) -> int:
    """Microseconds from `750ms`, `1.5s`, `20000us` or `2min`.

    Raises
    ------
    typer.BadParameter
        Anything else: a number without a unit says too little.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration such as 750ms, 1.5s, 20000us or 2min")
    return round(float(match[1]) * _UNITS[match[2]])


def speed_factor(text: str) -> float | None:
    """A replay speed: `max` (None, as fast as possible) or a factor such as `1` or `10x`.

    Raises
    ------
    typer.BadParameter
        Not a positive number and not `max`.
    """
    plain = text.strip().lower()
    if plain == "max":
        return None
    try:
        factor = float(plain.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < float("inf"):
        raise typer.BadParameter(f"{text!r} is not a speed such as 1, 10x, 0.5 or max")
    return factor


def names(text: str | None) -> tuple[str, ...]:
    """Names from a comma-separated list; empty for None.

    Raises
    ------
    typer.BadParameter
        An empty name, or one that occurs twice.
    """
    if text is None:
        return ()
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise typer.BadParameter(f"{text!r} holds an empty name; write a,b,c")
    for name in found:
        if found.count(name) > 1:
            raise typer.BadParameter(f"{name!r} is named twice")
    return found


def sensor_size(text: str) -> tuple[int, int]:
    """(width, height) from `346x260`.

    Raises
    ------
    typer.BadParameter
        Anything else.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip())
    if match is None or not 0 < int(match[1]) <= 32768 or not 0 < int(match[2]) <= 32768:
        raise typer.BadParameter(f"{text!r} is not a sensor's size such as 346x260")
    return int(match[1]), int(match[2])


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
    match = re.fullmatch(r"(\d{1,12})\s*(B|kB|KiB|MB|MiB)?", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a number of bytes such as 65536, 64kB or 1MB")
    return int(match[1]) << {"k": 10, "K": 10, "M": 20}.get((match[2] or "B")[0], 0)


def say_rate(events_per_second: float) -> str:
    """`87 kev/s`, `1.2 Mev/s`, `640 ev/s`."""
    for limit, unit in ((1e6, "Mev/s"), (1e3, "kev/s")):
        if events_per_second >= limit:
            scaled = events_per_second / limit
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:,.0f} {unit}"
    return f"{events_per_second:.0f} ev/s"


def say_us(microseconds: float) -> str:
    """`840 us`, `8.8 ms`, `1.45 s`."""
    if abs(microseconds) < 1e3:
        return f"{microseconds:.0f} us"
    if abs(microseconds) < 1e6:
        return f"{microseconds / 1e3:.1f} ms"
    return f"{microseconds / 1e6:.2f} s"


def say_bytes(count: int) -> str:
    """`812 B`, `63.4 kB`, `2.1 MB`."""
    if count < 1_000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.1f} MB"
