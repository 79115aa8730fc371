"""Inputs of a replay: recordings and their labels, from files, folders or a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.file_bar import scan_bar
from spikewire.apps.service.session import load_session

if TYPE_CHECKING:
    from spikewire.sensors import Excerpt


@dataclass(frozen=True, slots=True)
class ReplayInputs:
    """Recordings, in the order of the replay.

    Attributes
    ----------
    excerpts
        The recordings, with their labels.
    folder
        Whether they are a folder's, which are independent of each other.
    facts
        Facts of a recorded session; empty otherwise.
    model
        The network of a recorded session: a file, or a name.
    """

    excerpts: Sequence[Excerpt]
    folder: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    model: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Labelled classes, in the order of their first label."""
        names = dict.fromkeys(name for excerpt in self.excerpts for name in _named(excerpt))
        return tuple(names)

    def named_in(self, classes: Sequence[str]) -> ReplayInputs:
        """Return the inputs with names in place of DVS128 Gesture's numbers, where they are known.

        Parameters
        ----------
        classes
            The network's classes.
        """
        from spikewire.sensors import Label, name_labels

        def named(excerpt: Excerpt) -> Excerpt:
            labels = tuple(name_labels(excerpt.labels, classes))
            label = excerpt.label
            if label is not None:
                [whole] = name_labels([Label(label, 0, 1)], classes)
                label = whole.name
            return replace(excerpt, labels=labels, label=label)

        return replace(self, excerpts=[named(excerpt) for excerpt in self.excerpts])


def _named(excerpt: Excerpt) -> Iterator[str]:
    yield from (label.name for label in excerpt.labels)
    if excerpt.label is not None:
        yield excerpt.label


def from_session(path: Path) -> ReplayInputs:
    """Read a recorded session; raises the errors of ``load_session``."""
    excerpts, facts = load_session(path)
    model = facts.get("start") or facts.get("model")
    if facts.get("start"):
        # The recording began while the service ran: the network of that time is beside it.
        model = str(path.with_name(Path(str(facts["start"])).name))
    return ReplayInputs(excerpts, facts=facts, model=None if model is None else str(model))


def from_paths(
    paths: Sequence[Path],
    *,
    labels: Path | None,
    label: str | None,
    start: int | None,
    stop: int | None,
    part: Literal["train", "test"] | None,
    formats: dict[str, Any],
) -> ReplayInputs:
    """Collect recordings from files and folders.

    Parameters
    ----------
    paths
        Recordings, and folders of them.
    labels
        Label file of the only recording.
    label
        Class of all recordings, in place of their own labels.
    start, stop
        Excerpt of each recording, in microseconds after its first event.
    part
        Part of a data set.
    formats
        ``size``, ``columns``, ``unit``, ``convention`` and ``reader``; None where the file states
        them.

    Raises
    ------
    UsageError
        If there is a label file for a folder, or a part without a folder.
    sensors.SensorError
        If a file does not exist, or a label file is damaged.
    """
    from spikewire.sensors import Excerpt, find_recordings, open_recording, read_labels

    folder = any(path.is_dir() for path in paths)
    if folder and labels is not None:
        raise UsageError(
            "--labels holds the times of one recording; in a folder, NAME_labels.csv beside a "
            "recording does, or the name of its folder"
        )
    if part is not None and not folder:
        raise UsageError("--trials chooses a part of a folder, and none is given")
    given = {name: value for name, value in formats.items() if value is not None}
    spans = () if labels is None else tuple(read_labels(labels))
    excerpts: list[Excerpt] = []
    for path in paths:
        if path.is_dir():
            with scan_bar():
                excerpts += find_recordings(path, part=part)
        else:
            if not path.exists():  # FILE::NAME, or the sentence about what is missing
                open_recording(path)
            excerpts.append(Excerpt(path, labels=spans))
    own: dict[str, Any] = {**given, "start_us": start or 0, "stop_us": stop}
    if label is not None:
        own |= {"labels": (), "label": label}
    return ReplayInputs([replace(excerpt, **own) for excerpt in excerpts], folder)
