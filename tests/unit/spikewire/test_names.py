"""Names of classes, and characters that terminals and spreadsheets obey."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewire._names import (
    LONGEST_NAME,
    csv_field,
    csv_text,
    escape_controls,
    name_fault,
    without_controls,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@pytest.mark.parametrize(
    "name", ["a", "hand clapping", "3", "Händeklatschen", "手を叩く", "=1+1", "x" * LONGEST_NAME]
)
def test_a_name_is_accepted(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("x" * (LONGEST_NAME + 1), "has 65 characters; 64 are allowed"),
        ("x" * 10_000, "has 10,000 characters; 64 are allowed"),
        ("a\nb", r"holds characters that cannot be printed: 'a\nb'"),
        ("\x1b[31mred", r"holds characters that cannot be printed: '\x1b[31mred'"),
        ("a\x9bb", r"holds characters that cannot be printed: 'a\x9bb'"),
        ("\ud800", r"holds characters that cannot be printed: '\ud800'"),
        ("a\u202eb", r"holds characters that cannot be printed: 'a\u202eb'"),
        (b"a", "is no text but bytes"),
        (None, "is no text but NoneType"),
    ],
)
def test_a_name_is_refused_with_the_reason(name: object, fault: str) -> None:
    assert name_fault(name) == fault


@given(ANY_TEXT)
def test_text_without_controls_can_be_printed(text: str) -> None:
    plain = without_controls(text)
    plain.encode()
    assert not set(plain) & {*map(chr, range(9)), "\r", "\x1b", "\x7f", "\x9b", "\u202e"}
    assert without_controls(plain) == plain


def test_tab_and_newline_stay() -> None:
    assert without_controls("a\tb\n\x1b[2Jc\r") == "a\tb\n[2Jc"


@given(ANY_TEXT)
def test_json_keeps_every_character(text: str) -> None:
    told = escape_controls(json.dumps(text, ensure_ascii=False))
    assert without_controls(told) == told
    assert json.loads(told) == text


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("wave", "wave"), ("=1+1", "'=1+1"), ("+a", "'+a"), ("-a", "'-a"), ("@a", "'@a"),
        ("\ta", "'\ta"), ("\ra", "'\ra"), ("-3", "-3"), ("-1.5e-3", "-1.5e-3"), ("-3+1", "'-3+1"),
        ("'=a", "''=a"), ("'a", "'a"), ("", ""),
    ],
)  # fmt: skip
def test_a_field_cannot_be_a_formula(text: str, field: str) -> None:
    assert csv_field(text) == field


@given(st.text("=+-@'\t\ra1", max_size=6))
def test_a_field_gives_its_text_back(text: str) -> None:
    assert csv_text(csv_field(text)) == text
