"""Words in large letters of half blocks, to be read from across a room."""

from __future__ import annotations

ROWS = 3
"""Lines of text that a line of large letters takes."""

_DRAWN = """
A 010 101 111 101 101
B 110 101 110 101 110
C 011 100 100 100 011
D 110 101 101 101 110
E 111 100 110 100 111
F 111 100 110 100 100
G 011 100 101 101 011
H 101 101 111 101 101
I 1 1 1 1 1
J 001 001 001 101 010
K 101 101 110 101 101
L 100 100 100 100 111
M 10001 11011 10101 10001 10001
N 1001 1101 1011 1001 1001
O 010 101 101 101 010
P 110 101 110 100 100
Q 010 101 101 110 011
R 110 101 110 101 101
S 011 100 010 001 110
T 111 010 010 010 010
U 101 101 101 101 111
V 101 101 101 101 010
W 10001 10001 10101 11011 10001
X 101 101 010 101 101
Y 101 101 010 010 010
Z 111 001 010 100 111
0 111 101 101 101 111
1 01 11 01 01 01
2 110 001 010 100 111
3 110 001 010 001 110
4 101 101 111 001 001
5 111 100 110 001 110
6 011 100 111 101 111
7 111 001 010 010 010
8 111 101 111 101 111
9 111 101 111 001 110
- 00 00 11 00 00
. 0 0 0 0 1
"""
_LETTERS = {line[0]: line.split()[1:] for line in _DRAWN.strip().splitlines()}
_BLOCKS = {
    "00": " ",
    "10": "\N{UPPER HALF BLOCK}",
    "01": "\N{LOWER HALF BLOCK}",
    "11": "\N{FULL BLOCK}",
}


def render(words: str, width: int, lines: int) -> list[str] | None:
    """Set words in large letters, broken between words.

    Parameters
    ----------
    words
        What to set; case does not show.
    width
        Columns there are.
    lines
        Most lines of large letters, each of ``ROWS`` lines of text.

    Returns
    -------
    list of str or None
        Lines of text without trailing blanks; None if it does not fit, or has other characters than
        a-z, 0-9, full stops and hyphens.
    """
    set_lines: list[list[str]] = []
    for word in words.upper().split():
        drawn = _word(word)
        if drawn is None or len(drawn[0]) > width:
            return None
        if set_lines and len(set_lines[-1][0]) + 3 + len(drawn[0]) <= width:
            set_lines[-1] = [a + "000" + b for a, b in zip(set_lines[-1], drawn, strict=True)]
        else:
            set_lines.append(drawn)
    if not set_lines or len(set_lines) > lines:
        return None
    return [text for dots in set_lines for text in _half_blocks(dots)]


def _word(word: str) -> list[str] | None:
    if any(letter not in _LETTERS for letter in word):
        return None
    return ["0".join(_LETTERS[letter][row] for letter in word) for row in range(5)]


def _half_blocks(dots: list[str]) -> list[str]:
    """Join dots in pairs of rows; a sixth row keeps lines apart."""
    rows = [*dots, "0" * len(dots[0])]
    return [
        "".join(_BLOCKS[a + b] for a, b in zip(rows[n], rows[n + 1], strict=True)).rstrip()
        for n in range(0, 2 * ROWS, 2)
    ]
