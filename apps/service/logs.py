"""Log of a running service on standard error: sentences, or a JSON map per line."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from rich.console import Console

from spikewire.apps.cli.log_writer import LogWriter
from spikewire.apps.cli.output import PlainConsole, error_line, json_line, traceback_text

_NOT_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Log(logging.Handler):
    """Log handler that prints on standard error and remembers the last warnings.

    A thread writes: a log that nobody reads holds nothing up.

    Parameters
    ----------
    structured
        Print a JSON map per line, with time, level, logger, pipeline and message; else sentences.

    Attributes
    ----------
    warnings
        The last warnings and errors.
    """

    def __init__(self, structured: bool) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self._structured = structured
        self._writer = LogWriter()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
            del self.warnings[:-100]
        if not self._structured:
            pipeline = _pipeline()
            line = message if pipeline in (None, "main") else f"{pipeline}: {message}"
            self._writer.write(f"{error_line(line)}\n")
            if record.exc_info and record.exc_info[1] is not None:
                self._writer.write(traceback_text(record.exc_info[1]))
            return
        self._writer.write(f"{json_line(self._map(record, message))}\n")

    def console(self) -> Console:
        """Return a console for notes between the lines of the log."""
        return PlainConsole(file=cast(IO[str], _Notes(self._writer)), highlight=False)

    def close(self) -> None:
        """Write what waits, as far as it is read."""
        self._writer.close()
        super().close()

    def _map(self, record: logging.LogRecord, message: str) -> dict[str, object]:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pipeline": _pipeline(),
            "message": message,
        }
        if record.exc_info:
            entry["exception"] = logging.Formatter().formatException(record.exc_info)
        extra = {k: v for k, v in vars(record).items() if k not in _NOT_EXTRA}
        return entry | {
            k: v if isinstance(v, int | float | str) else str(v) for k, v in extra.items()
        }


class _Notes:
    """The file of a console that writes through the log's thread."""

    encoding = "utf-8"

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        self._writer.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: waiting is the thread's."""

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def _pipeline() -> str | None:
    from spikewire.runtime import PIPELINE

    return PIPELINE.get()


@contextmanager
def log_to_stderr(level: str, style: str) -> Iterator[Log]:
    """Print the packages' log while the block lasts.

    Parameters
    ----------
    level
        Lowest level that is printed.
    style
        `text` or `json`.
    """
    log, logger = Log(style == "json"), logging.getLogger("spikewire")
    before = logger.level
    logger.addHandler(log)
    logger.setLevel(level.upper())
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(before)
        log.close()
