"""From the options of a command to settings, and from these to pipelines that can run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.models import open_network, open_spec
from spikewire.apps.cli.options.address import read_token
from spikewire.apps.cli.options.groups import given
from spikewire.apps.cli.options.shared import DEFAULT_MODEL, NetworkOptions, SourceOptions
from spikewire.apps.cli.output import stderr_console
from spikewire.apps.cli.sources import filtered, open_source_at, source_classes
from spikewire.apps.cli.units import names
from spikewire.apps.service.session import SessionWriter

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec
    from spikewire.runtime import (
        CheckpointStore,
        Configured,
        Pipeline,
        PipelineConfig,
        Recorder,
        Settings,
    )
    from spikewire.sensors import Source


def given_settings(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not None, with tokens read from their files."""
    return {
        name: read_token(value) if name.endswith("_token") else value
        for name, value in flags.items()
        if value is not None
    }


def configure(config: Path | None, flags: Mapping[str, Any]) -> Configured:
    """Load the settings of a file and the environment, overridden by those of options.

    Parameters
    ----------
    config
        The settings file.
    flags
        As :func:`given_settings` takes them.

    Raises
    ------
    UsageError
        A setting is wrong.
    """
    from spikewire.runtime import SettingsError, load_settings

    try:
        return load_settings(config, flags=given_settings(flags))
    except SettingsError as error:
        raise UsageError(str(error)) from error


def only_pipeline(
    uri: str, source: SourceOptions, network: NetworkOptions, settings: Settings
) -> PipelineConfig:
    """Configure the pipeline of a source that is given as an option."""
    from spikewire.runtime import ONLY, PipelineConfig

    return PipelineConfig(
        ONLY, uri, network.model or DEFAULT_MODEL, names(network.classes),
        tuple(source.filters or ()), network.seed, source.speed, settings, frozenset(),
        frozenset(given(network)),
    )  # fmt: skip


def build_pipelines(
    wanted: Sequence[PipelineConfig], resume: bool, record: Path | None = None
) -> dict[str, Pipeline]:
    """Open the sources and networks of several pipelines, by their names.

    See :func:`build_pipeline`. After an error none of them holds a folder.
    """
    with ExitStack() as undo:
        pipelines = {}
        for one in wanted:
            pipelines[one.name] = built = build_pipeline(one, resume, record)
            undo.callback(built.checkpoints.release)
        undo.pop_all()
    return pipelines


