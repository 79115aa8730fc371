"""Datagrams with damaged events: the twin of the decoder, and what damage may cost."""

from __future__ import annotations

import itertools
import random
import struct
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import SpifDecoder
from spikewire.sensors.sources.spif_kernels import REASONS
from tests.reference.spif import ReferenceDecoder

SIZE = (346, 260)
APART = 4
"""Between two damaged events lie so many: two in a row at the end of a datagram can cost more."""
EVENTS = [name for name in REASONS if name != "odd_bytes"]


def pair(t: int, x: int = 1, y: int = 2, p: int = 1) -> tuple[int, int]:
    return x << 16 | p << 15 | y, t & 0xFFFFFFFF


def pack(pairs: Any) -> bytes:
    words = list(itertools.chain.from_iterable(pairs))
    return struct.pack(f"<{len(words)}I", *words)


def decode(datagrams: list[bytes], arrivals: list[int] | None = None) -> tuple[list[Any], Any]:
    """Events as (segment, t, x, y, p), and the counters, at the end of a stream."""
    decoder = SpifDecoder(SIZE, hold=True)
    told: list[Any] = []
    segment = 0
    for data, arrived in zip(datagrams, arrivals or [0] * len(datagrams), strict=True):
        events, restarted = decoder.decode(data, arrived)
        segment += restarted
        told += [(segment, *event) for event in events.tolist()]
    events, restarted = decoder.release()
    told += [(segment + restarted, *event) for event in events.tolist()]
    return told, decoder.counters


