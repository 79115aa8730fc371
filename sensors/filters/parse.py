"""Filters by name, as of the option ``--filter``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from spikewire.sensors.errors import SensorError
from spikewire.sensors.filters.base import Chain, Filter
from spikewire.sensors.filters.geometry import Crop, Downsample, Turn
from spikewire.sensors.filters.noise import Background, HotPixels, Refractory
from spikewire.sensors.filters.rate import Polarity, Rate
from spikewire.sensors.units import parse_duration

HELP = (
    "refractory:1ms, background:5ms, hot or hot:20, polarity:on|off|flip|one, crop:X,Y,WxH, "
    "downsample:2, flip:x|y|xy, transpose, rate:200k"
)
"""All filters, with an example of each."""


def _time(name: str, text: str) -> int:
    with suppress(ValueError):
        microseconds = parse_duration(text)
        if 1 <= microseconds <= 3_600_000_000:
            return microseconds
    raise _wrong(name, text, "a time from 1us to 3600s, such as 1ms")


def _wrong(name: str, text: str, allowed: str) -> SensorError:
    return SensorError(f"The filter {name} takes {allowed}, not {text!r}.")


def _number(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
        raise _wrong(name, text, f"a number from {low} to {high:,}")
    return int(text)


def make_filter(text: str, size: tuple[int, int]) -> Filter:
    """Make one filter from its name, for events of a sensor of ``size``.

    Raises
    ------
    SensorError
        If there is no such filter, or it does not take that; the message says what it takes.
    """
    name, _, rest = text.strip().partition(":")
    match name:
        case "refractory":
            return Refractory(size, _time(name, rest))
        case "background":
            return Background(size, _time(name, rest))
        case "hot":
            return HotPixels(size, _number(name, rest, 2, 100_000) if rest else 20)
        case "polarity":
            if rest not in Polarity.modes:
                raise _wrong(name, rest, "on, off, flip or one")
            return Polarity(size, rest)
        case "crop":
            return _crop(rest, size)
        case "downsample":
            return Downsample(size, _number(name, rest, 1, 1024))
        case "flip":
            if rest not in ("x", "y", "xy", "yx"):
                raise _wrong(name, rest, "x, y or xy")
            return Turn(size, rest)
        case "transpose" if not rest:
            return Turn(size, transpose=True)
        case "rate":
            match = re.fullmatch(r"(\d{1,6})([kM]?)", rest)
            value = int(match[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[match[2]] if match else 0
            if not 100 <= value <= 1_000_000_000:
                raise _wrong(name, rest, "events per second from 100, such as 200k")
            return Rate(size, value)
    raise SensorError(f"{text!r} is no filter; there are {HELP}.")


def _crop(rest: str, size: tuple[int, int]) -> Crop:
    match = re.fullmatch(r"(\d{1,5}),(\d{1,5}),(\d{1,5})x(\d{1,5})", rest)
    if match is None:
        raise _wrong("crop", rest, "left,top,WIDTHxHEIGHT, such as 109,66,128x128")
    left, top, width, height = (int(part) for part in match.groups())
    if not width or not height or left + width > size[0] or top + height > size[1]:
        raise SensorError(
            f"The filter crop:{rest} leaves the sensor, which is {size[0]}x{size[1]} there."
        )
    return Crop(size, left, top, width, height)


def make_chain(texts: Iterable[str], size: tuple[int, int]) -> Chain:
    """Make filters, each for the size that the one before it gives.

    Raises
    ------
    SensorError
        If one of them cannot be.
    """
    filters: list[Filter] = []
    for text in texts:
        filters.append(make_filter(text, filters[-1].size if filters else size))
    return Chain(size, filters)
