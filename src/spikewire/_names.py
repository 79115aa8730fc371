"""Texts of strangers: names of classes, and characters that terminals and spreadsheets obey."""

from __future__ import annotations

import re

LONGEST_NAME = 64
"""Most characters of a class's name."""

_CONTROLS = re.compile(
    # C0 without tab and newline, DEL and C1, marks of direction, line separators, surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def name_fault(name: object) -> str | None:
    """Tell why a value cannot be the name of a class.

    Names reach terminals, spreadsheets, file names and other programs. The same rule holds for
    names from clients, model files, label files, folders and sources.

    Parameters
    ----------
    name
        The value; anything but text is refused.

    Returns
    -------
    str or None
        Rest of a sentence that begins with the name's place, or None if the name is good.

    Examples
    --------
    >>> name_fault("hand clapping") is None
    True
    >>> name_fault("")
    'is empty'
    """
    if not isinstance(name, str):
        return f"is no text but {type(name).__name__}"
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST_NAME:
        return f"has {len(name):,} characters; {LONGEST_NAME} are allowed"
    if not name.isprintable():
        return f"holds characters that cannot be printed: {name!a}"
    return None


def without_controls(text: str) -> str:
    """Remove the characters that a terminal would obey, and lone surrogates; tab and newline stay.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Text that is safe to print and that UTF-8 can encode.
    """
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub("", text)


def escape_controls(json_text: str) -> str:
    r"""Write the characters that :func:`without_controls` removes as ``\uXXXX``.

    Inside JSON this loses nothing.

    Parameters
    ----------
    json_text
        A JSON document, in which such characters can lie in strings only.
    """
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)


def csv_field(text: str) -> str:
    """Put an apostrophe before a text field that a spreadsheet would compute.

    These begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, and are no numbers.
    :func:`csv_text` takes the apostrophe away.
    """
    return f"'{text}" if _computed(text.lstrip("'")) else text


def csv_text(field: str) -> str:
    """Take away the apostrophe of :func:`csv_field`."""
    return field[1:] if field[:1] == "'" and _computed(field.lstrip("'")) else field


def _computed(text: str) -> bool:
    return text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None
