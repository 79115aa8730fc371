"""Single keys from a terminal, as names."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import termios
import tty
from collections.abc import Awaitable, Callable
from typing import Self

import trio

# A key that sends several bytes sends them at once; Escape alone is followed by nothing.
_REST_S = 0.05

_LETTERS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_SEQUENCE = re.compile(rb"\x1b(?:\[|O)([0-9;]*)([A-Za-z~])")
_BEGUN = re.compile(rb"\x1b(?:\[[0-9;]*|O)?")


def parse_keys(data: bytes) -> tuple[list[str], bytes]:
    """Name the keys in the bytes of a terminal.

    Returns
    -------
    list of str, bytes
        ``space``, ``left``, ``right``, ``up``, ``down``, ``shift-left`` and so on, and single
        characters as they are; and what may be the beginning of one more. Other keys give nothing.
    """
    keys: list[str] = []
    while data:
        sequence = _SEQUENCE.match(data)
        if sequence is not None:
            name = _LETTERS.get(sequence[2].decode())
            if name is not None:
                keys.append(f"shift-{name}" if sequence[1] == b"1;2" else name)
            data = data[sequence.end() :]
        elif data[0] == 0x1B:
            if _BEGUN.fullmatch(data):
                return keys, data
            data = data[1:]
        else:
            if data[0] == 0x20:
                keys.append("space")
            elif 0x20 < data[0] < 0x7F:
                keys.append(chr(data[0]))
            data = data[1:]
    return keys, b""


class Keyboard:
    """Keys of a terminal, one by one and without an echo.

    Ctrl-C stays Ctrl-C. The terminal is as before on leaving, however that happens.

    Parameters
    ----------
    file
        The terminal's file descriptor; None for standard input.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = sys.stdin.fileno() if file is None else file
        self._before: list[object] = []

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._file)
        try:
            tty.setcbreak(self._file)
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _restore(self) -> None:
        with contextlib.suppress(termios.error):  # the terminal itself may be gone
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    async def listen(self, press: Callable[[str], Awaitable[None]]) -> None:
        """Call `press` with each key, until the terminal is gone."""
        rest = b""
        while True:
            with trio.move_on_after(_REST_S if rest else float("inf")) as waiting:
                await trio.lowlevel.wait_readable(self._file)
            if waiting.cancelled_caught:
                rest = b""  # Escape, and nothing after it
                continue
            try:
                data = os.read(self._file, 256)
            except OSError:
                return
            if not data:
                return
            pressed, rest = parse_keys(rest + data)
            for key in pressed:
                await press(key)
