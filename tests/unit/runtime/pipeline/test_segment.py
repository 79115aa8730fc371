"""Packets to ticks: the same pieces however the stream is cut."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikewire.runtime.pipeline.event_parts import EventParts
from spikewire.runtime.pipeline.segment import Segment

LABELS = (None, "a", "b")


def walk(packets, ends, most_ticks, most_events, start=0, every=10):
    """Feed packets; returns (tick, label, events of the tick) for every tick, as computed."""
    segment = Segment(0, (64, 48), 1000, lambda: start)
    told = []

    def go(until):
        while segment.tick < until:
            first = segment.tick
            piece = segment.piece(until, most_ticks, most_events)
            assert first < piece.until <= until
            at = segment.origin_tick + (piece.events.columns().t - segment.origin_us) // 1000
            for tick in range(first, piece.until):
                told.append((tick, piece.truth, piece.events.columns().t[at == tick].tolist()))

    for packet in packets:
        assert segment.add(packet, EventParts.of(packet.events)) == 0
        if segment.begun:
            go(segment.complete(packet.watermark))
    if ends and segment.begun:
        go(segment.end(every))
    return told


@given(
    times=st.lists(st.integers(500, 60_000), min_size=1, max_size=60).map(sorted),
    changes=st.lists(st.tuples(st.integers(0, 59), st.sampled_from(LABELS)), max_size=4),
    cuts=st.sets(st.integers(1, 59), max_size=12),
    eager=st.booleans(),
    most_ticks=st.integers(1, 50),
    most_events=st.integers(1, 50),
)
def test_cutting_changes_nothing(fakes, times, changes, cuts, eager, most_ticks, most_events):
    n = len(times)
    labels = [None] * n
    for at, label in sorted(changes, key=lambda change: change[0]):
        labels[min(at, n - 1) :] = [label] * (n - min(at, n - 1))

    def packets(borders, eager):
        borders = sorted({0, n, *(i for i in range(1, n) if labels[i] != labels[i - 1]), *borders})
        made = []
        for i, j in itertools.pairwise(borders):
            # An eager source knows that nothing comes before the next packet's first event.
            sure = times[j] if eager and j < n else times[j - 1]
            made.append(fakes.packet(times[i:j], watermark=sure, label=labels[i]))
        return made

    whole = walk(packets(set(), False), True, 10_000, 10_000)
    parts = walk(packets({c for c in cuts if c < n}, eager), True, most_ticks, most_events)
    assert parts == whole
    assert [t for _, _, events in whole for t in events] == times
    assert [tick for tick, _, _ in whole] == list(range(len(whole)))


def test_a_tick_waits_for_its_watermark(fakes):
    first = fakes.packet([100, 900], watermark=1099)  # the origin is 100: tick 0 ends at 1100
    assert walk([first], False, 100, 100) == []
    done = fakes.packet([100, 900], watermark=1100)
    assert walk([done], False, 100, 100) == [(0, None, [100, 900])]


def test_the_end_reaches_the_result_that_closes_the_segment(fakes):
    # Events up to tick 12; the result of tick 20 covers them.
    told = walk([fakes.packet([0, 12_500])], True, 100, 100)
    assert told[-1][0] == 20
    told = walk([fakes.packet([0, 20_500])], True, 100, 100)
    assert told[-1][0] == 20


def test_a_label_holds_from_the_tick_of_its_first_event(fakes):
    told = walk(
        [fakes.packet([0, 3100], label="a"), fakes.packet([3200, 5000], label="b")], True, 100, 100
    )
    assert [label for _, label, _ in told[:6]] == ["a", "a", "a", "b", "b", "b"]


def test_events_older_than_a_computed_tick_are_counted_not_computed(fakes):
    segment = Segment(0, (64, 48), 1000, lambda: 0)
    segment.add(fakes.packet([0]), EventParts.of(fakes.packet([0]).events))
    segment.piece(segment.complete(5000), 100, 100)
    late = fakes.packet([4000, 4999, 5000])
    assert segment.add(late, EventParts.of(late.events)) == 2
    assert segment.piece(segment.complete(6000), 100, 100).events.columns().t.tolist() == [5000]


def test_columns_of_packed_records_are_contiguous(fakes):
    made = EventParts.of(fakes.packet([1, 2, 3]).events).columns()
    assert all(c.flags.c_contiguous for c in (made.t, made.x, made.y, made.p))
    assert made.t.dtype == np.int64
    assert made.p.dtype == np.uint8
