"""Text: columns in any order, times in any unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.sensors import (
    describe_recording,
    open_recording,
)
from tests.support.reading import read_damaged


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("t,x,y,p\n1000,2,3,1\n2500,4,5,0\n", {}),
        ("# recorded by hand\nt x y p\n1000 2 3 1\n2500 4 5 0", {}),
        ("y;x;p;t [ms]\n3;2;1;1\n5;4;0;2.5\n", {}),
        ("timestamp_ns,x,y,on\r\n1000999,2,3,true\r\n2500000,4,5,False\r\n", {}),
        ("2,3,1,1000\n4,5,-1,2500\n", {"columns": "x,y,p,t"}),
        ("9,2,3,1,1\n9,4,5,0,2\n9,4,5,0,2\n", {"columns": "-,x,y,p,t", "unit": "ms"}),
        ("0.001 2 3 1\n0.0025 4 5 0\n", {}),
        ("\ufeff1000\t2\t3\t1\n\n2500\t4\t5\t0\n", {}),
    ],
)
def test_text_in_any_order_and_unit(text: str, options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode())
    if options.get("unit") == "ms":
        truth = [(1000, 2, 3, 1), (2000, 4, 5, 0), (2000, 4, 5, 0)]
    else:
        truth = [(1000, 2, 3, 1), (2500, 4, 5, 0)]
    got = [e for c in open_recording(path, **options).chunks() for e in c.tolist()]  # type: ignore[arg-type]
    assert got == truth


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("30,4,5", "too few columns"),
        ("30,4,x,0", "not all numbers"),
        ("1234567890123456789,4,5,0", "more than 18 digits"),
        ("1" * 5000, "more than 18 digits"),
        ("7 " * 500_000, "more than 4096 characters"),
    ],
)
def test_a_bad_line_ends_a_text_where_it_begins(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    good = "t,x,y,p\n10,2,3,1\n20,2,3,1\n"
    path.write_text(good + line + "\n40,1,1,1\n")
    got, error = read_damaged(path)
    assert got["t"].tolist() == [10, 20]
    assert error is not None
    assert reason in error.reason
    assert error.offset == len(good)


def test_numbers_that_no_event_can_hold_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("t,x,y,p\n10,-1,3,1\n20,2,70000,1\n30,2,3,2\n40,2,3,300\n50,1,1,1\n")
    facts = describe_recording(path, size=(34, 34))
    assert facts.events == 1
    assert facts.dropped == {"out_of_bounds": 2, "bad_polarity": 2}
