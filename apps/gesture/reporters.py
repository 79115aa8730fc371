"""How `gesture` tells decisions where there is no terminal: in lines, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rich.text import Text

from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.gesture.decision import Decision
from spikewire.apps.gesture.recogniser import Recogniser, describe_decision
from spikewire.apps.gesture.screen import GestureScreen


class Reporter(Protocol):
    """Something that tells decisions to somebody."""

    draws: bool
    """Whether it wants to be asked to redraw."""

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Something is watched from now on.

        Parameters
        ----------
        hello
            ``type``, ``source``, ``classes``, and ``host`` and ``port``, or ``unix_path``.
        where
            The service's address, as ``--connect`` takes it.
        """

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """A decision has ended, or a new one begun; `result` is what did it, None at the end."""

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """A tenth of a second has passed; the last result came `quiet_s` ago, by the clock."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """It is over, and a screen has been given back."""


class JsonReporter:
    """A JSON line for each decision, when it is taken, and one at the end."""

    draws = False

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Print what is watched."""
        print_json(hello)

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Print the decision that holds from now on."""
        now = seen.decision_filter.now
        if now is None or result is None:
            return
        line = {
            "type": "decision", "t_us": result["t_us"], "segment": now.segment, "class": now.name,
            "since_us": now.since_us, "confidence": now.confidence, "scores": result["scores"],
            "truth": result["truth"],
        }  # fmt: skip
        print_json(line)

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Nothing: programs do not look."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """Print what there was in all."""
        line = {
            "type": "summary", "reason": reason, "results": seen.results,
            "gestures": seen.gestures, "missed": seen.live_state.missed,
            "us": dict(seen.time_by_answer),
        }  # fmt: skip
        print_json(line)


class LineReporter:
    """A line for each gesture when it is over: when it began, how long, which, how surely."""

    draws = False

    def __init__(self) -> None:
        self._out = console()

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Say what is watched, and how others can."""
        text = f"{hello['source']} at {where}; others see it with: spikewire watch -c {where}"
        stderr_console().print(text, markup=False, soft_wrap=True)

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Print the gesture that is over."""
        if ended is not None and ended.gesture:
            start, lasted, name, share = describe_decision(ended, seen.begin_us)
            line = f"{start:>10} {lasted:>8}  {name}  {share}"
            self._out.print(line, markup=False, soft_wrap=True)

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Nothing: a pipe has no place to draw on."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """Say what there was in all."""
        _say_last(seen, reason)


class ScreenReporter:
    """Draws on a terminal."""

    draws = True

    def __init__(self, screen: GestureScreen) -> None:
        self._screen = screen

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Nothing: the frame says it."""

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Nothing: it is seen with the next picture."""

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Draw what is to be seen now."""
        self._screen.show_moment(seen.moment(quiet_s, footer=footer), image)

    def last(self, seen: Recogniser, reason: str) -> None:
        """Say what there was in all."""
        _say_last(seen, reason)


def _say_last(seen: Recogniser, reason: str) -> None:
    out = stderr_console()
    time_by_answer = ", ".join(
        f"{name.replace('_', ' ')} {us / 1e6:.1f} s"
        for name, us in seen.time_by_answer.most_common()
    )
    noun = "gesture" if seen.gestures == 1 else "gestures"
    text = f"{reason}: {seen.gestures} {noun}{'; ' + time_by_answer if time_by_answer else ''}"
    out.print(text, markup=False, soft_wrap=True)
    if seen.live_state.missed:
        text = f"{seen.live_state.missed} messages came too fast to be read, and are missing"
        out.print(text, markup=False, soft_wrap=True)
