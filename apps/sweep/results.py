"""Results of a sweep in a CSV file, one row per pass, written as soon as they are known."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from spikewire._names import csv_field, csv_text
from spikewire._whole_file import write_all
from spikewire.apps.cli.errors import CommandError, UsageError

WIDTHS = ("weight", "store", "q", "p", "refractory", "activation", "readout", "error", "delta")

IDENTITY = ("network", "data", "seed", "passes", "batch", "shift", "show_us", "version")
"""Columns that determine a trial: rows that agree in them and in ``pass`` have the same results,
except for the seconds."""

COLUMNS = (
    "setting", "value", "pass", "accuracy", "local", "activity", "bits", "bits_32", "seconds",
    "preset", *WIDTHS, "learn", "validate", *IDENTITY,
)  # fmt: skip

Row = dict[str, str]
Key = tuple[str, ...]
Name = tuple[str, str, str]
"""Base, varied width and its bits: the name of a grid point."""


def key_of(row: Mapping[str, str]) -> Key:
    """Return the columns that determine a row's trial."""
    return tuple(row[name] for name in IDENTITY)


class ResultsCsv:
    """A CSV file that grows by whole trials, locked while it is open.

    A trial's rows are written and synced together. Rows of an incomplete trial, which a crash
    leaves at the end of the file, are cut off when the file is opened again.

    Parameters
    ----------
    path
        The file; it is made if there is none.

    Raises
    ------
    UsageError
        If another sweep is writing the file, or its columns are not those of this version.
    CommandError
        If a line in it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"another sweep is writing {path}") from None
            self.trials: dict[tuple[Name, Key], list[Row]] = {}
            self._load()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> ResultsCsv:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def trial(self, name: Name, key: Key) -> list[Row] | None:
        """Return the rows of a trial of one grid point; None if it was not computed."""
        return self.trials.get((name, key))

    def latest(self, key: Key) -> list[Row] | None:
        """Return the rows of a trial of any grid point, of whichever version was written last."""
        place = IDENTITY.index("version")
        wanted = (*key[:place], *key[place + 1 :])
        found = None
        for (_, trial), rows in self.trials.items():
            if (*trial[:place], *trial[place + 1 :]) == wanted:
                found = rows
        return found

    def find(self, key: Key) -> list[Row] | None:
        """Return the rows of a trial, of any grid point; None if it was not computed."""
        return next((rows for (_, trial), rows in self.trials.items() if trial == key), None)

    def add(self, trials: Sequence[Sequence[Row]]) -> None:
        """Append whole trials and sync them to the disk."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        for rows in trials:
            writer.writerows({k: csv_field(v) for k, v in row.items()} for row in rows)
            self._remember(list(rows))
        self._write(text.getvalue())

    def _remember(self, rows: list[Row]) -> None:
        name = (rows[0]["preset"], rows[0]["setting"], rows[0]["value"])
        self.trials.pop((name, key_of(rows[0])), None)  # the last one written comes last
        self.trials[name, key_of(rows[0])] = rows

    def _write(self, text: str) -> None:
        write_all(self._file, text.encode())
        os.fsync(self._file)

    def _load(self) -> None:
        data = self.path.read_bytes()
        header = ",".join(COLUMNS) + "\n"
        if header.encode().startswith(data):  # empty, or torn in its first line
            os.ftruncate(self._file, 0)
            self._write(header)
            return
        if not data.startswith(header.encode()):
            raise UsageError(
                f"{self.path} does not have the columns of this version: give another --out"
            )
        whole = at = len(header)
        gathered: list[Row] = []
        for number, line in enumerate(data[at:].splitlines(keepends=True), 2):
            if not line.endswith(b"\n"):
                break
            at += len(line)
            row = self._row(line, number)
            # A trial's rows count its passes; a row out of sequence begins the next trial.
            if row["pass"] != str(len(gathered) + 1) or (
                gathered and key_of(row) != key_of(gathered[0])
            ):
                gathered = []
            if row["pass"] == str(len(gathered) + 1):
                gathered.append(row)
            if gathered and len(gathered) == int(row["passes"]):
                self._remember(gathered)
                gathered = []
                whole = at
        if whole < len(data):
            os.ftruncate(self._file, whole)
            os.fsync(self._file)

    def _row(self, line: bytes, number: int) -> Row:
        try:
            [values] = csv.reader([line.decode()])
            row = dict(zip(COLUMNS, map(csv_text, values), strict=True))
            float(row["seconds"])
            if row["accuracy"]:
                float(row["accuracy"])
            for name in ("pass", "passes", "bits", "bits_32"):
                int(row[name])
        except ValueError:
            raise CommandError(
                f"line {number} of {self.path} is damaged; without it its trial is computed anew"
            ) from None
        return row
