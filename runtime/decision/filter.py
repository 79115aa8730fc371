"""Temporal smoothing and rejection: from scores every few milliseconds to a steady decision.

Integers over event time, no clock and no randomness: the same results give the same decisions,
however they arrive.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt

from spikewire.runtime.decision.rules import NOTHING, UNKNOWN, Rules
from spikewire.runtime.decision.stillness import Stillness

# Half a spread behind halves a share; a share is counted in this many parts.
_HALF, _PARTS = 50, 1 << 24


@dataclass(frozen=True, slots=True)
class Standing:
    """Distances between the classes over the window.

    Attributes
    ----------
    shares
        Whole percentages by class that add up to 100; all 0 while the answer is ``nothing``. A
        class one spread behind the leading one has a quarter of its share.
    leading, runner_up
        The two classes with the highest mean scores; None without them.
    margin
        Lead of the first over the second, in hundredths of their spread; None without two.
    """

    shares: Mapping[str, int]
    leading: str | None = None
    runner_up: str | None = None
    margin: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer, from when until when, in microseconds of event time.

    Attributes
    ----------
    name
        A class, ``unknown`` or ``nothing``.
    segment
        The stretch of the stream that the times belong to.
    since_us
        When it began to win.
    decided_us
        When it was taken.
    confidence
        For a class the percentage of results that named it: of those in the window while it lasts,
        of all of its time when it is over. For ``unknown`` what the best class lacks to 100; for
        ``nothing`` 100.
    until_us
        When the next began to win; None while it lasts.
    """

    name: str
    segment: int
    since_us: int
    decided_us: int
    confidence: int
    until_us: int | None = None

    @property
    def gesture(self) -> bool:
        """Whether it names a class."""
        return self.name not in (UNKNOWN, NOTHING)


@dataclass(slots=True)
class _Motion:
    """Spikes or events within the motion window, and the time they cover."""

    rows: deque[tuple[int, int, int]] = field(default_factory=deque)
    spikes: int = 0
    covered_us: int = 0

    def add(self, t_us: int, covers: int, spikes: int, over_us: int) -> None:
        self.rows.append((t_us, covers, spikes))
        self.covered_us += covers
        self.spikes += spikes
        while self.rows[0][0] <= t_us - over_us and len(self.rows) > 1:
            _, covered, counted = self.rows.popleft()
            self.covered_us -= covered
            self.spikes -= counted

    def reaches(self, threshold: int) -> bool:
        """Whether so many came per millisecond."""
        return self.covered_us > 0 and 1000 * self.spikes >= threshold * self.covered_us

    def per_second(self) -> int:
        """Return how many came per second; the window must cover some time."""
        return 1_000_000 * self.spikes // self.covered_us


