"""Export of results to a file: JSON lines, or a CSV table that gains a column with each class."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from spikewire._names import csv_field
from spikewire._whole_file import write_all
from spikewire.apps.cli.errors import CommandError, UsageError, check_target
from spikewire.apps.cli.output import json_line

FIELDS = ("file", "segment", "tick", "t_us", "class", "truth")
"""Columns of the table before those of the scores, which are named ``score_CLASS``."""


class ResultWriter(Protocol):
    """Writer of results."""

    def write(self, result: Mapping[str, Any]) -> None:
        """Write one result, whole."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Close the file."""


class _LineFile:
    """A file that grows by whole lines, also when the program is interrupted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)

    def _line(self, text: str) -> None:
        write_all(self._file, text.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


class JsonlWriter(_LineFile):
    """A file of one JSON object per result."""

    def write(self, result: Mapping[str, Any]) -> None:
        """Write one result."""
        self._line(json_line(result) + "\n")


class CsvWriter(_LineFile):
    """A CSV table of one row per result.

    A class that is added while the network runs becomes one more column, empty in earlier rows. The
    table is written anew and replaced at once, so that it is whole at every instant.

    Parameters
    ----------
    path
        The file.
    classes
        Classes that are known at the start.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        super().__init__(path)
        self._classes = list(classes)
        self._line(_row(self._header()))

    def write(self, result: Mapping[str, Any]) -> None:
        """Write one result."""
        scores = result["scores"]
        new = [name for name in scores if name not in self._classes]
        if new:
            self._widen(new)
        values = (result[name] for name in FIELDS)
        cells = [csv_field(value) if isinstance(value, str) else value for value in values]
        self._line(_row([*cells, *(scores.get(name) for name in self._classes)]))

    def _header(self) -> list[str]:
        return [*FIELDS, *(f"score_{name}" for name in self._classes)]

    def _widen(self, new: Sequence[str]) -> None:
        if not self.path.is_file():
            raise CommandError(
                f"class {new[0]} came while {self.path} was written, which is no file that could "
                "gain a column: write .jsonl, or name all classes with --classes"
            )
        self._classes += new
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with (
                open(self.path, newline="", encoding="utf-8") as before,
                open(temporary, "w", newline="", encoding="utf-8") as after,
            ):
                rows = csv.reader(before)
                next(rows)
                after.write(_row(self._header()))
                for cells in rows:
                    after.write(_row([*cells, *([None] * len(new))]))
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)


def _row(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def check_out(path: Path, read: Sequence[Path]) -> None:
    """Check the file for results before the work begins.

    Raises
    ------
    UsageError
        If its name has no known ending, its folder does not exist, or it is a replayed file.
    """
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise UsageError(f"--out {path}: a file for results ends in .jsonl or .csv")
    check_target("--out", path)
    if path.exists() and any(one.exists() and path.samefile(one) for one in read):
        raise UsageError(f"--out {path} is read for this replay: give another name")


def open_out(path: Path, classes: Sequence[str]) -> ResultWriter:
    """Open a file for results; an earlier file is overwritten."""
    return JsonlWriter(path) if path.suffix.lower() == ".jsonl" else CsvWriter(path, classes)