@st.composite
def damaged(draw: Any) -> tuple[list[list[int]], list[list[tuple[int, int]]], int, list[int], int]:
    """A stream's times by datagram, the same with damage, how much of it, arrivals, torn events."""
    rng = random.Random(draw(st.integers(0, 2**63)))
    pace = draw(st.sampled_from([1, 10, 200, 5_000, 40_000]))
    most = draw(st.sampled_from([1, 4, 32, 170]))
    live = draw(st.booleans())
    t = draw(st.sampled_from([0, 10_000_000, 2**31 - 5_000, 2**32 - 5_000]))
    rate = draw(st.sampled_from([0.0, 0.002, 0.01, 0.02]))
    good, sent, hit, arrivals = [], [], 0, []
    torn, number, last = 0, 0, -APART
    for _ in range(max(8, 400 // most)):
        times, pairs = [], []
        for _ in range(rng.randint(1, most)):
            t += rng.randint(0, 2 * pace)
            times.append(t)
            place, low = pair(t, rng.randrange(SIZE[0]), rng.randrange(SIZE[1]))
            number += 1
            if rng.random() < rate and number - last >= APART:
                hit, last = hit + 1, number
                way = rng.randrange(4)
                if way == 0:
                    low ^= 1 << rng.randrange(32)
                elif way == 1:
                    low = rng.getrandbits(32)
                elif way == 2:
                    low = t + 900_000 & 0xFFFFFFFF
                else:
                    place ^= 1 << rng.randrange(32)
                    torn += place >> 31
            pairs.append((place, low))
        good.append(times)
        sent.append(pairs)
        arrivals.append(t - 10_000_000 if live else 0)
    return good, sent, hit, arrivals, torn


MOST_BESIDE = 24
"""Events that a stream may lose beside the damaged ones."""


@settings(max_examples=1000, deadline=None)
@given(damaged())
def test_damage_costs_the_damaged_events(stream: Any) -> None:
    good, sent, hit, arrivals, torn = stream
    told, counters = decode([pack(pairs) for pairs in sent], arrivals)
    count = sum(len(times) for times in good)
    dropped = sum(counters[name] for name in EVENTS)
    # Each event is delivered or dropped by a reason; one whose word has lost its time may be two.
    assert count <= len(told) + dropped <= count + torn
    assert dropped <= hit + MOST_BESIDE, counters
    assert all(a[:2] <= b[:2] for a, b in itertools.pairwise(told))
    if not hit:
        first = good[0][0] // 2**32 * 2**32
        assert [event[1] + first for event in told] == [t for times in good for t in times]
        assert not counters


@st.composite
def wild(draw: Any) -> list[tuple[bytes, int]]:
    """Datagrams near each other in time, with jumps, steps back, cut words and noise."""
    rng = random.Random(draw(st.integers(0, 2**63)))
    t, arrived, made = rng.choice([0, 5_000_000, 2**32 - 500]), 0, []
    for _ in range(rng.randint(1, 12)):
        arrived += rng.choice([0, 10, 5_000, 2_000_000])
        data = b""
        for _ in range(rng.choice([1, 2, 5, 20])):
            t += rng.choice([0, 1, 7, 300, 300, 30_000])
            off = rng.choice([0] * 12 + [-1, -40, 900_000, -900_000, 3_000_000, -3_000_000, 2**31])
            place, low = pair(t + off, rng.randrange(360), rng.randrange(270))
            word = rng.random()
            data += struct.pack("<I", place | (word < 0.08) << 31)
            if word >= 0.04:
                data += struct.pack("<I", low)
        t += rng.choice([0, 0, 0, 900_000, -5_000_000])
        if rng.random() < 0.1:
            data = rng.randbytes(rng.randrange(80))
        made.append((data, arrived))
    return made


@settings(max_examples=1000, deadline=None)
@given(wild())
def test_the_decoder_is_its_twin(datagrams: list[tuple[bytes, int]]) -> None:
    decoder, twin = SpifDecoder(SIZE, hold=True), ReferenceDecoder(SIZE)
    for data, arrived in datagrams:
        events, restarted = decoder.decode(data, arrived)
        wanted, anew = twin.decode(data, arrived)
        assert restarted == anew
        assert events.tolist() == wanted
        assert decoder.holding == (bool(twin.held) or twin.apart is not None)
    drops = {name: decoder.counters[name] for name in EVENTS if decoder.counters[name]}
    assert Counter(drops) == +twin.drops


def stream(count: int, size: int, step: int = 50) -> list[list[tuple[int, int]]]:
    pairs = [pair(step * n) for n in range(count)]
    return [pairs[at : at + size] for at in range(0, count, size)]


@pytest.mark.parametrize("size", [1, 2, 5, 64])
@pytest.mark.parametrize("ahead", [60, 3_000, 900_000, 50_000_000, 2_000_000_000])
@pytest.mark.parametrize("at", [0, 1, 7, 64, 127, 199])
def test_one_event_in_the_future_costs_itself(size: int, ahead: int, at: int) -> None:
    datagrams = stream(200, size)
    datagrams[at // size][at % size] = pair(50 * at + ahead)
    told, counters = decode([pack(pairs) for pairs in datagrams])
    assert len(told) >= 199
    assert sum(counters[name] for name in EVENTS) == 200 - len(told)
    if 0 < at < 199 and ahead > 1_000_000:
        assert {event[0] for event in told} == {0}


@pytest.mark.parametrize("back", [1_000_001, 5_000_000, 2_000_000_000])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 5, 64])
def test_lone_events_far_in_the_past_cost_themselves(back: int, count: int, after: int) -> None:
    base = 2_100_000_000
    before = [[pair(base + 50 * n) for n in range(64)]]
    alone = [pair(base - back + 10 * n) for n in range(count)]
    on = [[pair(base + 3_200 + 50 * n)] for n in range(after)]
    told, counters = decode([pack(pairs) for pairs in [*before, alone, *on]])
    assert {event[0] for event in told} == {0}
    assert len(told) == 64 + after
    assert counters == {"time_backwards": count, "datagrams_refused": 1}


@pytest.mark.parametrize("back", [1_000_001, 5_000_000, 2_000_000_000])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_sender_that_starts_again_loses_nothing(back: int, size: int) -> None:
    base = 2_100_000_000
    before = [[pair(base + 50 * n) for n in range(64)]]
    anew = [[pair(base - back + 50 * (size * n + k)) for k in range(size)] for n in range(4)]
    for following in (1, 4):
        told, counters = decode([pack(pairs) for pairs in [*before, *anew[:following]]])
        assert [event[0] for event in told] == [0] * 64 + [1] * size * following
        assert counters == {"time_restarts": 1}


def test_a_stream_that_goes_on_ahead_is_delivered_whole_and_at_once() -> None:
    decoder = SpifDecoder(SIZE, hold=True)
    datagrams = [pack(pair(base + 50 * n) for n in range(20)) for base in (0, 900_000, 80_000_000)]
    assert [len(decoder.decode(data, 0)[0]) for data in datagrams] == [20, 20, 20]
    assert not decoder.counters


@pytest.mark.parametrize("second", [2_000, 60_000])
def test_a_second_event_in_the_future_costs_itself_while_the_first_is_doubtful(second: int) -> None:
    datagrams = [[pair(n)] for n in range(400)]
    datagrams[100], datagrams[160] = [pair(700)], [pair(second)]
    told, counters = decode([pack(pairs) for pairs in datagrams])
    assert len(told) >= 398
    assert sum(counters[name] for name in EVENTS) == 400 - len(told)


def test_held_events_are_delivered_when_nothing_refutes_them() -> None:
    decoder = SpifDecoder(SIZE, hold=True)
    assert len(decoder.decode(pack(map(pair, (0, 1, 2, 10))), 0)[0]) == 4
    assert len(decoder.decode(pack([pair(500_000)]), 0)[0]) == 0
    assert decoder.holding
    assert decoder.release()[0]["t"].tolist() == [500_000]
    # A pause in which as much time has passed is none to wait for.
    assert len(decoder.decode(pack([pair(900_000)]), 300_000)[0]) == 1
    decoder.decode(pack([pair(2_000_000)]), 300_000)
    decoder.drop_held()
    assert decoder.counters == {"time_ahead": 1}


def test_a_word_whose_highest_bit_is_wrong_costs_itself() -> None:
    (pairs,) = stream(32, 32)
    pairs[9] = pairs[9][0] | 1 << 31, pairs[9][1]
    told, counters = decode([pack(pairs)])
    assert len(told) == 31
    assert counters == {"damaged_word": 1, "datagrams_partly": 1}


def test_one_event_back_in_the_second_half_is_no_stale_tail() -> None:
    (pairs,) = stream(32, 32)
    pairs[20] = pair(100)
    told, counters = decode([pack(pairs)])
    assert len(told) == 31
    assert counters == {"time_backwards": 1, "datagrams_partly": 1}
