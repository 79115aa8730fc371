"""Standard error written by a thread, so that a log that nobody reads stops nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import TextIO

from spikewire._whole_file import write_all

MOST_LINES = 1000
"""Texts that wait while nobody reads; further ones are dropped, and counted."""
FLUSH_S = 1.0
"""Time at the end for the texts that still wait."""


class LogWriter:
    """Writes texts to standard error in a thread of its own; never makes its caller wait.

    A full pipe or a stopped terminal holds up the thread only. Texts that find no room are dropped.
    Their number is written as soon as there is room again.

    Parameters
    ----------
    most
        Texts that may wait.

    Attributes
    ----------
    dropped
        Texts that were dropped.
    """

    def __init__(self, most: int = MOST_LINES) -> None:
        self.dropped = 0
        self._most = most
        self._waiting: deque[str] = deque()
        self._untold = 0
        self._writing = False
        self._closed = False
        self._news = threading.Condition()
        self._stream = sys.stderr
        self._descriptor = _descriptor(self._stream)
        # A daemon: a thread that waits for a reader must not keep the process.
        self._thread = threading.Thread(target=self._run, name="spikewire log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Hand a text over, or drop it."""
        with self._news:
            if len(self._waiting) >= self._most:
                self.dropped += 1
                self._untold += 1
                return
            self._waiting.append(text)
            self._news.notify_all()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until all is written, for a moment at most; return whether it is."""
        until = time.monotonic() + timeout_s
        with self._news:
            return self._news.wait_for(self._idle, max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Write what waits, as far as it is read, and end the thread."""
        self.flush()
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join(timeout=0.1)

    def _idle(self) -> bool:
        return not (self._waiting or self._untold or self._writing)

    def _run(self) -> None:
        while True:
            with self._news:
                self._writing = False
                self._news.notify_all()
                self._news.wait_for(lambda: self._waiting or self._untold or self._closed)
                if self._closed:
                    return
                text = self._next()
                self._writing = True
            self._put(text)

    def _next(self) -> str:
        if self._waiting:
            return self._waiting.popleft()
        count, self._untold = self._untold, 0
        return f"spikewire: {count:,} lines of the log were lost, because nobody read it\n"

    def _put(self, text: str) -> None:
        try:
            if self._descriptor is None:
                self._stream.write(text)
                self._stream.flush()
                return
            # Past the stream and its lock, which a thread that waits would hold for ever.
            data = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
            write_all(self._descriptor, data)
        except (OSError, ValueError):
            # The reader is gone: there is nowhere to say so.
            return


def _descriptor(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
