"""The clock of a replay: it can be slowed, stopped and moved while it runs."""

from __future__ import annotations

from contextlib import suppress

import trio

from spikewire.sensors.errors import SourceError
from spikewire.sensors.units import parse_speed

SLOWEST, FASTEST = 1e-3, 1e6
"""Speeds of a replay, in times real time."""


def check_speed(speed: float | None) -> float | None:
    """Refuse a speed that is out of range; None is as fast as possible."""
    if speed is not None and not (SLOWEST <= speed <= FASTEST):
        raise SourceError(
            f"speed is {speed}; allowed are positive numbers, {SLOWEST:g} to {FASTEST:g}, or max."
        )
    return speed


def read_speed(name: str, text: str) -> float | None:
    """Read a speed from a source's setting.

    Raises
    ------
    SourceError
        If it is no speed, or out of range.
    """
    try:
        return check_speed(parse_speed(text))
    except ValueError:
        with suppress(ValueError):
            check_speed(float(text))  # a number out of range
        raise SourceError(f"{name} is {text!r}; allowed are numbers such as 10, or max.") from None


class Pacer:
    """Clock of a replay, with a position that can be changed.

    Parameters
    ----------
    speed
        1.0 is real time, None as fast as possible.

    Attributes
    ----------
    speed, paused
        As asked for.
    position_us
        Event time that is due, from the recording's first event.
    wanted_us
        Where the replay shall go on; None: where it is.
    """

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self.paused = False
        self.position_us = 0
        self.wanted_us: int | None = None
        self._at = 0.0
        self._at_us = 0
        self._awaited_us = 0
        self._step_to_us = -1  # a replay that is paused plays up to there
        self._changed = trio.Event()

    def begin(self, position_us: int) -> None:
        """The replay goes on from here, now."""
        self.position_us = self._at_us = self._awaited_us = position_us
        self._at = trio.current_time()
        self._step_to_us = -1

    def change(
        self,
        *,
        speed: float | str | None = "same",
        paused: bool | None = None,
        wanted_us: int | None = None,
        step_us: int | None = None,
    ) -> None:
        """Change what is given; a speed of None is as fast as possible.

        ``step_us`` plays so much event time at once, and pauses.
        """
        if self.speed is not None and not self.paused:
            # Between two packets time has gone on, but not beyond what is due next: a replay that
            # lags behind is not to rush through what it missed.
            passed = (trio.current_time() - self._at) * 1e6 * self.speed
            most = max(self._awaited_us, self.position_us)
            self._at_us = round(min(self._at_us + passed, most))
        if not isinstance(speed, str):
            self.speed = speed
        if paused is not None:
            self.paused = paused
        if step_us is not None:
            self.paused = True
            self._step_to_us = max(self._step_to_us, self.position_us) + step_us
        if wanted_us is not None:
            self.wanted_us = wanted_us
        self._at = trio.current_time()
        self.nudge()

    def nudge(self) -> None:
        """Wake waiting tasks, so that they look again."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for_change(self) -> None:
        """Wait until something is changed."""
        await self._changed.wait()

    async def until(self, position_us: int) -> bool:
        """Wait until a time is due; False if the replay shall go on elsewhere."""
        self._awaited_us = position_us
        while self.wanted_us is None:
            if self.paused:
                if position_us <= self._step_to_us:
                    await trio.lowlevel.checkpoint()
                    self._at_us = position_us
                    break
                await self._changed.wait()
                continue
            if self.speed is None:
                await trio.lowlevel.checkpoint()
                self._at_us = position_us
                break
            due = self._at + (position_us - self._at_us) / (1e6 * self.speed)
            with trio.move_on_at(due) as scope:
                await self._changed.wait()
            if scope.cancelled_caught and not self.paused:
                break
        self.position_us = max(self.position_us, position_us)
        return self.wanted_us is None

    def take_wanted(self) -> int | None:
        """Return the wanted position, once."""
        wanted, self.wanted_us = self.wanted_us, None
        return wanted