def build_pipeline(
    wanted: PipelineConfig,
    resume: bool,
    record: Path | None = None,
    for_files: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Open a pipeline's source and its network, and claim its folder of checkpoints.

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
        The configuration cannot be met, or contradicts the learner that is resumed.
    runtime.CheckpointError
        The folder of checkpoints is in use, or cannot be written.
    """
    from spikewire.runtime import CheckpointStore

    if (folder := wanted.settings.checkpoint_folder) is None:
        if resume:
            raise UsageError("--resume needs --checkpoint FOLDER, to know where from")
        return _build(wanted, None, resume, record, for_files)
    store = CheckpointStore(folder, wanted.settings.checkpoint_keep)
    # Before anything is loaded: until then another service may write a newer one.
    store.claim()
    try:
        return _build(wanted, store, resume, record, for_files)
    except BaseException:
        store.release()
        raise


def _build(
    wanted: PipelineConfig,
    store: CheckpointStore | None,
    resume: bool,
    record: Path | None,
    for_files: Mapping[str, Any] | None,
) -> Pipeline:
    from spikewire.runtime import Pipeline
    from spikewire.sensors import ChoiceSource, Filtered

    source = open_source_at(wanted.source, wanted.speed, None, for_files)
    folder = wanted.settings.record_folder
    if folder is not None and not hasattr(source, "play"):
        source = ChoiceSource(source, Path(folder))
    source = filtered(source, wanted.filters)
    if not isinstance(source, Filtered):
        source = Filtered(source, ())  # clients may add some
    network = None
    if store is not None and resume:
        network = _resumed(store, wanted, source)
    elif store is not None and (present := store.paths()):
        raise UsageError(
            f"{store.folder} holds a learner already ({present[-1].name}): continue with it "
            "(--resume), or give --checkpoint another folder"
        )
    if network is None:
        classes = wanted.classes or source_classes(source)
        network = open_network(wanted.model, classes, wanted.seed)
    if (name_labels := getattr(source, "name_labels", None)) is not None:
        name_labels(network.classes)
    facts = {"source": wanted.source, "model": wanted.model, "seed": wanted.seed}
    session = None
    if record is not None:
        session = SessionWriter(record, {**facts, "classes": network.classes})
    recorder = None
    if wanted.settings.record_folder is not None:
        recorder = make_recorder(Path(wanted.settings.record_folder), wanted.name, facts)
    pipeline = Pipeline(
        wanted.name, source, network, wanted.settings,
        record=session, recorder=recorder, own=wanted.own,
    )  # fmt: skip
    pipeline.checkpoints.store = store
    return pipeline


def _resumed(store: CheckpointStore, wanted: PipelineConfig, source: Source) -> Network | None:
    from spikewire.qcore import Network
    from spikewire.sensors import Filtered

    newest = store.load_newest(Network.from_bytes)
    if newest is None:
        return None
    network, path = newest
    check_resumed(network, wanted, path)
    remembered = store.beside(path)
    if remembered is not None and isinstance(source, Filtered):
        source.restore(remembered)
    stderr_console().print(f"going on from {path}", markup=False, soft_wrap=True)
    return network


def check_resumed(network: Network, wanted: PipelineConfig, path: Path) -> None:
    """Refuse a resumed learner that contradicts what was chosen for it.

    Parameters
    ----------
    network, path
        The learner, and its checkpoint.
    wanted
        The configuration, with the names of the options that were chosen.

    Raises
    ------
    UsageError
        Its model is another one, it lacks a class, or it grew from another seed.
    """
    from spikewire.qcore import is_untrained

    way_out = "leave that out to resume, or give another folder for a new learner"
    untrained = is_untrained(wanted.model)
    if "model" in wanted.chosen:
        if untrained:
            spec = open_spec(wanted.model)
            # A learner that grew from an earlier version of the same preset keeps its meaning.
            earlier = network.spec.name == spec.name and network.spec.version < spec.version
            same = earlier or _shape(spec) == _shape(network.spec)
        else:
            # Its weights differ, for it has learned since; where it comes from stays.
            start = open_network(wanted.model, (), 0)
            same = _shape(start.spec) == _shape(network.spec) and start.seed == network.seed
            same = same and set(start.classes) <= set(network.classes)
        if not same:
            raise UsageError(
                f"the model {wanted.model} is another network than the one in {path} "
                f"({network.spec.name}: {', '.join(network.classes)}): {way_out}"
            )
    lacking = [name for name in wanted.classes if name not in network.classes]
    if "classes" in wanted.chosen and lacking:
        raise UsageError(
            f"the classes name {', '.join(lacking)}, which the learner in {path} does not know (it "
            f"knows {', '.join(network.classes)}): {way_out}"
        )
    if "seed" in wanted.chosen and wanted.seed != network.seed and untrained:
        raise UsageError(
            f"the seed {wanted.seed} contradicts the learner in {path}, which grew from seed "
            f"{network.seed}: {way_out}"
        )


def _shape(spec: NetworkSpec) -> dict[str, Any]:
    """Everything of a specification that a running network depends on."""
    return {
        name: value for name, value in spec.to_dict().items()
        if name not in ("name", "description", "training")
    }  # fmt: skip


def make_recorder(folder: Path, name: str, facts: dict[str, Any]) -> Callable[[Any], Recorder]:
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
