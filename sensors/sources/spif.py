"""SPIF: the words that aestream and SpiNNaker's interface send.

Little-endian 32-bit words. Bits 30..16 are x, bit 15 the polarity, bits 14..0 y. Bit 31 set: no
timestamp; bit 31 clear: the next word is a 32-bit time in microseconds, which wraps after 71.6 min.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from spikewire._jit import keep_ready
from spikewire.sensors.events import EVENT_DTYPE, Events, no_events
from spikewire.sensors.sources.spif_kernels import (
    ARRIVED,
    BEGUN,
    DOUBTFUL,
    HALF,
    HELD,
    HOLDS,
    LAST,
    MOST_HELD,
    RAISE_US,
    REASONS,
    RESTART_US,
    RESTARTED,
    VOTERS,
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


def _signed(a: int, b: int) -> int:
    """Subtract modulo 2**32, with a sign."""
    return (a - b + HALF) % 2**32 - HALF


class SpifDecoder:
    """Turns datagrams into checked events; keeps the unwrapped time between them.

    Parameters
    ----------
    size
        (width, height): events outside are dropped and counted.
    hold
        Whether the last events of a datagram wait for the next one where they lie far ahead, and a
        datagram of few events where it lies far back; then call :meth:`release` when none comes.

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
        keep_ready(parse, is_refuted)
        self._state = np.zeros(ARRIVED + 1, np.int64)
        self._state[HOLDS] = hold
        self._counts = np.zeros(len(REASONS) - 1, np.int64)
        self._held = no_events()
        self._apart: tuple[bytes, int] | None = None

    @property
    def last(self) -> int:
        return int(self._state[LAST])

    @property
    def holding(self) -> bool:
        """Whether events wait for the next datagram."""
        return len(self._held) > 0 or self._apart is not None

    def restart(self) -> None:
        """Forget the time: the next words begin a new one."""
        self.drop_held()
        self._state[:HOLDS] = 0

    def release(self) -> tuple[Events, bool]:
        """Return the held events: no datagram has come to tell that they are wrong.

        Returns
        -------
        events, restarted
            As :meth:`decode` does.
        """
        if self._apart is not None:
            datagram, arrived_us = self._apart
            self._apart = None
            events, restarted = self._decode(datagram, arrived_us)
            return np.concatenate([events, self._confirm()]), restarted
        return self._confirm(), False

    def _confirm(self) -> Events:
        """Take the held events as right, and return them."""
        held, self._held = self._held, no_events()
        if len(held):
            self._state[LAST] = held["t"][-1]
            if not self._state[BEGUN]:
                self._state[BEGUN], self._state[DOUBTFUL] = 1, held["t"][-2:][0]
        return held

    def drop_held(self) -> None:
        """Drop the held events, and count them."""
        self._drop_ahead()
        self._drop_apart()

    def _drop_ahead(self) -> None:
        if len(self._held):
            self.counters["time_ahead"] += len(self._held)
            self._held = no_events()

    def _drop_apart(self) -> None:
        if self._apart is not None:
            self.counters["time_backwards"] += len(self._apart[0]) // 8
            self.counters[_REFUSED] += 1
            self._apart = None

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
        if self._apart is not None:
            return self._decode_after_apart(datagram, arrived_us)
        if self._lies_apart(datagram):
            self._apart = bytes(datagram), arrived_us
            return no_events(), False
        return self._decode(datagram, arrived_us)

    def _lies_apart(self, datagram: bytes | memoryview) -> bool:
        """Tell whether a datagram of few events lies so far back that the next one must judge it.

        They are lone events with a wrong time, or a sender that started again.
        """
        few = 0 < len(datagram) <= 8 * MOST_HELD and len(datagram) % 8 == 0
        if not (few and self._state[HOLDS] and self._state[BEGUN]):
            return False
        words = np.frombuffer(datagram, "<u4").tolist()
        return all(word < HALF for word in words[::2]) and all(
            _signed(t, self.last) < -RESTART_US for t in words[1::2]
        )

    def _decode_after_apart(
        self, datagram: bytes | memoryview, arrived_us: int
    ) -> tuple[Events, bool]:
        """Decode a datagram that tells whether the one that lies apart began a new time."""
        assert self._apart is not None
        apart, arrived_before = self._apart
        origin = int(np.frombuffer(apart, "<u4")[1])
        words = np.frombuffer(datagram, "<u4", len(datagram) // 4)[: 2 * VOTERS].tolist()
        times = [t for word, t in zip(words[::2], words[1::2], strict=False) if word < HALF]
        near = sum(abs(_signed(t, origin)) < RESTART_US for t in times)
        if sum(_signed(t, self.last) >= -RESTART_US for t in times) > near:
            self._drop_apart()
            return self._decode(datagram, arrived_us)
        self._apart = None
        first, restarted = self._decode(apart, arrived_before)
        events, again = self._decode(datagram, arrived_us)
        if again:
            self.counters["time_backwards"] += len(first)
            return events, True
        return np.concatenate([first, events]), restarted

    def _decode(self, datagram: bytes | memoryview, arrived_us: int) -> tuple[Events, bool]:
        """Decode a datagram whose place in time the next one need not confirm."""
        odd = len(datagram) % 4
        if odd:
            self.counters["odd_bytes"] += odd
        words = np.frombuffer(datagram, "<u4", len(datagram) // 4)
        state, counts, start = self._state, self._counts, 0
        if len(self._held):
            if self._is_refuted(words):
                self._drop_ahead()
            start = len(self._held)
        events = np.empty(len(words) + start, EVENT_DTYPE)
        if start:
            events[:start] = self._confirm()
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
