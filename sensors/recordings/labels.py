"""Label files in the form of DVS128 Gesture: class, startTime_usec, endTime_usec."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spikewire.sensors.errors import SensorError


@dataclass(frozen=True, slots=True)
class Label:
    """A class and the stretch it holds, in the recording's own microseconds: [start, stop)."""

    name: str
    start_us: int
    stop_us: int


def read_labels(path: str | Path) -> list[Label]:
    """Read a label file; returns the labels in time order.

    A label that runs into the next one is ended where that one starts (``user22_led`` of the
    original data set has such an error).

    Raises
    ------
    SensorError
        If the file cannot be read or a line is not ``class,start,stop`` with ``start < stop``.
    """
    labels = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for n, row in enumerate(csv.reader(file), 1):
                fields = [field.strip() for field in row]
                if not any(fields) or (n == 1 and not _is_number(fields[-1])):
                    continue
                if len(fields) != 3 or not _is_number(fields[1]) or not _is_number(fields[2]):
                    raise SensorError(
                        f"{path}, line {n}: expected class,start,stop in microseconds."
                    )
                start, stop = int(fields[1]), int(fields[2])
                if start >= stop:
                    raise SensorError(f"{path}, line {n}: the label ends before it starts.")
                labels.append(Label(fields[0], start, stop))
    except (OSError, UnicodeDecodeError) as error:
        raise SensorError(f"The labels {path} cannot be read: {error}.") from None
    labels.sort(key=lambda label: label.start_us)
    for n, (label, following) in enumerate(itertools.pairwise(labels)):
        if label.stop_us > following.start_us:
            labels[n] = Label(label.name, label.start_us, following.start_us)
    return labels


def write_labels(path: Path, labels: Iterable[tuple[str, int, int]]) -> None:
    """Write a label file that :func:`read_labels` reads: class, start and stop of each stretch."""
    rows = ["class,startTime_usec,endTime_usec"]
    rows += [f"{name},{start},{stop}" for name, start, stop in labels]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
