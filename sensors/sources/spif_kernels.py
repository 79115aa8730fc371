"""Kernels that read SPIF words: which events of a datagram are taken, and which are damaged."""

from __future__ import annotations

import numba
import numpy as np

from spikewire._jit import inline, kernel
from spikewire.sensors.events import EVENT_ARRAY

RESTART_US = 1_000_000
"""A step back further than this is a sender that started again, not a datagram out of order."""

HOLD_US = 10_000
"""The last events of a datagram wait for the next one if they lie further ahead than this and than
twice the time since the datagram before."""

LATE_US = 30_000
"""When events in a row are later than this, and no others come, it was the last one that was wrong:
a segment begins."""

RAISE_US = 10_000
"""Events up to so much earlier than a doubtful last event of the datagram before get its time."""

MOST_HELD = 3
"""More events that agree with each other are a jump of time, and do not wait."""

REASONS = (
    "out_of_bounds",  # place outside the sensor
    "stale_tail",  # words repeated at the end of aestream's last datagram
    "time_backwards",  # older than what was delivered before
    "time_missing",  # a word announced a time and the datagram ended
    "time_ahead",  # later than the events that follow
    "damaged_word",  # without a time among words that have one
    "odd_bytes",  # bytes after the last whole word
)
"""Counters of what was dropped, beside ``kernel_drops`` (datagrams)."""

_OUTSIDE, _STALE, _BACK, _MISSING, _AHEAD, _DAMAGED = range(6)
LAST, BEGUN, RESTARTED, DOUBTFUL, LATE, RAISED, HELD, HOLDS, ARRIVED = range(9)
_TAKE, _SKIP, _STOP = range(3)
VOTERS = 8
"""So many events that follow judge one whose time is doubtful."""
_FIRST_VOTERS = 2  # where nothing came before, and words left over may follow soon
HALF = 1 << 31
NEVER = 1 << 40


@inline
def _signed(a, b):  # type: ignore[no-untyped-def]
    """Subtract modulo 2**32, with a sign: this steps over the wrap."""
    return ((a - b + HALF) & 0xFFFFFFFF) - HALF


@inline
def _ordered(words):  # type: ignore[no-untyped-def]
    """Tell whether all words have a time, and none is earlier than the one before."""
    total = words.shape[0]
    first = words[1] if total > 1 else np.uint32(0)
    wrong = np.uint64(words[0])
    for at in range(2, total - 1, 2):
        wrong |= words[at] | (words[at + 1] - words[at - 1]) | (words[at + 1] - first)
    return total & 1 == 0 and (wrong >> np.uint64(31)) & np.uint64(1) == 0


@inline
def _near(words, at, most, origin, low, high):  # type: ignore[no-untyped-def]
    """Count those of the next ``most`` events that are ``low`` to ``high`` later than ``origin``.

    The end is exclusive.
    """
    count = np.int64(0)
    for k in range(at + 2, min(at + 2 + 2 * most, words.shape[0] - 1), 2):
        if words[k] >> np.uint32(31) == 0:
            after = _signed(np.int64(words[k + 1]), origin)
            count += np.int64(low <= after) & np.int64(after < high)
    return count


@inline
def _is_damaged_pair(words, at, state):  # type: ignore[no-untyped-def]
    """Tell whether a word without a time is one whose highest bit is wrong."""
    total = words.shape[0]
    if state[BEGUN] == 0 or at + 1 >= total:
        return False
    after = _signed(np.int64(words[at + 1]), state[LAST])
    if abs(after) >= RESTART_US:
        return False
    if at + 2 == total:
        return True
    if at + 3 >= total or words[at + 2] >> np.uint32(31) != 0:
        return False
    after = _signed(np.int64(words[at + 3]), state[LAST])
    return abs(after) < RESTART_US


@inline
def _is_ahead(words, at, most, low, ahead):  # type: ignore[no-untyped-def]
    """Tell whether more of the next events are earlier than this one than are not."""
    return _near(words, at, most, low, -ahead, 0) > _near(words, at, most, low, 0, HALF)


