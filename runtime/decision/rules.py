"""Rules of decision: windows, thresholds and strictness."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN, NOTHING = "unknown", "nothing"
"""Answers that are no class: motion without a clear class, and no motion."""

OTHER = frozenset({"other_gestures"})
"""Classes of non-gestures: where one of them wins, the answer is unknown."""


@dataclass(frozen=True, slots=True)
class Strictness:
    """Clearness that a winning class needs.

    The margin is that of the mean scores of the best two classes over the window; the spread is
    the standard deviation of the two, added in squares.

    Attributes
    ----------
    enter, keep
        Least margin in hundredths of the spread, to be decided and to stay so.
    other
        Classes that are answered with unknown.
    """

    enter: int
    keep: int
    other: frozenset[str] = OTHER


_LONG_TICK_US = 5_000
_HOLD_US = 100_000


def usual_motion(tick_us: int) -> int:
    """Return the usual motion threshold of a network by the length of its ticks.

    A unit fires at most once in a tick. Layers in ticks of 1 ms (`edge`) fire more often than those
    in ticks of 10 ms (`edge10`, `gestures`).
    """
    return 125 if tick_us < _LONG_TICK_US else 25


OFF = Strictness(0, 0, frozenset())
NORMAL = Strictness(150, 50)
STRICT = Strictness(300, 150)
STRICTNESS = {"off": OFF, "normal": NORMAL, "strict": STRICT}
"""Strictness by the name that settings and options have for it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of decision.

    Attributes
    ----------
    window_us
        Length of the window over which scores are averaged; 0 looks at the newest result alone.
    hold_us
        Hysteresis: a new answer must lead for this long without a break.
    strictness
        How clear a winner has to be.
    motion_threshold
        Spikes of the first layer per millisecond. Motion begins at the threshold and ends below
        nine tenths of it.
    motion_window_us
        Length of the window in which these spikes are counted.
    gap_us
        Longest time between two results; a longer one begins anew.
    """

    window_us: int = 300_000
    hold_us: int = _HOLD_US
    strictness: Strictness = NORMAL
    motion_threshold: int = 125
    motion_window_us: int = 100_000
    gap_us: int = 250_000

    @classmethod
    def usual(cls, tick_us: int) -> Rules:
        """Make the rules of a service whose settings say nothing else, for ticks of this length."""
        return cls(motion_threshold=usual_motion(tick_us))

    @classmethod
    def of(cls, tick_us: int, steady_us: int, unknown: str, still: int | None) -> Rules:
        """Make the rules that settings and options describe.

        Parameters
        ----------
        tick_us
            Length of the network's ticks, which the usual motion threshold depends on.
        steady_us
            Length of the window.
        unknown
            Name of the strictness.
        still
            Motion threshold; None takes the usual one.
        """
        return cls(
            window_us=steady_us,
            # Without an average there is no delay either.
            hold_us=_HOLD_US if steady_us else 0,
            strictness=STRICTNESS[unknown],
            motion_threshold=usual_motion(tick_us) if still is None else still,
        )
