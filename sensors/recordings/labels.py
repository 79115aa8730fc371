"""Label files in the form of DVS128 Gesture: class, startTime_usec, endTime_usec."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from spikewire._names import csv_field, csv_text, name_fault
from spikewire._whole_file import write_whole
from spikewire.sensors.errors import SensorError

LONGEST_LINE = 4096
"""Most characters of a label file's line."""

_LAST_US = 1 << 62
"""Latest time of a label."""


@dataclass(frozen=True, slots=True)
class Label:
    """A class and the stretch it holds, in the recording's own microseconds: [start, stop).

    Raises
    ------
    SensorError
        If the name cannot be that of a class.
    """

    name: str
    start_us: int
    stop_us: int

    def __post_init__(self) -> None:
        check_name(self.name, "A label's name")


def check_name(name: str, where: str) -> None:
    """Refuse a class's name that cannot be one; ``where`` begins the sentence."""
    fault = name_fault(name)
    if fault is not None:
        raise SensorError(f"{where} {fault}.")


def read_labels(path: str | Path) -> list[Label]:
    """Read a label file; returns the labels in time order.

    A label that runs into the next one is ended where that one starts (``user22_led`` of the
    original data set has such an error).

    Raises
    ------
    SensorError
        If the file cannot be read, a line is not ``class,start,stop`` with ``start < stop``, or a
        class has a name that cannot be one.
    """
    labels = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for n, row in enumerate(csv.reader(_lines(file, path)), 1):
                fields = [field.strip() for field in row]
                if not any(fields) or (n == 1 and not _is_number(fields[-1])):
                    continue
                labels.append(_label(fields, f"{path}, line {n}"))
    except csv.Error as error:
        raise SensorError(f"{path} is no label file: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SensorError(f"The labels {path} cannot be read: {error}.") from None
    labels.sort(key=lambda label: label.start_us)
    for n, (label, following) in enumerate(itertools.pairwise(labels)):
        if label.stop_us > following.start_us:
            labels[n] = Label(label.name, label.start_us, following.start_us)
    return labels


def write_labels(path: Path, labels: Iterable[tuple[str, int, int]]) -> None:
    """Write a label file that :func:`read_labels` reads: class, start and stop of each stretch.

    It appears whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("class", "startTime_usec", "endTime_usec"))
    rows.writerows((csv_field(name), start, stop) for name, start, stop in labels)
    write_whole(path, text.getvalue())


def _lines(file: TextIO, path: str | Path) -> Iterator[str]:
    # A file without line ends would be read into memory whole.
    for n in itertools.count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise SensorError(
                f"{path}, line {n} has more than {LONGEST_LINE:,} characters: this is no label "
                "file."
            )
        yield line


def _label(fields: list[str], where: str) -> Label:
    if len(fields) != 3 or not _is_number(fields[1]) or not _is_number(fields[2]):
        raise SensorError(f"{where}: expected class,start,stop in microseconds.")
    # Python refuses to convert thousands of digits.
    start, stop = (int(field[:100]) for field in fields[1:])
    if max(start, stop) > _LAST_US:
        raise SensorError(f"{where}: the label lies after {_LAST_US:,} us, which no clock shows.")
    if start >= stop:
        raise SensorError(f"{where}: the label ends before it starts.")
    name = csv_text(fields[0])
    check_name(name, f"{where}: the class's name")
    return Label(name, start, stop)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
