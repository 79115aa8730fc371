"""A training with a bar, and its resume file: whole at every instant, removed at the end."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.cli.output import progress_bar
from spikewire.apps.training.trainer import Progress

if TYPE_CHECKING:
    from spikewire.apps.training.trainer import Trainer
    from spikewire.qcore import Network
    from spikewire.sensors import Sample

FORMAT, VERSION = "spikewire-training", 1
_BEFORE: Mapping[str, Any] = {"average": 0, "filters": []}
"""Settings that came after the first resume files, with the values that these mean."""


@dataclasses.dataclass(slots=True)
class ResumePoints:
    """Resume points of one training, in one file.

    Attributes
    ----------
    path
        The resume file.
    settings
        Settings of the training; it is resumed with the same only.
    pause_s
        Shortest time between two resume points inside a pass, in seconds.
    """

    path: Path
    settings: Mapping[str, Any]
    pause_s: float
    _saved: float = dataclasses.field(default_factory=time.monotonic)

    def after_portion(self, progress: Progress, network: Network) -> None:
        """Save the training at the end of a pass, and after ``pause_s`` inside one."""
        if progress.portion == 0 or time.monotonic() - self._saved >= self.pause_s:
            save(self.path, self.settings, progress, network)
            self._saved = time.monotonic()


def resume_path(out: Path) -> Path:
    """Name the resume file of the training of ``out``."""
    return out.with_name(out.name + ".unfinished")


def data_digest(learn: Sequence[Sample], validate: Sequence[Sample]) -> str:
    """Digest both parts of a data set: files, labels and excerpts."""
    digest = hashlib.sha256()
    for part in (learn, validate):
        for sample in part:
            place = f"{sample.path.parent.name.strip()}/{sample.path.name}"
            digest.update(
                f"{place}\0{sample.label}\0{sample.start_us}\0{sample.stop_us}\n".encode()
            )
        digest.update(b"--\n")
    return digest.hexdigest()[:16]


def open_path(out: Path, *, resume: bool) -> Path | None:
    """Return the resume file of the training of ``out``; None if that is finished already.

    Parameters
    ----------
    out
        The model file that the training writes.
    resume
        Whether an unfinished training is to be resumed.

    Raises
    ------
    UsageError
        If there is an unfinished training that is not to be resumed.
    """
    path = resume_path(out)
    if path.exists() and not resume:
        raise UsageError(f"{path} is an unfinished training: give --resume, or remove it")
    if resume and not path.exists() and out.exists():
        return None
    for target in (out, path):
        _remove_stale(target)
    return path


def _remove_stale(target: Path) -> None:
    """Remove the temporary files that a kill during a write of ``target`` left."""
    for stale in target.parent.glob(f".{target.name}.*.tmp"):
        stale.unlink(missing_ok=True)


def save(path: Path, settings: Mapping[str, Any], progress: Progress, network: Network) -> None:
    """Write a resume file; a crash leaves the previous one."""
    record = {
        "format": FORMAT,
        "version": VERSION,
        "settings": dict(settings),
        "position": dataclasses.asdict(progress),
        "model": network.to_bytes(),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(msgspec.msgpack.encode(record))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, settings: Mapping[str, Any]) -> tuple[Progress, Network]:
    """Read a resume file.

    Raises
    ------
    UsageError
        If it was made with other settings; the message names the first that differs.
    CommandError
        If the file is of another version, or damaged.
    """
    from spikewire.qcore import Network

    try:
        record = msgspec.msgpack.decode(path.read_bytes())
        if record["format"] != FORMAT or record["version"] != VERSION:
            raise CommandError(f"{path} is an unfinished training of another version")
        progress = Progress(**record["position"])
        made_with, model = record["settings"], record["model"]
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise CommandError(f"{path} is damaged; remove it to start anew") from None
    for name, value in settings.items():
        if made_with.get(name, _BEFORE.get(name)) != value:
            raise UsageError(
                f"{path} was begun with {name} {made_with.get(name)}, not {value}: go on as it was "
                "begun, or remove it"
            )
    return progress, Network.from_bytes(model, str(path))


def run_with_bar(
    trainer: Trainer,
    progress: Progress,
    points: ResumePoints | None,
    after_pass: Callable[[dict[str, Any]], None],
    name: str | None = None,
) -> None:
    """Train from ``progress`` to the end.

    Parameters
    ----------
    trainer, progress
        The training, and the point to begin at.
    points
        Resume points to save; None for none.
    after_pass
        Called with the record of each pass.
    name
        Text beside the bar; by default the number of the pass.
    """
    passes, portions = trainer.plan.passes, trainer.portions
    with progress_bar() as bar:
        task = bar.add_task(
            name or f"pass {progress.number + 1}",
            total=passes * portions,
            completed=progress.number * portions + progress.portion,
        )

        def after_portion(now: Progress) -> None:
            told = name or f"pass {min(now.number + 1, passes)}"
            bar.update(task, completed=now.number * portions + now.portion, description=told)
            if points is not None:
                points.after_portion(now, trainer.network)

        trainer.run(progress, after_portion=after_portion, after_pass=after_pass)
