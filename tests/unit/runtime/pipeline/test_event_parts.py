"""Events in parts: as one array, however they are cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikewire.runtime.pipeline.event_parts import EventParts
from spikewire.sensors import EVENT_DTYPE


@given(
    times=st.lists(st.integers(0, 30), max_size=40).map(sorted),
    cuts=st.sets(st.integers(1, 39), max_size=6),
    number=st.integers(0, 40),
    t_us=st.integers(-1, 31),
)
def test_parts_are_as_one_array(times, cuts, number, t_us):
    events = np.zeros(len(times), EVENT_DTYPE)
    events["t"], events["x"] = times, np.arange(len(times))
    parts = EventParts(part for part in np.split(events, sorted(cuts)) if len(part))
    assert len(parts) == len(times)
    assert parts.before(t_us) == sum(t < t_us for t in times)
    head, rest = parts.split(number)
    assert head.columns().x.tolist() == list(range(len(times)))[:number]
    assert head.then(rest).columns().x.tolist() == list(range(len(times)))
    if number < len(times):
        assert parts.time_us(number) == times[number]
        assert (rest.first_us, rest.last_us) == (times[number], times[-1])


def test_large_parts_are_not_copied_and_small_ones_are_joined():
    large = np.zeros(5000, EVENT_DTYPE)
    both = EventParts.of(large).then(EventParts.of(large))
    assert [part.base is large or part is large for part in both.parts] == [True, True]
    assert len(EventParts.of(large[:3]).then(EventParts.of(large[:4])).parts) == 1


def test_other_types_become_packed_events():
    events = np.zeros(2, [("p", "?"), ("x", "<i4"), ("y", "<i4"), ("t", "<u8")])
    events["t"], events["p"] = [5, 6], [True, False]
    [part] = EventParts.of(events).parts
    assert part.dtype == EVENT_DTYPE
    assert part.tolist() == [(5, 0, 0, 1), (6, 0, 0, 0)]
