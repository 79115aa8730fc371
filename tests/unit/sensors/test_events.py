"""The one check that every array of events passes, against a naive twin."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import EVENT_DTYPE, SensorError, check_events

EVENT = st.tuples(
    st.integers(-5, 40), st.integers(0, 12), st.integers(0, 12), st.sampled_from([0, 1, 1, 0, 2])
)


def naive_check(events, size, after):  # type: ignore[no-untyped-def]
    kept, faults, last = [], Counter(), after
    for t, x, y, p in events:
        if x >= size[0] or y >= size[1]:
            faults["out_of_bounds"] += 1
        elif p > 1:
            faults["bad_polarity"] += 1
        elif t < last:
            faults["time_backwards"] += 1
        else:
            kept.append((t, x, y, p))
            last = t
    return kept, faults


@given(st.lists(EVENT, max_size=40), st.integers(-5, 10))
@settings(max_examples=150, deadline=None)
def test_dropping_equals_the_naive_twin(drawn: list[tuple[int, ...]], after: int) -> None:
    events = np.array(drawn, EVENT_DTYPE) if drawn else np.zeros(0, EVENT_DTYPE)
    counters: Counter[str] = Counter()
    checked = check_events(events, (10, 9), policy="drop", counters=counters, after=after)
    kept, faults = naive_check(drawn, (10, 9), after)
    assert checked.tolist() == kept
    assert counters == faults


def test_faultless_events_are_not_copied() -> None:
    events = np.array([(1, 2, 3, 0), (1, 3, 3, 1)], EVENT_DTYPE)
    assert check_events(events, (4, 4)) is events


def test_fields_are_taken_by_name_whatever_their_order_and_type() -> None:
    other = np.array([(True, 7, 1, 2)], [("p", "?"), ("t", "<u8"), ("x", "<i4"), ("y", "<i2")])
    assert check_events(other, (4, 4)).tolist() == [(7, 1, 2, 1)]


def test_a_negative_place_is_out_of_bounds() -> None:
    other = np.array([(0, -1, 2, 1)], [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "i1")])
    with pytest.raises(SensorError, match="1 of 1 events break a rule of a 4x4 sensor: 1 out of"):
        check_events(other, (4, 4))


def test_missing_fields_are_named() -> None:
    with pytest.raises(SensorError, match="y and p; y, p missing among t, x"):
        check_events(np.zeros(1, [("t", "<i8"), ("x", "<u2")]), (4, 4))