@inline
def _judge_late(words, at, ahead, inside, newest, state, counts):  # type: ignore[no-untyped-def]
    """Judge an event earlier than the last one; ``newest`` is the last of the datagram before."""
    last = state[LAST]
    doubtful = last == newest and last + ahead >= state[DOUBTFUL]
    if doubtful and ahead >= -RAISE_US:
        state[RAISED] = 1
        return _TAKE
    doubtful |= state[LATE] >= VOTERS and ahead < -LATE_US
    left_over = _near(words, at, VOTERS, last, -HALF, 0) >= _near(words, at, VOTERS, last, 0, HALF)
    if inside and 2 * at >= words.shape[0] and left_over:
        # The tail from the middle on goes back in time: words left over in the sender's buffer.
        counts[_STALE] += (words.shape[0] - at) // 2
        return _STOP
    if not inside and (doubtful or ahead < -RESTART_US):
        low = np.int64(words[at + 1])
        anew = _near(words, at, VOTERS, low, -RESTART_US, RESTART_US)
        if anew >= _near(words, at, VOTERS, last, 0, RESTART_US):
            state[RESTARTED] = 1
            return _STOP
    counts[_BACK] += 1
    state[LATE] += 1
    return _SKIP


@inline
def _judge_timed(words, at, ordered, inside, newest, state, counts):  # type: ignore[no-untyped-def]
    """Judge an event with a time."""
    if at + 1 >= words.shape[0]:
        counts[_MISSING] += 1
        return _STOP
    low = np.int64(words[at + 1])
    begun = state[BEGUN] != 0
    ahead = _signed(low, state[LAST]) if begun else np.int64(HALF)
    if ahead < 0:
        return _judge_late(words, at, ahead, inside, newest, state, counts)
    if begun and state[LAST] == newest:
        ahead += min(newest - state[DOUBTFUL], RAISE_US)
    most = VOTERS if begun else _FIRST_VOTERS
    if not ordered and _is_ahead(words, at, most, low, ahead):
        counts[_AHEAD] += 1
        return _SKIP
    return _TAKE


@inline
def _judge_untimed(words, at, arrived, inside, state, counts):  # type: ignore[no-untyped-def]
    """Judge a word without a time, whose event has that of its arrival."""
    if _is_damaged_pair(words, at, state):
        counts[_DAMAGED] += 1
        return _SKIP
    if state[BEGUN] != 0 and not inside and state[LAST] - arrived > RESTART_US:
        # A sender with another clock: clamped, time would stand still for as long.
        state[RESTARTED] = 1
        return _STOP
    return _TAKE


@inline
def _take_plausible(words, width, height, events, start, state):  # type: ignore[no-untyped-def]
    """Append all events of a datagram in one pass that tells whether its times are plausible.

    Each has a time, none is earlier than the one before, and places outside are left out. Returns
    the end, or -1 if not: the events are to be overwritten then, and the state is as before.
    """
    last, count = state[LAST], words.shape[0] // 2
    base, low, most_x, most_y = np.uint32(last), np.uint32(0x7FFF), width - 1, height - 1
    after, outside = np.uint32(0), np.int64(0)
    wrong = np.uint32(words.shape[0] & 1) << np.uint32(31)
    for k in range(count):
        word, past = words[2 * k], after
        after = np.uint32(words[2 * k + 1] - base)
        wrong |= word | after | np.uint32(after - past)
        x, y, i = np.uint32(word >> np.uint32(16)) & low, word & low, start + k
        outside |= (most_x - np.int64(x)) | (most_y - np.int64(y))
        events[i].t, events[i].x, events[i].y = last + np.int64(after), x, y
        events[i].p = (word >> np.uint32(15)) & np.uint32(1)
    if count == 0 or wrong >> np.uint32(31) != 0:
        return np.int64(-1)
    n = start + count
    if outside < 0:
        n = _without_outside(events, start, n, width, height)
    if n > start:
        state[LAST], state[LATE] = events[n - 1].t, 0
    return n


@inline
def _without_outside(events, start, stop, width, height):  # type: ignore[no-untyped-def]
    """Move the events inside the sensor together; returns their end."""
    n = start
    for i in range(start, stop):
        events[n] = events[i]
        n += np.int64(events[i].x < width and events[i].y < height)
    return n


