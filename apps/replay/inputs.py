"""What is replayed: from the files and folders a person named to recordings with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.service.session import load_session

if TYPE_CHECKING:
    from spikewire.sensors import Excerpt


@dataclass(frozen=True, slots=True)
class What:
    """Recordings, in the order in which they are replayed.

    Attributes
    ----------
    excerpts
        The recordings, each with what is known of it.
    folder
        Whether a folder was named: its recordings are a set, and no story.
    facts
        A session's own facts; empty for anything else.
    model
        The network that a session was recorded with: a file, or a name.
    """

    excerpts: Sequence[Excerpt]
    folder: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    model: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that labels name, in the order in which they are first shown."""
        found = dict.fromkeys(name for one in self.excerpts for name in _named(one))
        return tuple(found)


def _named(excerpt: Excerpt) -> Iterator[str]:
    yield from (label.name for label in excerpt.labels)
    if excerpt.label is not None:
        yield excerpt.label


def from_session(path: Path) -> What:
    """Take a recorded session; raises what ``load_session`` raises."""
    excerpts, facts = load_session(path)
    model = facts.get("start") or facts.get("model")
    if facts.get("start"):
        # A recording that was begun while it ran: what the network knew lies beside it.
        model = str(path.with_name(Path(str(facts["start"])).name))
    return What(excerpts, facts=facts, model=None if model is None else str(model))


def from_paths(
    paths: Sequence[Path],
    *,
    labels: Path | None,
    label: str | None,
    start: int | None,
    stop: int | None,
    part: Literal["train", "test"] | None,
    how: dict[str, Any],
) -> What:
    """Gather the recordings that files and folders stand for.

    Parameters
    ----------
    paths
        Recordings, and folders of them.
    labels
        A label file for the one recording that is named.
    label
        The class of all that is shown, whatever labels lie beside it.
    start, stop
        The part of each recording, in microseconds after its first event.
    part
        Which part of a data set.
    how
        ``size``, ``columns`` and ``unit``, where they were given.

    Raises
    ------
    UsageError
        If a label file was given for a folder, or a part for none.
    sensors.SensorError
        If something named is not there, or a label file is damaged.
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
    given = {name: value for name, value in how.items() if value is not None}
    told = () if labels is None else tuple(read_labels(labels))
    excerpts: list[Excerpt] = []
    for path in paths:
        if path.is_dir():
            excerpts += find_recordings(path, part=part)
        elif path.exists():
            excerpts.append(Excerpt(path, labels=told))
        else:
            open_recording(path)  # says what is missing
    own: dict[str, Any] = {**given, "start_us": start or 0, "stop_us": stop}
    if label is not None:
        own |= {"labels": (), "label": label}
    return What([replace(one, **own) for one in excerpts], folder)
