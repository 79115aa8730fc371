"""SPIF: the words that aestream and SpiNNaker's interface send.

Little-endian 32-bit words. Bits 30..16 are x, bit 15 the polarity, bits 14..0 y. Bit 31 set: no
timestamp; bit 31 clear: the next word is a 32-bit time in microseconds, which wraps after 71.6 min.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from spikewire.sensors.events import EVENT_DTYPE, Events, no_events
from spikewire.sensors.sources.spif_kernels import (
    ARRIVED,
    BEGUN,
    DOUBTFUL,
    HALF,
    HELD,
    HOLDS,
    LAST,
    RAISE_US,
    REASONS,
    RESTARTED,
    is_refuted,
    parse,
)

VERDICTS = ("datagrams_empty", "datagrams_refused", "datagrams_partly")
"""Counters of datagrams that gave no event, or not all of theirs; all others were taken whole."""

_EMPTY, _REFUSED, _PARTLY = VERDICTS

HELD_S = 0.1
"""Events that may be wrong are delivered when no others have told so for this long."""


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
    hold
        Whether the last events of a datagram wait for the next one where they lie far ahead; then
        call :meth:`release` when none comes.

    Attributes
    ----------
    counters
        Dropped events by reason (``REASONS``), datagrams not taken whole (``VERDICTS``), and
        ``time_restarts``.
    last
        Time of the newest event, microseconds.
    """

    def __init__(self, size: tuple[int, int], *, hold: bool = False) -> None:
        self.size = size
        self.counters: Counter[str] = Counter()
        self._state = np.zeros(ARRIVED + 1, np.int64)
        self._state[HOLDS] = hold
        self._counts = np.zeros(len(REASONS) - 1, np.int64)
        self._held = no_events()

    @property
    def last(self) -> int:
        return int(self._state[LAST])

    @property
    def holding(self) -> bool:
        """Whether events wait for the next datagram."""
        return len(self._held) > 0

    def restart(self) -> None:
        """Forget the time: the next words begin a new one."""
        self.drop_held()
        self._state[:HOLDS] = 0

    def release(self) -> Events:
        """Return the held events: no datagram has come to tell that they are wrong."""
        held, self._held = self._held, no_events()
        if len(held):
            self._state[LAST] = held["t"][-1]
            if not self._state[BEGUN]:
                self._state[BEGUN], self._state[DOUBTFUL] = 1, held["t"][-2:][0]
        return held

    def drop_held(self) -> None:
        """Drop the held events, and count them."""
        if len(self._held):
            self.counters["time_ahead"] += len(self._held)
            self._held = no_events()

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
            Checked events in time order, with those that were held; whether the sender's clock
            began anew with them.
        """
        odd = len(datagram) % 4
        if odd:
            self.counters["odd_bytes"] += odd
        words = np.frombuffer(datagram, "<u4", len(datagram) // 4)
        state, counts, start = self._state, self._counts, 0
        if len(self._held):
            if self._is_refuted(words):
                self.drop_held()
            start = len(self._held)
        events = np.empty(len(words) + start, EVENT_DTYPE)
        if start:
            events[:start] = self.release()
        end = int(parse(words, *self.size, arrived_us, events, start, state, counts))
        if end >= 0 and not odd:
            return events[:end], False
        end = max(end, -1 - end)
        restarted = bool(state[RESTARTED])
        if restarted:
            state[:HELD] = counts[:] = 0
            self.counters["time_restarts"] += 1
            if start:
                self.counters["time_ahead"] += start
            start, end = 0, int(parse(words, *self.size, arrived_us, events, 0, state, counts))
            end = max(end, -1 - end)
        self._count(datagram, odd, end - start)
        if state[HELD]:
            end -= int(state[HELD])
            self._held = events[end : end + int(state[HELD])].copy()
        return events[:end], restarted

    def _is_refuted(self, words: npt.NDArray[np.uint32]) -> bool:
        """Tell whether a datagram goes on before the held events."""
        t = int(self._held["t"][0])
        before = self.last - RAISE_US if self._state[BEGUN] else t - HALF
        return bool(is_refuted(words, t, before))

    def _count(self, datagram: bytes | memoryview, odd: int, taken: int) -> None:
        counts = self._counts
        dropped = bool(counts.any())
        if dropped:
            for reason, count in zip(REASONS, counts, strict=False):
                if count:
                    self.counters[reason] += int(count)
            counts[:] = 0
        if taken == 0:
            self.counters[_REFUSED if datagram else _EMPTY] += 1
        elif odd or dropped:
            self.counters[_PARTLY] += 1
