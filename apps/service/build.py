"""From the configuration of a pipeline to one that can run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.output import stderr_console
from spikewire.apps.cli.sources import open_source_at, source_classes
from spikewire.apps.service.session import SessionWriter

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.runtime import Pipeline, PipelineConfig, Recorder
    from spikewire.sensors import Source


def build_pipeline(
    wanted: PipelineConfig,
    resume: bool,
    record: Path | None = None,
    for_files: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Open a pipeline's source and its network.

    Parameters
    ----------
    wanted
        Configuration of the pipeline.
    resume
        Resume from the newest checkpoint, if there is one.
    record
        File in which the whole run is recorded.
    for_files
        As in :func:`open_source_at`.

    Raises
    ------
    UsageError
        The configuration cannot be met.
    """
    from spikewire.runtime import Pipeline

    source = open_source_at(wanted.source, wanted.speed, wanted.filters, for_files)
    folder = wanted.settings.checkpoint_folder
    if resume and folder is None:
        raise UsageError("--resume needs --checkpoint FOLDER, to know where from")
    classes = wanted.classes or source_classes(source)
    network = _resumed(folder, source) if resume and folder is not None else None
    if network is None:
        network = open_network(wanted.model, classes, wanted.seed)
    facts = {"source": wanted.source, "model": wanted.model, "seed": wanted.seed}
    session = None
    if record is not None:
        session = SessionWriter(record, {**facts, "classes": network.classes})
    recorder = None
    if wanted.settings.record_folder is not None:
        recorder = _recorder(Path(wanted.settings.record_folder), wanted.name, facts)
    return Pipeline(
        wanted.name, source, network, wanted.settings,
        record=session, recorder=recorder, own=wanted.own,
    )  # fmt: skip


def _resumed(folder: str, source: Source) -> Network | None:
    from spikewire.qcore import Network
    from spikewire.runtime import CheckpointStore
    from spikewire.sensors import Filtered

    store = CheckpointStore(folder)
    newest = store.load_newest(Network.from_bytes)
    if newest is None:
        return None
    network, path = newest
    remembered = store.beside(path)
    if remembered is not None and isinstance(source, Filtered):
        source.restore(remembered)
    stderr_console().print(f"going on from {path}", markup=False, soft_wrap=True)
    return network


def _recorder(folder: Path, name: str, facts: dict[str, Any]) -> Callable[[Any], Recorder]:
    """Return a maker of recorders for clients that request one during the run."""

    def begin(network: Network) -> Recorder:
        from spikewire.runtime import ServiceError

        stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            number = 1
            while (path := folder / f"{stem}{'' if number == 1 else f'-{number}'}.aedat4").exists():
                number += 1
            # What the network knew when the recording began: a replay can begin with it.
            start = path.with_suffix(".start.model")
            network.save(start)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServiceError(f"Nothing can be recorded in {folder}: {reason}.") from None
        return SessionWriter(path, {**facts, "classes": network.classes, "start": start.name})

    return begin
