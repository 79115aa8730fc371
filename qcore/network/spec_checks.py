"""Checks of a specification's values, which name the setting and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spikewire.qcore.errors import SpecError

PerChannel = int | tuple[int, ...]
"""One value for all channels of a layer, or several that are cycled over them."""


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Refuse a value that is none of those allowed, with a :class:`SpecError`."""
    # 1 == True must not slip through.
    if not any(type(value) is type(one) and value == one for one in allowed):
        names = [repr(one) for one in allowed]
        joined = " and ".join(names) if len(names) == 2 else ", ".join(names)
        raise SpecError(f"{name} is {value!r:.80}; allowed are {joined}.")


def within(name: str, value: int, low: int, high: int, also: str = "") -> None:
    """Refuse a value outside a range of whole numbers, with a :class:`SpecError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(
            f"{name} is {value!r:.80}; allowed are whole numbers from {low} to {high}{also}."
        )


def each_within(name: str, value: PerChannel, low: int, high: int, channels: int) -> None:
    """Check one value, or each of a list of at most one per channel."""
    if not isinstance(value, tuple):
        within(name, value, low, high)
        return
    if not 1 <= len(value) <= channels:
        raise SpecError(
            f"{name} lists {len(value)} values; allowed are 1 to {channels}, one per channel."
        )
    for n, one in enumerate(value):
        within(f"{name}[{n}]", one, low, high)
