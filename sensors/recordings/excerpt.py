"""Excerpts: a part of a recording, with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spikewire.sensors.events import Policy
from spikewire.sensors.formats.aedat import Convention
from spikewire.sensors.recordings.labels import Label, check_name
from spikewire.sensors.recordings.recording import Reader, Recording, open_recording


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A recording, or a part of it.

    Attributes
    ----------
    path
        The file.
    start_us, stop_us
        Microseconds after the recording's first event: [start, stop).
    labels
        Labels in the recording's own time.
    label
        One label for everything the labels leave open.
    size, columns, unit, convention, reader, sort
        As for :func:`sensors.open_recording`.
    end_us
        Until when it lasts (the recording's own time), if that is longer than its events.

    Raises
    ------
    SensorError
        If ``label`` cannot be the name of a class.
    """

    path: Path
    start_us: int = 0
    stop_us: int | None = None
    labels: Sequence[Label] = field(default_factory=tuple)
    label: str | None = None
    size: tuple[int, int] | None = None
    columns: Sequence[str] | None = None
    unit: str | None = None
    end_us: int | None = None
    convention: Convention = "jaer"
    reader: Reader = "spikewire"
    sort: bool = False

    def __post_init__(self) -> None:
        if self.label is not None:
            check_name(self.label, f"{self.path}: the class's name")

    def open(self, policy: Policy) -> Recording:
        """Open the recording."""
        return open_recording(
            self.path, policy=policy, size=self.size, columns=self.columns, unit=self.unit,
            convention=self.convention, reader=self.reader, sort=self.sort,
        )  # fmt: skip
