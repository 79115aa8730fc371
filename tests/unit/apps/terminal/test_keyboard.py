"""Keys by their names, and a terminal that is left as it was found."""

from __future__ import annotations

import contextlib
import os
import pty
import termios

import pytest
import trio

from spikewire.apps.terminal.keyboard import Keyboard, parse_keys
from tests.support.patience import patience


@pytest.mark.parametrize(
    ("data", "keys", "rest"),
    [
        (b" q+", ["space", "q", "+"], b""),
        (b"\x1b[C\x1b[D\x1bOA\x1b[B", ["right", "left", "up", "down"], b""),
        (b"\x1b[1;2C\x1b[1;5C", ["shift-right", "right"], b""),
        (b"\x1b[5~\x1b[Zl", ["l"], b""),  # Page Up and Shift-Tab mean nothing
        (b"a\x1b", ["a"], b"\x1b"),
        (b"\x1b[1;", [], b"\x1b[1;"),
        (b"\x1bx", ["x"], b""),
        ("é\n".encode(), [], b""),
    ],
)
def test_keys_have_names(data: bytes, keys: list[str], rest: bytes) -> None:
    assert parse_keys(data) == (keys, rest)


async def test_a_terminal_is_left_as_it_was() -> None:
    person, program = pty.openpty()
    before = termios.tcgetattr(program)
    heard: list[str] = []

    async def press(key: str) -> None:
        heard.append(key)
        if key == "space":
            os.write(person, b"Cq")
        elif key == "q":
            raise KeyError(key)

    with contextlib.suppress(KeyError), Keyboard(program) as keyboard, trio.fail_after(patience(5)):
        flags = termios.tcgetattr(program)[3]
        # Not before: what was typed before the terminal was taken is lost, or not, by chance.
        os.write(person, b" \x1b[")
        await keyboard.listen(press)
    assert not flags & (termios.ICANON | termios.ECHO)
    assert flags & termios.ISIG  # Ctrl-C stays what it is
    assert heard == ["space", "right", "q"]
    assert termios.tcgetattr(program) == before
    with Keyboard(program) as keyboard, trio.fail_after(patience(5)):
        os.close(person)
        await keyboard.listen(press)  # ends: there is nobody
    os.close(program)
