"""SPIF: the words that aestream and SpiNNaker's interface send.

Little-endian 32-bit words. Bits 30..16 are x, bit 15 the polarity, bits 14..0 y. Bit 31 set: no
timestamp; bit 31 clear: the next word is a 32-bit time in microseconds, which wraps after 71.6 min.
"""

from __future__ import annotations

from collections import Counter

import numba
import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, EVENT_DTYPE, Events

RESTART_US = 1_000_000
"""A step back further than this is a sender that started again, not a datagram out of order."""

REASONS = (
    "out_of_bounds",  # place outside the sensor
    "stale_tail",  # words repeated at the end of aestream's last datagram
    "time_backwards",  # older than what was delivered before
    "time_missing",  # a word announced a time and the datagram ended
    "odd_bytes",  # bytes after the last whole word
)
"""Counters of what was dropped, beside ``kernel_drops`` (datagrams)."""

VERDICTS = ("datagrams_empty", "datagrams_refused", "datagrams_partly")
"""Counters of datagrams that gave no event, or not all of theirs; all others were taken whole."""

_EMPTY, _REFUSED, _PARTLY = VERDICTS
_LAST, _BEGUN, _RESTARTED, _COUNT = range(4)


@kernel(
    numba.int64(
        numba.types.Array(numba.uint32, 1, "C", readonly=True), numba.int64, numba.int64,
        numba.int64, EVENT_ARRAY, numba.int64, numba.int64[::1], numba.int64[::1],
    )
)  # fmt: skip
def _parse(words, width, height, arrived, events, n, state, counts):  # type: ignore[no-untyped-def]
    """Append one datagram's events to ``events[n:]``; returns the new ``n``.

    ``state`` is int64[4]: last time delivered, whether there was any, whether the sender started
    again in this datagram. ``counts`` follows ``REASONS``.
    """
    total = words.shape[0]
    at = 0
    inside = False
    while at < total:
        word = np.int64(words[at])
        if word >> 31:
            t = arrived
            if t < state[_LAST] and state[_BEGUN] != 0:
                if not inside and state[_LAST] - t > RESTART_US:
                    # A sender with another clock: clamped, time would stand still for as long.
                    state[_RESTARTED] = 1
                    return n
                t = state[_LAST]
            step = 1
        else:
            if at + 1 >= total:
                counts[3] += 1
                break
            low = np.int64(words[at + 1])
            step = 2
            if state[_BEGUN] == 0:
                t = low
            else:
                # The difference modulo 2**32, taken as signed, steps over the wrap.
                ahead = (low - state[_LAST]) & 0xFFFFFFFF
                if ahead >= 0x80000000:
                    ahead -= 0x100000000
                t = state[_LAST] + ahead
                if ahead < 0:
                    if inside and 2 * at >= total:
                        # The tail from the middle on goes back in time: words left over in the
                        # sender's buffer. The whole of it is dropped under its own name.
                        counts[1] += (total - at) // 2
                        return n
                    if not inside and ahead < -RESTART_US:
                        state[_RESTARTED] = 1
                        return n
                    counts[2] += 1
                    at += 2
                    continue
        x = (word >> 16) & 0x7FFF
        y = word & 0x7FFF
        inside = True
        at += step
        if x >= width or y >= height:
            counts[0] += 1
            continue
        state[_BEGUN] = 1
        state[_LAST] = t
        events[n].t = t
        events[n].x = x
        events[n].y = y
        events[n].p = (word >> 15) & 1
        n += 1
    return n


def encode_spif(events: Events) -> bytes:
    """Checked events as words with timestamps, 8 bytes an event; times modulo 2**32 us."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["x"].astype(np.uint32) << 16 | events["p"].astype(np.uint32) << 15
    words[:, 0] |= events["y"]
    words[:, 1] = events["t"] & 0xFFFFFFFF
    return words.tobytes()


class SpifDecoder:
    """Turns datagrams into checked events; keeps the unwrapped time between them.

    Parameters
    ----------
    size
        (width, height): events outside are dropped and counted.

    Attributes
    ----------
    counters
        Dropped events by reason (``REASONS``), datagrams not taken whole (``VERDICTS``), and
        ``time_restarts``.
    last
        Time of the newest event, microseconds.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.counters: Counter[str] = Counter()
        self._state = np.zeros(4, np.int64)

    @property
    def last(self) -> int:
        return int(self._state[_LAST])

    def restart(self) -> None:
        """Forget the time: the next words begin a new one."""
        self._state[:] = 0

    def decode(self, datagram: bytes | memoryview, arrived_us: int) -> tuple[Events, bool]:
        """Decode one datagram.

        Parameters
        ----------
        datagram
            Its bytes.
        arrived_us
            The time given to words without a timestamp.

        Returns
        -------
        events, restarted
            Checked events in time order; whether the sender's clock began anew with them.
        """
        odd = len(datagram) % 4
        if odd:
            self.counters["odd_bytes"] += odd
        words = np.frombuffer(datagram, "<u4", len(datagram) // 4)
        events = np.empty(len(words), EVENT_DTYPE)
        counts = np.zeros(len(REASONS), np.int64)
        n = self._run(words, arrived_us, events, counts)
        restarted = bool(self._state[_RESTARTED])
        if restarted:
            self._state[:] = 0
            self.counters["time_restarts"] += 1
            n = self._run(words, arrived_us, events, counts)
        for reason, count in zip(REASONS, counts, strict=True):
            if count:
                self.counters[reason] += int(count)
        if n == 0:
            self.counters[_REFUSED if datagram else _EMPTY] += 1
        elif odd or counts.any():
            self.counters[_PARTLY] += 1
        return events[:n], restarted

    def _run(
        self,
        words: npt.NDArray[np.uint32],
        arrived: int,
        events: Events,
        counts: npt.NDArray[np.int64],
    ) -> int:
        return int(_parse(words, *self.size, arrived, events, 0, self._state, counts))
