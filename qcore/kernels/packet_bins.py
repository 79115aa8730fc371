"""From packets to spikes in ticks: checked, scaled, moved and merged in one pass."""

from __future__ import annotations

import numba
import numpy as np

from spikewire._jit import inline, kernel

PACKED_EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
"""An event as sources pack it, in 13 bytes: microseconds, column, row, polarity."""

_PACKET = numba.types.Array(numba.from_dtype(PACKED_EVENT), 1, "C", readonly=True, aligned=False)
_INT64S, _INT32S, _UINT16S, _BYTES = (
    numba.types.Array(kind, 1, "C")
    for kind in (numba.int64, numba.int32, numba.uint16, numba.uint8)
)

ORIGIN_US, ORIGIN_TICK, TICK_US, CHANNELS, MERGE, MOST, COLUMNS = range(7)
"""Settings, int64[7]: the time at which a tick begins, this tick, the length of a tick, channels of
the plane, whether polarities are merged, most spikes of a place and channel in a tick, and the
columns of the plane."""

COUNT, BEGUN, END_US, TICK, ON, LEFT_OUT, FAULT = range(7)
"""State, int64[7]: spikes so far, those before the present tick, the end of this tick, the tick,
events of polarity 1, events outside the crop, and 1 or 2 where an event lies outside the sensor or
is of no channel."""


@inline
def end_tick(state, held, places, tick):
    """Note the tick of the present spikes; no place has a spike of the next tick."""
    for k in range(state[BEGUN], state[COUNT]):
        held[np.uint64(places[k])] = np.uint8(0)
        tick[k] = state[TICK]
    state[BEGUN] = state[COUNT]


@inline
def end_of_tick(events, begin, settings, state):
    """Enter the tick of event ``begin``; return the first event behind it."""
    ahead = (events[begin].t - settings[ORIGIN_US]) // settings[TICK_US]
    state[TICK] = settings[ORIGIN_TICK] + ahead
    end = settings[ORIGIN_US] + (ahead + 1) * settings[TICK_US]
    state[END_US] = end
    low, high = begin, np.int64(events.shape[0])
    if events[high - 1].t < end:
        low = high
    while low < high:
        middle = (low + high) >> 1
        if events[middle].t < end:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(
    numba.void(_PACKET, _INT64S, _INT32S, _INT32S, _BYTES, _INT64S, _INT32S, _INT64S), live=True
)
def bin_packet(events, settings, to_x, to_y, held, state, places, tick):
    """Add the events of a packet to the spikes of a network's input.

    Of the events of a place and channel in a tick the first ``MOST`` are kept, in their order; the
    engine does not tell further ones from these. Times must not fall, from packet to packet
    either.

    Parameters
    ----------
    events
        The packet.
    settings, state
        As above; before the first packet the state is 0, but ``END_US`` is the least time.
    to_x, to_y
        int32[columns], int32[rows]: for each column and row of the sensor the place in ``held`` at
        which that of the plane begins; outside a crop so negative that every sum is.
    held
        uint8[rows * columns * channels]: spikes of the present tick.
    places, tick
        Take the spikes: where they are in ``held``, and the ticks of those before the present one;
        long enough for all events, or for all that are kept.
    """
    # Unsigned places: the compiler need not look for ones that count from the end.
    width, height = np.uint64(to_x.shape[0]), np.uint64(to_y.shape[0])
    channels, most = settings[CHANNELS], settings[MOST]
    mask = np.uint8(0 if channels == 1 or settings[MERGE] != 0 else 255)
    n, on, i, total = state[COUNT], np.int64(0), np.int64(0), np.int64(events.shape[0])
    while i < total:
        if events[i].t >= state[END_US]:
            state[COUNT] = n
            end_tick(state, held, places, tick)
        stop = end_of_tick(events, i, settings, state)
        # No helper in this loop: Numba would count the references of its arrays.
        for k in range(i, stop):
            column, row = np.uint64(events[k].x), np.uint64(events[k].y)
            channel = events[k].p & mask
            outside = (column >= width) | (row >= height)
            if outside | (np.int64(channel) >= channels):
                state[FAULT] = 1 if outside else 2
                return
            on += np.int64(events[k].p != 0)
            place = np.int32(np.int32(to_x[column] + to_y[row]) + np.int32(channel))
            if place < 0:
                state[LEFT_OUT] += 1
                continue
            have = held[np.uint64(place)]
            if have < most:
                held[np.uint64(place)] = np.uint8(have + np.uint8(1))
                places[n] = place
                n += 1
        i = stop
    state[COUNT], state[ON] = n, state[ON] + on


@kernel(
    numba.void(_INT64S, _BYTES, _INT64S, _INT32S, _INT64S, _UINT16S, _UINT16S, _BYTES), live=True
)
def list_spikes(settings, held, state, places, tick, x, y, p):
    """End the last tick, and write the column, row and channel of every spike.

    Parameters
    ----------
    settings, held, state, places, tick
        As for :func:`bin_packet`.
    x, y, p
        As long as ``places``.
    """
    end_tick(state, held, places, tick)
    for k in range(state[COUNT]):
        place = np.int64(places[k])
        cell = place // settings[CHANNELS]
        x[k] = np.uint16(cell % settings[COLUMNS])
        y[k] = np.uint16(cell // settings[COLUMNS])
        p[k] = np.uint8(place % settings[CHANNELS])
