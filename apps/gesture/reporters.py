"""Reporters of decisions: on a screen, in lines, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rich.text import Text

from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.gesture.recogniser import Recogniser, describe_decision
from spikewire.apps.gesture.screen import GestureScreen
from spikewire.runtime import Decision


class Reporter(Protocol):
    """Interface of everything that reports decisions."""

    draws: bool
    """Whether :meth:`redraw` has an effect."""

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Begin with a source.

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
        """Report a decision that ended or began, by a message; None at the end of the stream."""

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Redraw, every tenth of a second; the last result came `quiet_s` ago."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """Report the end, after a screen has been closed."""


class JsonReporter:
    """Reporter that prints a JSON line for each decision as it is taken, and one at the end."""

    draws = False

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Print the source."""
        print_json(hello)

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Print the new decision."""
        now = seen.now
        if now is None or result is None:
            return
        line = {
            "type": "decision", "t_us": result["t_us"], "segment": now.segment, "class": now.name,
            "since_us": now.since_us, "confidence": now.confidence, "scores": result["scores"],
            "truth": result["truth"], "share": result["share"], "shares": result["shares"],
            "margin": result["margin"], "runner_up": result["runner_up"],
        }  # fmt: skip
        print_json(line)

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Do nothing."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """Print the totals."""
        line = {
            "type": "summary", "reason": reason, "results": seen.results,
            "gestures": seen.gestures, "missed": seen.live_state.missed,
            "us": dict(seen.time_by_answer),
        }  # fmt: skip
        print_json(line)


class LineReporter:
    """Reporter that prints start, length, name and confidence of each gesture at its end."""

    draws = False

    def __init__(self) -> None:
        self._out = console()

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Print the source, and the command for other viewers."""
        text = f"{hello['source']} at {where}; others see it with: spikewire watch -c {where}"
        stderr_console().print(text, markup=False, soft_wrap=True)

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Print the gesture that has ended."""
        if ended is not None and ended.gesture:
            start, lasted, name, share = describe_decision(ended, seen.begin_us)
            line = f"{start:>10} {lasted:>8}  {name}  {share}"
            self._out.print(line, markup=False, soft_wrap=True)

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Do nothing."""

    def last(self, seen: Recogniser, reason: str) -> None:
        """Print the totals."""
        _print_totals(seen, reason)


class ScreenReporter:
    """Reporter that draws on a terminal."""

    draws = True

    def __init__(self, screen: GestureScreen) -> None:
        self._screen = screen

    def begin(self, hello: Mapping[str, Any], where: str) -> None:
        """Do nothing: the frame shows the source."""

    def changed(
        self, seen: Recogniser, ended: Decision | None, result: Mapping[str, Any] | None
    ) -> None:
        """Do nothing: the next picture shows it."""

    def redraw(self, seen: Recogniser, image: Text | None, footer: str, quiet_s: float) -> None:
        """Draw the present moment."""
        self._screen.show_moment(seen.moment(quiet_s, footer=footer), image)

    def last(self, seen: Recogniser, reason: str) -> None:
        """Print the totals."""
        _print_totals(seen, reason)


def _print_totals(seen: Recogniser, reason: str) -> None:
    if reason == "failed" and not seen.results:
        return  # no service was reached, or no source opened: the error says all
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
