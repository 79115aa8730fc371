"""Settings that came later: left out of plain data while they are at their default.

So a network that uses none of them is written as it was before there were any, byte for byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

_LATER = "later"
LATER = {_LATER: True}
"""Metadata of such a field."""


def later(default: Any) -> Any:
    """Define a field that came after the first model files, with the default that they mean."""
    return dataclasses.field(default=default, repr=False, metadata=LATER)


def to_plain(settings: Any) -> dict[str, Any]:
    """Return a dataclass as plain data, without the later settings that are at their default."""
    return {
        field.name: _plain(value)
        for field in dataclasses.fields(settings)
        for value in (getattr(settings, field.name),)
        if not (_LATER in field.metadata and value == field.default)
    }


def later_choices(settings: Any, where: str = "") -> Iterator[str]:
    """Name the later settings that are not at their default, with their values."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if _LATER in field.metadata and value != field.default:
            yield f"{where}{field.name}={value!r}"
        several = isinstance(value, tuple)
        for n, part in enumerate(value if several else (value,)):
            if dataclasses.is_dataclass(part):
                place = f"{field.name}[{n}]" if several else field.name
                yield from later_choices(part, f"{where}{place}.")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_plain(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
