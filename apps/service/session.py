"""Recorded sessions: the events and labels of a live run, for a replay with the same results.

The events are AEDAT 4.0, which other programs read; the labels are a CSV beside them, as DVS128
Gesture has them. A JSON file holds the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewire._whole_file import write_whole
from spikewire.apps.cli.errors import CommandError, UsageError

if TYPE_CHECKING:
    from spikewire.runtime import RecordedPiece
    from spikewire.sensors import Aedat4Writer, Excerpt

_KIND = "spikewire session 1"


@dataclass(slots=True)
class SessionPart:
    """One segment of a session: a recording of its own."""

    path: Path
    size: tuple[int, int]
    labels: list[tuple[str, int, int]] = field(default_factory=list)
    end_us: int = 0
    events: int = 0


class SessionWriter:
    """Recorder of a live run.

    Parameters
    ----------
    path
        The first segment's recording; further ones are numbered.
    facts
        Further facts to keep: source, model, classes, seed.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path = path
        self.parts: list[SessionPart] = []
        self.learning: set[bool] = set()
        self._facts = facts
        self._writer: Aedat4Writer | None = None

    def note(self, size: tuple[int, int], piece: RecordedPiece, /) -> None:
        """Write computed events, and how they were labelled."""
        from spikewire.sensors import EVENT_DTYPE, Aedat4Writer

        if self._writer is None:
            number = len(self.parts) + 1
            path = self.path
            if number > 1:
                path = path.with_name(f"{path.stem}-{number}{path.suffix}")
            self._writer = Aedat4Writer(path, size)
            self.parts.append(SessionPart(path, size))
        part = self.parts[-1]
        events = np.empty(len(piece.t), EVENT_DTYPE)
        events["t"], events["x"], events["y"], events["p"] = piece.t, piece.x, piece.y, piece.p
        self._writer.write(events)
        part.events += len(events)
        part.end_us = piece.stop_us
        self.learning.add(piece.learning)
        if piece.label is None:
            return
        if part.labels:
            name, start, stop = part.labels[-1]
            if name == piece.label and stop == piece.start_us:
                part.labels[-1] = (name, start, piece.stop_us)
                return
        part.labels.append((piece.label, piece.start_us, piece.stop_us))

    def end(self, end_us: int, /) -> None:
        """Close the segment's recording."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self.parts[-1].end_us = end_us

    def close(self) -> Path:
        """Write labels and session; returns the session's file."""
        from spikewire.sensors import write_labels

        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for part in self.parts:
            write_labels(part.path.with_name(f"{part.path.stem}_labels.csv"), part.labels)
        record = {
            "kind": _KIND, **self._facts, "learning": sorted(self.learning),
            "parts": [
                {
                    "file": part.path.name, "size": part.size, "events": part.events,
                    "end_us": part.end_us, "labels": part.labels,
                }
                for part in self.parts
            ],
        }  # fmt: skip
        path = self.path.with_suffix(".session.json")
        write_whole(path, json.dumps(record, indent=1) + "\n")
        return path


def load_session(path: Path) -> tuple[list[Excerpt], dict[str, Any]]:
    """Read a session back: its recordings with their labels and ends, and its facts.

    Raises
    ------
    UsageError
        If there is no such file, or it is no session.
    CommandError
        If a recording is missing.
    """
    from spikewire.sensors import Excerpt, Label, SensorError

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["kind"] != _KIND:
            raise KeyError("kind")
        parts = [
            Excerpt(
                path.with_name(Path(part["file"]).name),
                labels=tuple(Label(str(n), int(a), int(b)) for n, a, b in part["labels"]),
                size=(int(part["size"][0]), int(part["size"][1])),
                end_us=int(part["end_us"]),
            )
            for part in record["parts"]
        ]
    except SensorError as error:
        raise UsageError(f"{path}: {error}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
        raise UsageError(f"{path} is no session; `spikewire record` writes them") from None
    for part in parts:
        if not part.path.is_file():
            raise CommandError(f"{path} names {part.path.name}, which does not lie beside it")
    return parts, record
