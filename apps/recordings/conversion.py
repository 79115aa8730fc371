"""Conversion of recordings: parts of them, through filters, one after the other into a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.recordings.cut import cut_chunks

if TYPE_CHECKING:
    from spikewire.sensors import Chain, Events, Recording, Times, WrittenRecording

Cut = tuple[int, int | None]
"""A part in microseconds after the recording's first event: [start, stop)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording, on its way through filters."""

    recording: Recording
    chain: Chain
    cut: Cut

    def events(self) -> Iterator[Events]:
        """Yield the filtered events of the part."""
        return map(self.chain.apply, cut_chunks(self.recording, *self.cut))


@dataclass
class Conversion:
    """Parts that are written into a file, one after the other.

    Attributes
    ----------
    target, parts
        The file, and what it shall hold.
    drop
        Keep the events before damage.
    rebase
        Let each part begin where the one before ended.
    damage
        Sentences about the damage.
    """

    target: Path
    parts: Sequence[Part]
    drop: bool
    rebase: bool
    damage: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of all parts.

        Raises
        ------
        SensorError
            If they differ.
        """
        from spikewire.sensors import SensorError

        first = self.parts[0]
        for part in self.parts[1:]:
            if part.chain.size != first.chain.size:
                (a, b), (c, d) = first.chain.size, part.chain.size
                raise SensorError(
                    f"{part.recording.path} is of a sensor of {c}x{d}, and "
                    f"{first.recording.path} of {a}x{b}: recordings of one size are joined; "
                    "--size or a filter such as crop makes them equal."
                )
        return first.chain.size

    def write(self, times: Times, moved: Callable[[float], None]) -> WrittenRecording:
        """Write the file; ``moved`` is told how many parts are done."""
        from spikewire.sensors import write_recording

        return write_recording(self._chunks(moved), self.target, self.size, times=times)

    def _chunks(self, moved: Callable[[float], None]) -> Iterator[Events]:
        from spikewire.sensors import DecodeError, SensorError

        last: int | None = None
        for number, part in enumerate(self.parts):
            shift = 0
            begun = False
            try:
                for events in part.events():
                    moved(number + (part.recording.progress or 0.0))
                    if not len(events):
                        continue
                    if not begun and last is not None:
                        shift = last + 1 - int(events["t"][0]) if self.rebase else 0
                        if int(events["t"][0]) + shift < last:
                            raise SensorError(
                                f"{part.recording.path} begins at {int(events['t'][0]):,} us, and "
                                f"the part before ends at {last:,} us; --rebase writes one after "
                                "the other."
                            )
                    begun = True
                    if shift:
                        events = events.copy()
                        events["t"] += shift
                    last = int(events["t"][-1])
                    yield events
            except DecodeError as error:
                if not self.drop:
                    raise
                self.damage.append(str(error))

    @property
    def lost(self) -> dict[str, int]:
        """Events that were not written, by reason."""
        counts: Counter[str] = Counter()
        for part in self.parts:
            for counted in (part.recording.counters, part.recording.left_out, part.chain.dropped):
                for name, count in counted.items():
                    counts[name] += int(count)
        return dict(counts)
