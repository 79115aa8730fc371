"""Log of refusals and of faults at the door: the first of a minute in full, the others as a sum."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

WINDOW_S = 60.0


class RefusalLog:
    """Logs refusals, up to a number in 60 s; the others are counted, and logged as a sum.

    Strangers choose how often they are refused. Without a limit they fill a disk.

    Parameters
    ----------
    log
        Where the sentences go.
    most
        Gives the number of sentences in 60 s.
    """

    def __init__(self, log: logging.Logger, most: Callable[[], int]) -> None:
        self._log = log
        self._most = most
        self._began = float("-inf")
        self._told = 0
        self._more = 0
        self._counted = trio.Event()

    def tell(self, level: int, text: str, *facts: object) -> None:
        """Log a refusal, or count it."""
        if not self._log.isEnabledFor(level):
            return
        now = trio.current_time()
        if now >= self._began + WINDOW_S:
            self.sum_up()
            self._began, self._told = now, 0
        if self._told < self._most():
            self._told += 1
            self._log.log(level, text, *facts)
            return
        self._more += 1
        self._counted.set()

    def sum_up(self) -> None:
        """Log how many refusals were counted since the last sum, if there were any."""
        if self._more:
            self._log.warning("%s more refusals in the last %g s", f"{self._more:,}", WINDOW_S)
        self._more = 0

    async def run(self) -> None:
        """Log a sum at the end of each 60 s with more refusals than are logged, until cancelled."""
        try:
            while True:
                await self._counted.wait()
                await trio.sleep_until(self._began + WINDOW_S)
                self.sum_up()
                self._counted = trio.Event()
        finally:
            self.sum_up()
