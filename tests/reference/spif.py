"""The decoder of SPIF datagrams once more: one word after the other, with lists."""

from __future__ import annotations

import struct
from collections import Counter

Event = tuple[int, int, int, int]

RESTART_US = 1_000_000
RAISE_US = 10_000
HOLD_US = 10_000
LATE_US = 30_000
VOTERS = 8
MOST_HELD = 3
HALF = 2**31


def signed(a: int, b: int) -> int:
    """Subtract modulo 2^32, with a sign."""
    return (a - b + HALF) % 2**32 - HALF


class RestartedError(Exception):
    """The sender's clock began anew with this datagram."""


class ReferenceDecoder:
    """Events of datagrams, with those that wait for the next datagram in ``held``."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.drops: Counter[str] = Counter()
        self.held: list[Event] = []
        self.apart: tuple[bytes, int] | None = None
        self.last: int | None = None
        self.good = 0
        self.late = 0
        self.raised = False
        self.arrived = 0

    def decode(self, datagram: bytes, arrived: int) -> tuple[list[Event], bool]:
        """Decode a datagram; one of few events that lies far back waits for the next one."""
        count, rest = divmod(len(datagram), 8)
        words = struct.unpack(f"<{2 * count}I", datagram[: 8 * count])
        apart, self.apart = self.apart, None
        if apart is not None:
            (origin,) = struct.unpack("<I", apart[0][4:8])
            assert self.last is not None
            near = on = 0
            for word, t in list(zip(words[::2], words[1::2], strict=True))[:VOTERS]:
                if not word >> 31:
                    near += abs(signed(t, origin)) < RESTART_US
                    on += signed(t, self.last) >= -RESTART_US
            if on > near:
                self.drops["time_backwards"] += len(apart[0]) // 8
                return self.decode_now(datagram, arrived)
            first, restarted = self.decode_now(*apart)
            events, again = self.decode_now(datagram, arrived)
            if again:
                self.drops["time_backwards"] += len(first)
                return events, True
            return first + events, restarted
        if self.last is not None and not rest and 1 <= count <= MOST_HELD:
            pairs = zip(words[::2], words[1::2], strict=True)
            if all(not w >> 31 and signed(t, self.last) < -RESTART_US for w, t in pairs):
                self.apart = datagram, arrived
                return [], False
        return self.decode_now(datagram, arrived)

    def decode_now(self, datagram: bytes, arrived: int) -> tuple[list[Event], bool]:
        words = list(struct.unpack(f"<{len(datagram) // 4}I", datagram[: len(datagram) // 4 * 4]))
        elapsed, self.arrived = arrived - self.arrived, arrived
        confirmed = self.confirm(words)
        drops: Counter[str] = Counter()
        restarted = False
        try:
            events = self.read(words, arrived, elapsed, drops)
        except RestartedError:
            restarted = True
            self.last = None
            self.late = 0
            self.raised = False
            drops = Counter({"time_ahead": len(confirmed)})
            confirmed = []
            events = self.read(words, arrived, elapsed, drops)
        self.drops += drops
        return confirmed + events, restarted

    def near(
        self, words: list[int], at: int, origin: int, low: int, high: int, most: int = VOTERS
    ) -> int:
        """Count the next events with a time from ``low`` to ``high`` (exclusive) after origin."""
        following = [k for k in range(at + 2, at + 2 + 2 * most, 2) if k + 1 < len(words)]
        return sum(
            not words[k] >> 31 and low <= signed(words[k + 1], origin) < high for k in following
        )

    def confirm(self, words: list[int]) -> list[Event]:
        """Deliver the held events, or drop them if the next ones are earlier."""
        held, self.held = self.held, []
        if not held:
            return []
        t = held[0][0]
        low = -HALF if self.last is None else self.last - RAISE_US - t
        if self.near(words, -2, t, low, 0) > self.near(words, -2, t, 0, HALF):
            self.drops["time_ahead"] += len(held)
            return []
        if self.last is None:
            self.good = held[-2:][0][0]
        self.last = held[-1][0]
        return held

    def read(
        self, words: list[int], arrived: int, elapsed: int, drops: Counter[str]
    ) -> list[Event]:
        events: list[Event] = []
        first_last = self.last
        inside = False
        at = 0
        while at < len(words):
            timed = not words[at] >> 31
            if not timed and self.is_damaged_pair(words, at):
                drops["damaged_word"] += 1
                at += 2
                continue
            if timed and at + 1 == len(words):
                drops["time_missing"] += 1
                break
            if timed:
                t = self.time_of(words, at, inside, first_last, drops)
                if t == "tail":
                    break
                if t is None:
                    at += 2
                    continue
            else:
                t = arrived
                if self.last is not None and t < self.last:
                    if not inside and self.last - t > RESTART_US:
                        raise RestartedError
                    t = self.last
            x, y, p = words[at] >> 16 & 0x7FFF, words[at] & 0x7FFF, words[at] >> 15 & 1
            inside = True
            at += 2 if timed else 1
            if x >= self.size[0] or y >= self.size[1]:
                drops["out_of_bounds"] += 1
                continue
            self.last = t
            self.late = 0
            events.append((t, x, y, p))
        self.look_at_the_tail(events, first_last, 0 if first_last is None else elapsed)
        first_of_all = first_last is None and not words[0] >> 31 if words else False
        if first_of_all and not self.held and len(events) <= MOST_HELD:
            self.held, events, self.last = events, [], None
        return events

    def is_damaged_pair(self, words: list[int], at: int) -> bool:
        """Whether a word without a time is one whose highest bit is wrong."""
        if self.last is None or at + 1 >= len(words):
            return False
        if abs(signed(words[at + 1], self.last)) >= RESTART_US:
            return False
        if at + 2 == len(words):
            return True
        return (
            at + 3 < len(words)
            and not words[at + 2] >> 31
            and abs(signed(words[at + 3], self.last)) < RESTART_US
        )

    def time_of(self, words, at, inside, first_last, drops):  # type: ignore[no-untyped-def]
        """Return the time of an event, None if it is dropped, or "tail" if all that follow are."""
        low = words[at + 1]
        most = VOTERS
        if self.last is None:
            ahead, t, most = HALF, low, 2
        else:
            ahead = signed(low, self.last)
            t = self.last + ahead
        if ahead >= 0:
            if self.last is not None and self.last == first_last:
                ahead += min(self.last - self.good, RAISE_US)
            early = self.near(words, at, low, -ahead, 0, most)
            if early > self.near(words, at, low, 0, HALF, most):
                drops["time_ahead"] += 1
                return None
            return t
        last = self.last
        doubtful = last == first_last and t >= self.good
        if doubtful and ahead >= -RAISE_US:
            self.raised = True
            return last
        doubtful = doubtful or (self.late >= VOTERS and ahead < -LATE_US)
        if inside and 2 * at >= len(words):
            before = self.near(words, at, last, -HALF, 0)
            if before >= self.near(words, at, last, 0, HALF):
                drops["stale_tail"] += (len(words) - at) // 2
                return "tail"
        if not inside and (doubtful or ahead < -RESTART_US):
            anew = self.near(words, at, low, -RESTART_US, RESTART_US)
            if anew >= self.near(words, at, last, 0, RESTART_US):
                raise RestartedError
        drops["time_backwards"] += 1
        self.late += 1
        return None

    def look_at_the_tail(self, events: list[Event], first_last: int | None, elapsed: int) -> None:
        """Find the longest step among the last ones: what follows it may be wrong."""
        if not events:
            return
        times = [event[0] for event in events]
        before = [times[0] if first_last is None else first_last, *times[:-1]]
        longest, first = 0, len(times)
        for i in range(max(0, len(times) - MOST_HELD), len(times)):
            if times[i] - before[i] > longest:
                longest, first = times[i] - before[i], i
        if first == len(times):
            if first_last is None or times[-1] != first_last:
                self.good = times[-1]
            return
        usual = (before[first] - times[0]) // (first - 1) if first > 1 else 0
        hold = longest > HOLD_US + 2 * max(elapsed, 0)
        good = self.good if before[first] == first_last and self.raised else before[first]
        if before[first] != first_last or not hold:
            self.good = good if hold or longest > usual else times[-1]
            self.raised = False
        if hold:
            self.last = before[first]
            self.held = events[first:]
            del events[first:]
