"""`spikewire run`: a live service on a source."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError, check_target, leaf_errors
from spikewire.apps.cli.options.groups import given, grouped
from spikewire.apps.cli.options.shared import (
    DEFAULT_ADDRESS,
    Config,
    Duration,
    Json,
    NetworkOptions,
    SourceOptions,
)
from spikewire.apps.cli.output import print_json
from spikewire.apps.cli.signals import stop_after
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.service.build import (
    build_pipelines,
    configure,
    given_settings,
    only_pipeline,
)
from spikewire.apps.service.logs import Log, log_to_stderr
from spikewire.apps.service.session import SessionWriter
from spikewire.apps.service.summary import print_summary
from spikewire.errors import SpikewireError

if TYPE_CHECKING:
    from rich.console import Console

    from spikewire.runtime import PipelineConfig, Service, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """The service's sockets, and access to them."""

    host: Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")] = (
        None
    )
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one (default: 7462)."),
    ] = None
    public: Annotated[
        bool, typer.Option("--public", help="Allow a --host that other machines can reach.")
    ] = False
    unix: Annotated[
        str | None, typer.Option(metavar="PATH", help="Unix socket to listen on as well.")
    ] = None
    control_token: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token for full access.")
    ] = None
    watch_token: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token for watching only.")
    ] = None
    tls_cert: Annotated[
        str | None, typer.Option(metavar="PEM", help="Certificate; turns TLS on.")
    ] = None
    tls_key: Annotated[
        str | None, typer.Option(metavar="PEM", help="Private key of the certificate.")
    ] = None
    http_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Port of /metrics and /healthz (needs spikewire\\[http])."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOptions:
    """Labels, and the networks that are kept."""

    learn: Annotated[
        bool | None,
        typer.Option("--learn/--no-learn", help="Learn while a label is present (default)."),
    ] = None
    learn_layers: Annotated[
        bool | None,
        typer.Option(
            "--learn-layers/--readout-only",
            help="Let lessons change layers that can learn (default), or the readout only.",
        ),
    ] = None
    labels: Annotated[
        Literal["client", "source"] | None,
        typer.Option(help="Origin of the labels (default: client)."),
    ] = None
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of checkpoints of the network.")
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the newest checkpoint, if there is one.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Recordings of the run, and its end."""

    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE.aedat4", help="Record the whole run, to be replayed."),
    ] = None
    record_folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of recordings that clients request."),
    ] = None
    for_us: Duration = None
    at_end: Annotated[
        Literal["exit", "stay"] | None,
        typer.Option(help="Action at the end of the source (default: exit)."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The log on standard error."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Lowest level that is logged (default: warning)."),
    ] = None
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option(help="Log format (default: text).")
    ] = None


_SOURCE, _NETWORK, _LISTEN = SourceOptions(), NetworkOptions(), ListenOptions()
_LEARNING, _RUN, _LOG = LearningOptions(), RunOptions(), LogOptions()


@grouped
def run(
    source: SourceOptions = _SOURCE,
    network: NetworkOptions = _NETWORK,
    listen: ListenOptions = _LISTEN,
    learning: LearningOptions = _LEARNING,
    options: RunOptions = _RUN,
    log: LogOptions = _LOG,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a service that classifies the events of a source and publishes the results over TCP.

    The service ends with its source or at Ctrl-C. Watch it with `spikewire watch`, teach it with
    `spikewire teach`. Without --source the service runs the pipelines of the --config file. SIGHUP
    reloads the settings.
    """
    if source.source is None and (typed := {**given(network), **given(source)}) and config:
        raise UsageError(
            f"{', '.join(f'--{name}' for name in typed)} needs --source: the pipelines in {config} "
            "have their own"
        )
    flags = {
        "host": listen.host,
        "port": listen.port,
        "public": listen.public or None,
        "unix_path": listen.unix,
        "control_token": listen.control_token,
        "watch_token": listen.watch_token,
        "tls_cert": listen.tls_cert,
        "tls_key": listen.tls_key,
        "http_port": listen.http_port,
        "learn": learning.learn,
        "learn_layers": learning.learn_layers,
        "labels": learning.labels,
        "at_end": options.at_end,
        "checkpoint_folder": None if learning.checkpoint is None else str(learning.checkpoint),
        "record_folder": None if options.record_folder is None else str(options.record_folder),
        "log_level": log.log_level,
        "log_format": log.log_format,
    }
    code = serve_pipelines(
        source, network, flags, config=config, resume=learning.resume, record=options.record,
        for_us=options.for_us, as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(code)


def serve_pipelines(
    source: SourceOptions,
    network: NetworkOptions,
    flags: Mapping[str, Any],
    *,
    config: Path | None = None,
    resume: bool = False,
    record: Path | None = None,
    for_us: int | None = None,
    as_json: bool = False,
) -> int:
    """Serve a source, or the pipelines of a settings file, until the end; return the exit code.

    Parameters
    ----------
    source, network
        The only pipeline, if a source is given.
    flags
        Settings that override those of the file and the environment; None stands for not given.
    config
        The settings file.
    resume
        Whether to resume from the newest checkpoint.
    record
        File in which the run is recorded.
    for_us
        Length of the run in microseconds.
    as_json
        Whether to print JSON lines.

    Raises
    ------
    UsageError
        The options contradict each other or the settings file.
    """
    if record is not None:
        check_recording_target("--record", record)
    loaded = configure(config, flags)
    wanted = loaded.pipelines
    if source.source is not None:
        if wanted:
            raise UsageError(f"give --source, or the pipelines in {config}, not both")
        wanted = (only_pipeline(source.source, source, network, loaded.settings),)
    elif not wanted:
        raise UsageError("give --source, or --config with a table [pipelines.NAME]")
    if record is not None and len(wanted) > 1:
        raise UsageError("--record writes one pipeline down; set record_folder, and ask each")
    with log_to_stderr(loaded.settings.log_level, loaded.settings.log_format) as log:
        from spikewire.runtime import Service, keep_ready

        # Before the kernels, which a first start compiles: a mistake is told at once.
        pipelines = build_pipelines(wanted, resume, record)
        keep_ready(pipelines.values())
        load_kernels(service=True)
        service = Service.from_pipelines(
            pipelines, loaded.settings, reload=partial(_reload, config, flags, loaded.pipelines)
        )
        return trio.run(_run, service, as_json, log, for_us)


def _reload(
    config: Path | None, flags: Mapping[str, Any], began_with: Sequence[PipelineConfig]
) -> Settings:
    from spikewire.runtime import ServiceError, load_settings

    try:
        loaded = load_settings(config, flags=given_settings(flags))
    except UsageError as error:
        raise ServiceError(f"{error}.") from None
    if config is not None and _tables(loaded.pipelines) != _tables(began_with):
        logging.getLogger("spikewire.runtime").warning(
            "the pipelines in %s have changed, which needs a restart", config
        )
    return loaded.settings


def _tables(pipelines: Sequence[PipelineConfig]) -> list[Any]:
    """Return the pipelines' own settings, to be compared."""
    return [
        (
            pipeline.name, pipeline.source, pipeline.model, pipeline.classes, pipeline.filters,
            pipeline.seed, pipeline.speed,
            {name: getattr(pipeline.settings, name) for name in pipeline.own},
        )
        for pipeline in pipelines
    ]  # fmt: skip


def check_recording_target(option: str, path: Path) -> None:
    """Refuse a recording that cannot be written, before anything runs."""
    if path.suffix.lower() != ".aedat4":
        raise UsageError(f"a recording's name ends in .aedat4, and {path} does not")
    check_target(option, path)
    if path.exists():
        raise UsageError(f"{path} exists already")


async def _run(service: Service, as_json: bool, log: Log, for_us: int | None) -> int:
    served = False

    async def serve(*, task_status: trio.TaskStatus[Service]) -> None:
        nonlocal served
        await service.serve(task_status=task_status)
        served = True
        nursery.cancel_scope.cancel()

    recorded: dict[str, Path | None] = {}
    lost: dict[str, str] = {}
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            _announce(service, as_json, log.console())
            if for_us is not None:
                nursery.start_soon(stop_after, service, for_us / 1e6)
    except BaseException as error:
        # The service has logged already why its source failed.
        words = [str(leaf) for leaf in leaf_errors(error)]
        if not all(word and any(word in logged for logged in log.warnings) for word in words):
            raise
    finally:
        for name, pipeline in service.pipelines.items():
            if isinstance(pipeline.record, SessionWriter):
                try:
                    recorded[name] = pipeline.record.close()
                except (SpikewireError, OSError) as error:
                    lost[name] = f"The recording could not be closed: {error}"
    whole = True
    for name, pipeline in service.pipelines.items():
        summary = pipeline.summary()
        if summary.recording_error is None and name in lost:
            summary = dataclasses.replace(summary, recording_error=lost[name])
        whole = whole and summary.checkpoint_error is None and summary.recording_error is None
        several = len(service.pipelines) > 1
        print_summary(
            pipeline, summary, recorded.get(name), log.console(), as_json=as_json, several=several
        )
    return DONE if served and whole else FAILED


def _announce(service: Service, as_json: bool, out: Console) -> None:
    host, port = service.addresses[0]
    if as_json:
        pipelines = [
            {
                "pipeline": name, "source": pipeline.source.name, "run": pipeline.run_id,
                "classes": list(pipeline.network.classes),
            }
            for name, pipeline in service.pipelines.items()
        ]  # fmt: skip
        hello = {**pipelines[0], "http": service.http_address, "pipelines": pipelines}
        print_json({"type": "listening", "host": host, "port": port, **hello})
        return
    for name, pipeline in service.pipelines.items():
        learning = "learning" if pipeline.settings.learn else "not learning"
        classes = ", ".join(pipeline.network.classes)
        before = f"{name}: " if len(service.pipelines) > 1 else ""
        text = f"{before}{pipeline.source.name} -> {classes} ({learning})"
        out.print(text, markup=False, soft_wrap=True)
    if service.http_address is not None:
        text = f"metrics at {service.http_address}/metrics"
        out.print(text, markup=False, soft_wrap=True)
    to = "" if f"{host}:{port}" == DEFAULT_ADDRESS else f" --connect {host}:{port}"
    text = f"listening on {host}:{port}; see it with: spikewire watch{to}"
    out.print(text, markup=False, soft_wrap=True)