@dataclass(slots=True)
class _Window:
    """Results within the window, and their sums per class: scores, squares, first places."""

    classes: tuple[str, ...] = ()
    first_us: int = 0
    last_us: int = 0
    rows: deque[tuple[int, int, tuple[int, ...]]] = field(default_factory=deque)
    sums: list[int] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)

    def add(self, t_us: int, scores: tuple[int, ...], window_us: int) -> None:
        first = _winner(scores)
        self.last_us = t_us
        self._count(1, first, scores)
        self.rows.append((t_us, first, scores))
        while self.rows[0][0] <= t_us - window_us and len(self.rows) > 1:
            self._count(-1, *self.rows.popleft()[1:])

    def _count(self, sign: int, first: int, scores: tuple[int, ...]) -> None:
        if first >= 0:
            self.firsts[first] += sign
        for n, score in enumerate(scores):
            self.sums[n] += sign * score
            self.squares[n] += sign * score * score

    def best(self, among: Sequence[int]) -> tuple[int, int, int]:
        """Return the best of some classes, its squared lead over the next, and the two's spread.

        The spread is squared. Both are multiplied by the square of the number of results, which
        leaves them whole.
        """
        first = max(among, key=self.sums.__getitem__)
        others = [n for n in among if n != first]
        second = max(others, key=self.sums.__getitem__, default=-1)
        lead = self.sums[first] - (self.sums[second] if second >= 0 else 0)
        spread = self._spread(first) + (self._spread(second) if second >= 0 else 0)
        return first, max(lead, 0) ** 2, spread

    def ahead(self, n: int, of: int) -> tuple[int, int]:
        """Return the squared lead of a class over another, 0 if it is behind, and their spread."""
        lead = max(self.sums[n] - self.sums[of], 0)
        return lead * lead, self._spread(n) + self._spread(of)

    def _spread(self, n: int) -> int:
        return len(self.rows) * self.squares[n] - self.sums[n] * self.sums[n]

    def share(self, index: int) -> int:
        """Return the percentage of results in the window with this class in front."""
        return 100 * self.firsts[index] // len(self.rows)

    def standing(self, among: Sequence[int]) -> Standing:
        """Return the classes' distances from the best of some, in units of the spread.

        A class that is ahead of it, and none of them, is level with it.
        """
        first, _, spread = self.best(among)
        root = isqrt(spread)
        behind = [max(self.sums[first] - total, 0) for total in self.sums]
        # Without any spread every lead is a clear one.
        far = [100 * lead // root if root else 100 * _HALF * (lead > 0) for lead in behind]
        weights = [_weight(hundredths) for hundredths in far]
        whole = sum(weights)
        shares = [(100 * weight + whole // 2) // whole for weight in weights]
        shares[first] += 100 - sum(shares)
        most = max(range(len(shares)), key=shares.__getitem__)
        shares[first], shares[most] = shares[most], shares[first]
        others = [n for n in among if n != first]
        second = min(others, key=behind.__getitem__, default=None)
        return Standing(
            dict(zip(self.classes, shares, strict=True)),
            self.classes[first],
            None if second is None else self.classes[second],
            None if second is None else far[second],
        )


def _weight(behind: int) -> int:
    """Return the part of a share that is left so many hundredths of a spread behind."""
    halvings, rest = divmod(behind, _HALF)
    return (_PARTS * (2 * _HALF - rest) // (2 * _HALF)) >> min(halvings, 64)


def _winner(scores: Sequence[int]) -> int:
    """Return the index of the highest score, the first of equals; -1 if all are equal."""
    most = max(scores)
    if most == min(scores) and (len(scores) > 1 or most == 0):
        return -1
    return scores.index(most)


class DecisionFilter:
    """Filter from results to decisions.

    Another segment, a gap, or other classes begin anew, with ``nothing``.

    Parameters
    ----------
    rules
        Rules of decision.

    Attributes
    ----------
    now
        The present decision; None before the first result.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.now: Decision | None = None
        self._window = _Window()
        self._motion, self._moving = _Motion(), False
        self._stillness = Stillness(self.rules.rest_hz, self.rules.lively_hz)
        self._gestures: tuple[int, ...] = ()
        self._rival: tuple[str, int] | None = None
        self._won: Counter[int] = Counter()
        self._pending: Counter[int] = Counter()

    def take(
        self,
        segment: int,
        t_us: int,
        scores: Mapping[str, int],
        spikes: Sequence[int],
        events: int | None = None,
    ) -> Decision | None:
        """Take one result in.

        Parameters
        ----------
        segment, t_us, scores, spikes
            As in a service's result: event time in microseconds, a score per class, spikes per
            layer since the result before.
        events
            Events since the result before; None where that is not known, and spikes of the first
            layer tell of motion.

        Returns
        -------
        Decision or None
            The decision that this result ended, with ``until_us``; None if none did.
        """
        ended = None
        window, classes = self._window, tuple(scores)
        late = not 0 < t_us - window.last_us <= self.rules.gap_us
        if self.now is None or segment != self.now.segment or late or classes != window.classes:
            ended = self.end()
            # Times of another segment mean nothing here; within one the quiet is nothing.
            same = ended is not None and ended.segment == segment and t_us > window.last_us
            self._begin(segment, window.last_us if same else t_us, classes, t_us)
            window = self._window
        # What the first result counted began before it: nothing is known of how long it took.
        covers_us = t_us - window.last_us if window.rows else 0
        relative = self.rules.relative and events is not None
        if covers_us:
            count = events if relative and events is not None else spikes[0]
            self._motion.add(t_us, covers_us, count, self.rules.motion_window_us)
        self._moving = self._moves(covers_us, relative)
        window.add(t_us, tuple(scores.values()), self.rules.window_us)
        assert self.now is not None
        self._compare(self._wanted(), t_us)
        if self._rival is not None and t_us - self._rival[1] >= self.rules.hold_us:
            ended = self._change(*self._rival, t_us) or ended
        self.now = replace(self.now, confidence=self._confidence())
        return ended

    @property
    def settled(self) -> bool:
        """Whether the newest result agrees with the present decision."""
        return self._rival is None

    def standing(self) -> Standing:
        """Return the distances between the classes; all shares are 0 without movement.

        While a gesture is named, classes of non-gestures are no rivals of it.
        """
        if self.now is None or self.now.name == NOTHING:
            return Standing(dict.fromkeys(self._window.classes, 0))
        named = self.now.gesture
        return self._window.standing(self._gestures if named else range(len(self._window.classes)))

    def other_lead(self) -> int:
        """Return how far a non-gesture leads the best gesture, in hundredths of their spread.

        It is 0 where none does.
        """
        if not self._gestures:
            return 0
        # Without any spread every lead is a clear one.
        return max(
            (
                isqrt(10_000 * lead // spread) if spread else 100 * _HALF * (lead > 0)
                for lead, spread in self._leads(self._window.best(self._gestures)[0])
            ),
            default=0,
        )

    @property
    def rates(self) -> tuple[int, int]:
        """The camera's rates at rest and in movement as they were learned, in events per second."""
        return self._stillness.rest_hz, self._stillness.lively_hz

    def overall(self) -> int:
        """Return the confidence of the present decision over all of its time so far."""
        return 0 if self.now is None else self._closed(self._window.last_us).confidence

    def end(self) -> Decision | None:
        """End the present decision with the last result, and begin anew; return the decision."""
        if self.now is None:
            return None
        ended, self.now = self._closed(self._window.last_us), None
        return ended

    def _begin(self, segment: int, since_us: int, classes: tuple[str, ...], t_us: int) -> None:
        zeros = [0] * len(classes)
        self._window = _Window(classes, t_us, t_us, deque(), zeros, zeros[:], zeros[:])
        other = self.rules.strictness.other
        self._gestures = tuple(n for n, name in enumerate(classes) if name not in other)
        self.now = Decision(NOTHING, segment, since_us, since_us, 100)
        self._motion, self._moving, self._rival = _Motion(), False, None
        self._won, self._pending = Counter(), Counter()

    def _compare(self, wanted: str, t_us: int) -> None:
        """Count this result for the present answer, or for its rival."""
        assert self.now is not None
        if self._rival is None or self._rival[0] != wanted:
            # The time of a rival that did not last belongs to the present answer.
            self._won += self._pending
            self._pending.clear()
            self._rival = None if wanted == self.now.name else (wanted, t_us)
        (self._won if self._rival is None else self._pending)[self._window.rows[-1][1]] += 1

    def _moves(self, covers_us: int, relative: bool) -> bool:
        """Whether something moves; what begins moves more than what goes on."""
        share = 9 if self._moving else 10
        if not relative:
            return self._motion.reaches(self.rules.motion_threshold * share // 10)
        if not covers_us:
            return False
        rate_hz = self._motion.per_second()
        moving = 10 * rate_hz >= share * self._stillness.threshold_hz
        # A window that is hardly filled says little of a rate.
        if 2 * self._motion.covered_us >= self.rules.motion_window_us:
            self._stillness.learn(rate_hz, covers_us)
        return moving

    def _wanted(self) -> str:
        """Return the decision by this result and its window alone."""
        assert self.now is not None
        window, rules = self._window, self.rules
        # Half a window is enough to be judged by: less has hardly a spread.
        if not self._moving or 2 * (window.last_us - window.first_us) < rules.window_us:
            return NOTHING
        if not self._gestures:
            return UNKNOWN
        best, lead, spread = window.best(self._gestures)
        name = window.classes[best]
        kept = name == self.now.name
        clear = rules.strictness.keep if kept else rules.strictness.enter
        if not lead or self._is_other(best):
            return UNKNOWN
        return name if lead * 10_000 >= clear * clear * spread else UNKNOWN

    def _is_other(self, best: int) -> bool:
        """Whether a non-gesture leads the best gesture by as much as it has to."""
        least = self.rules.strictness.lead**2
        return any(lead and lead * 10_000 >= least * spread for lead, spread in self._leads(best))

    def _leads(self, best: int) -> Iterator[tuple[int, int]]:
        """Yield the squared lead of each non-gesture over the best gesture, and their spread."""
        for n in range(len(self._window.classes)):
            if n not in self._gestures:
                yield self._window.ahead(n, best)

    def _change(self, name: str, since_us: int, t_us: int) -> Decision:
        ended = self._closed(since_us)
        self.now = Decision(name, ended.segment, since_us, t_us, 0)
        self._won, self._pending, self._rival = self._pending, Counter(), None
        return ended

    def _confidence(self) -> int:
        assert self.now is not None
        if self.now.name == NOTHING:
            return 100
        if self.now.name == UNKNOWN:
            return 100 - max(self._window.share(n) for n in range(len(self._window.classes)))
        return self._window.share(self._window.classes.index(self.now.name))

    def _closed(self, until_us: int) -> Decision:
        assert self.now is not None
        share = self.now.confidence
        if self.now.gesture and self._won:
            index = self._window.classes.index(self.now.name)
            share = 100 * self._won[index] // self._won.total()
        return replace(self.now, confidence=share, until_us=until_us)