@inline
def _look_at_the_tail(events, start, n, newest, elapsed, state):  # type: ignore[no-untyped-def]
    """Find the longest step to one of the last events: what follows it may be wrong.

    Returns the number of events to be held.
    """
    longest, first, before = np.int64(0), n, newest
    for i in range(max(start, n - MOST_HELD), n):
        past = events[i - 1].t if i > start else newest
        if events[i].t - past > longest:
            longest, first, before = events[i].t - past, i, past
    if first == n:
        if state[LAST] != newest:
            state[DOUBTFUL] = state[LAST]
        return 0
    usual = (before - events[start].t) // (first - start - 1) if first - start > 1 else 0
    hold = longest > HOLD_US + 2 * max(elapsed, 0)
    # A last time to which events were raised was wrong, and is not the last good one.
    good = state[DOUBTFUL] if before == newest and state[RAISED] != 0 else before
    if before != newest or not hold:
        state[DOUBTFUL] = good if hold or longest > usual else state[LAST]
        state[RAISED] = 0
    if not hold:
        return 0
    state[LAST] = before
    return n - first


@inline
def _take_doubtful(words, width, height, arrived, events, start, state, counts):  # type: ignore[no-untyped-def]
    """Append those events of a datagram that are not judged wrong; returns their end."""
    inside, n, at, newest = False, start, 0, state[LAST]
    ordered = words.shape[0] > 0 and _ordered(words)
    while at < words.shape[0]:
        word = np.int64(words[at])
        timed = word >> 31 == 0
        if timed:
            verdict = _judge_timed(words, at, ordered, inside, newest, state, counts)
        else:
            verdict = _judge_untimed(words, at, arrived, inside, state, counts)
        if verdict == _STOP:
            break
        if verdict == _SKIP:
            at += 2
            continue
        x, y = (word >> 16) & 0x7FFF, word & 0x7FFF
        inside = True
        if x >= width or y >= height:
            counts[_OUTSIDE] += 1
        else:
            t = np.int64(words[at + 1]) if timed else arrived
            if state[BEGUN] != 0:
                t = max(state[LAST] + _signed(t, state[LAST]) if timed else t, state[LAST])
            state[BEGUN], state[LAST], state[LATE] = 1, t, 0
            events[n].t, events[n].x, events[n].y = t, x, y
            events[n].p = (word >> 15) & 1
            n += 1
        at += 2 if timed else 1
    return n


@kernel(
    numba.int64(
        numba.types.Array(numba.uint32, 1, "C", readonly=True), numba.int64, numba.int64,
        numba.int64, EVENT_ARRAY, numba.int64, numba.int64[::1], numba.int64[::1],
    ),
)  # fmt: skip
def parse(words, width, height, arrived, events, start, state, counts):  # type: ignore[no-untyped-def]
    """Append one datagram's events to ``events[start:]``; returns the end of all of them.

    If not all were taken, or some are to be held, returns -1 minus the end. ``state`` is int64[9]:
    last time delivered, whether there was any, whether the sender started again in this datagram,
    since when times are doubtful, late events in a row, whether earlier events got that last time,
    how many of the events are to be held, whether any may be, and when the datagram before
    arrived. ``counts``: as ``REASONS``.
    """
    begun, newest, n = state[BEGUN], state[LAST], np.int64(-1)
    elapsed = arrived - state[ARRIVED] if state[HOLDS] != 0 else NEVER
    state[ARRIVED], state[HELD] = arrived, 0
    if begun != 0:
        n = _take_plausible(words, width, height, events, start, state)
    whole = 2 * (n - start) == words.shape[0]
    if n < 0:
        n = _take_doubtful(words, width, height, arrived, events, start, state, counts)
    elif not whole:
        counts[_OUTSIDE] += words.shape[0] // 2 - (n - start)
    if n > start:
        if begun == 0:
            newest = state[DOUBTFUL] = events[start].t
            elapsed = NEVER if elapsed == NEVER else 0
        state[HELD] = _look_at_the_tail(events, start, n, newest, elapsed, state)
        few = n - start <= MOST_HELD and words[0] >> np.uint32(31) == 0
        if begun == 0 and state[HELD] == 0 and few and elapsed < NEVER:
            state[BEGUN], state[HELD] = 0, n - start
    return n if whole and state[HELD] == 0 else -1 - n


@kernel(
    numba.boolean(
        numba.types.Array(numba.uint32, 1, "C", readonly=True), numba.int64, numba.int64
    ),
)  # fmt: skip
def is_refuted(words, t, last):  # type: ignore[no-untyped-def]
    """Tell whether a datagram goes on before the held time ``t``, and not after it."""
    return _is_ahead(words, -2, VOTERS, t & 0xFFFFFFFF, t - last)
