"""Rules of decision: windows, thresholds and strictness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from spikewire.runtime.decision.stillness import FIRST_LIVELY_HZ, FIRST_REST_HZ
from spikewire.sensors import NON_GESTURES

if TYPE_CHECKING:
    from spikewire.qcore import Calibration

UNKNOWN, NOTHING = "unknown", "nothing"
"""Answers that are no class: motion without a clear class, and no motion."""

OTHER = NON_GESTURES
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
        Classes of non-gestures. They are never named, and are no rival of a gesture.
    lead
        Least lead of a non-gesture over the best gesture, in hundredths of their spread, that makes
        the answer unknown.
    """

    enter: int
    keep: int
    other: frozenset[str] = OTHER
    lead: int = 0


_LONG_TICK_US = 5_000
_HOLD_US = 100_000


def told_calibration(hello: Mapping[str, Any]) -> Calibration:
    """Return the calibration of a service's network, as its hello tells it.

    Services from before version 0.2 tell none.
    """
    # Whoever only wants rules need not wait for the network's libraries.
    from spikewire.qcore import Calibration

    known = {field.name for field in fields(Calibration)}
    told = hello.get("calibration") or {}
    return Calibration(**{name: int(value) for name, value in told.items() if name in known})


def usual_motion(tick_us: int) -> int:
    """Return the usual motion threshold of a network by the length of its ticks.

    A unit fires at most once in a tick. Layers in ticks of 1 ms (`edge`) fire more often than those
    in ticks of 10 ms (`edge10`, `gestures`).
    """
    return 125 if tick_us < _LONG_TICK_US else 25


OFF = Strictness(0, 0, frozenset())
NORMAL = Strictness(150, 50, lead=100)
STRICT = Strictness(300, 150)
STRICTNESS = {"off": OFF, "normal": NORMAL, "strict": STRICT}
"""Strictness by the name that settings and options have for it."""


def calibrated(name: str, calibration: Calibration | None) -> Strictness:
    """Return a strictness by its name, with the margins that a network was calibrated to.

    Parameters
    ----------
    name
        One of ``STRICTNESS``. ``strict`` asks for twice the margins of ``normal``, and gives way to
        any lead of a non-gesture.
    calibration
        Margins of the network; None, or one without margins, for the usual ones.
    """
    usual = STRICTNESS[name]
    if calibration is None or not calibration.enter or name == "off":
        return usual
    times = 2 if name == "strict" else 1
    lead = usual.lead if name == "strict" else calibration.lead or usual.lead
    return replace(usual, enter=times * calibration.enter, keep=times * calibration.keep, lead=lead)


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
    relative
        Whether motion is judged by the rate of events, relative to the camera's own rates, where
        results tell the number of their events; ``motion_threshold`` is for those that do not.
    rest_hz, lively_hz
        The camera's rates to begin with, in events per second.
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
    relative: bool = False
    rest_hz: int = FIRST_REST_HZ
    lively_hz: int = FIRST_LIVELY_HZ

    @classmethod
    def usual(cls, tick_us: int, calibration: Calibration | None = None) -> Rules:
        """Make the rules of a service whose settings say nothing else, for ticks of this length."""
        return cls.of(tick_us, cls().window_us, "normal", None, calibration)

    @classmethod
    def of(
        cls,
        tick_us: int,
        steady_us: int,
        unknown: str,
        still: int | None,
        calibration: Calibration | None = None,
    ) -> Rules:
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
            Motion threshold; None judges motion relative to the camera's own rates.
        calibration
            Margins that the network was calibrated to, and its camera's rates.
        """
        known = calibration is not None and calibration.rest_hz > 0
        return cls(
            window_us=steady_us,
            # Without an average there is no delay either.
            hold_us=_HOLD_US if steady_us else 0,
            strictness=calibrated(unknown, calibration),
            motion_threshold=usual_motion(tick_us) if still is None else still,
            relative=still is None,
            rest_hz=calibration.rest_hz if known and calibration else FIRST_REST_HZ,
            lively_hz=calibration.lively_hz if known and calibration else FIRST_LIVELY_HZ,
        )
