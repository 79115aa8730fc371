"""`spikewire run`: a live service on a source."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
import typer

from spikewire.apps.cli.address import secret
from spikewire.apps.cli.errors import DONE, FAILED, UsageError, leaves
from spikewire.apps.cli.logs import Log, logging_to_person
from spikewire.apps.cli.options import (
    DEFAULT_ADDRESS,
    DEFAULT_MODEL,
    Classes,
    Config,
    Filters,
    Json,
    Seed,
)
from spikewire.apps.cli.output import json_line, remarks
from spikewire.apps.cli.signals import stop_after
from spikewire.apps.cli.units import duration_us, names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.service.build import build
from spikewire.apps.service.session import Session

if TYPE_CHECKING:
    from spikewire.runtime import Configured, Pipeline, PipelineConfig, Service, Settings


def run(
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-s",
            help="file:PATH, udp://HOST:PORT?size=WxH, camera:, stdin:, shelf:DIR, sim: ...",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="FILE|NAME",
            help=f"A model file or a name ({DEFAULT_MODEL}).",
        ),
    ] = None,
    classes: Classes = None,
    host: Annotated[str | None, typer.Option(help="Where to listen (default: 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one (default: 7462).")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Allow a --host that other machines reach.")
    ] = False,
    unix: Annotated[
        str | None, typer.Option(metavar="PATH", help="Listen on a Unix socket as well.")
    ] = None,
    control_token: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The secret that allows everything.")
    ] = None,
    watch_token: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The secret that allows to watch only.")
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option(metavar="PEM", help="A certificate: TLS on the port.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Serve /metrics and /healthz there (needs spikewire\\[http])."
        ),
    ] = None,
    learn: Annotated[
        bool | None,
        typer.Option("--learn/--no-learn", help="Learn whenever a label is present (default)."),
    ] = None,
    labels: Annotated[
        Literal["client", "source"] | None,
        typer.Option(help="Who names what is shown (default: client)."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Save the learner here.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, if there is one.")
    ] = False,
    seed: Seed = 0,
    speed: Annotated[
        str | None, typer.Option(metavar="FACTOR|max", help="Of a file or the simulator.")
    ] = None,
    filters: Filters = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.aedat4", help="Write down all that is computed, to be replayed."
        ),
    ] = None,
    record_folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where recordings go that clients ask for."),
    ] = None,
    for_us: Annotated[
        int | None,
        typer.Option("--for", metavar="TIME", parser=duration_us, help="End after this time."),
    ] = None,
    at_end: Annotated[
        Literal["exit", "stay"] | None,
        typer.Option(help="When the source is over (default: exit)."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="What is logged on standard error (default: warning)."),
    ] = None,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option(help="Sentences, or a JSON map a line.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a service: events in, classes out over TCP, until the source ends or Ctrl-C.

    Watch it with `spikewire watch`, teach it with `spikewire teach`. Without --source it runs the
    pipelines that the file of --config names. SIGHUP reads the settings anew.
    """
    if record is not None:
        check_target(record)
    load_kernels()
    flags = {
        "host": host,
        "port": port,
        "public": public or None,
        "unix_path": unix,
        "control_token": control_token,
        "watch_token": watch_token,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "http_port": http,
        "learn": learn,
        "labels": labels,
        "at_end": at_end,
        "checkpoint_folder": None if checkpoint is None else str(checkpoint),
        "record_folder": None if record_folder is None else str(record_folder),
        "log_level": log_level,
        "log_format": log_format,
    }
    found = _configured(config, flags)
    settings = found.settings
    wanted = found.pipelines
    if source is not None:
        if wanted:
            raise UsageError(f"give --source, or the pipelines in {config}, not both")
        wanted = (
            _one(source, model or DEFAULT_MODEL, names(classes), filters, seed, speed, settings),
        )
    elif not wanted:
        raise UsageError("give --source, or --config with a table [pipelines.NAME]")
    elif model is not None or classes or filters or seed or speed:
        raise UsageError(
            "--model, --classes, --filter, --seed and --speed go with --source: the pipelines in "
            f"{config} have their own"
        )
    if record is not None and len(wanted) > 1:
        raise UsageError("--record writes one pipeline down; set record_folder, and ask each")
    with logging_to_person(settings.log_level, settings.log_format) as log:
        from spikewire.runtime import Service

        pipelines = {one.name: build(one, resume, record) for one in wanted}
        service = Service.from_pipelines(
            pipelines, settings, reload=partial(_reload, config, flags, found.pipelines)
        )
        raise typer.Exit(trio.run(_run, service, as_json, log, for_us))


def _configured(config: Path | None, flags: Mapping[str, Any]) -> Configured:
    from spikewire.runtime import SettingsError, load_settings

    try:
        return load_settings(config, flags=_said(flags))
    except SettingsError as error:
        raise UsageError(str(error)) from error


def _said(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, secrets as their files hold them now."""
    given = {name: value for name, value in flags.items() if value is not None}
    return {n: secret(v) if n.endswith("_token") else v for n, v in given.items()}


def _reload(
    config: Path | None, flags: Mapping[str, Any], began_with: Sequence[PipelineConfig]
) -> Settings:
    from spikewire.runtime import ServiceError, load_settings

    try:
        found = load_settings(config, flags=_said(flags))
    except UsageError as error:
        raise ServiceError(f"{error}.") from None
    if config is not None and _tables(found.pipelines) != _tables(began_with):
        logging.getLogger("spikewire.runtime").warning(
            "the pipelines in %s have changed, which needs a restart", config
        )
    return found.settings


def _tables(pipelines: Sequence[PipelineConfig]) -> list[Any]:
    """What the pipelines' own tables say."""
    return [
        (
            one.name, one.source, one.model, one.classes, one.filters, one.seed, one.speed,
            {name: getattr(one.settings, name) for name in one.own},
        )
        for one in pipelines
    ]  # fmt: skip


def _one(
    source: str,
    model: str,
    classes: tuple[str, ...],
    filters: Sequence[str] | None,
    seed: int,
    speed: str | None,
    settings: Settings,
) -> PipelineConfig:
    from spikewire.runtime import ONLY, PipelineConfig

    return PipelineConfig(
        ONLY, source, model, classes, tuple(filters or ()), seed, speed, settings, frozenset()
    )


def check_target(path: Path) -> None:
    """Refuse a recording that cannot be written, before anything runs."""
    if path.suffix.lower() != ".aedat4":
        raise UsageError(f"a recording's name ends in .aedat4, and {path} does not")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
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
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            _announce(service, as_json)
            if for_us is not None:
                nursery.start_soon(stop_after, service, for_us / 1e6)
    except BaseException as error:
        # The service has said already why its source failed; once is enough.
        words = [str(leaf) for leaf in leaves(error)]
        if not all(word and any(word in said for said in log.said) for word in words):
            raise
    finally:
        for name, pipeline in service.pipelines.items():
            if isinstance(pipeline.record, Session):
                recorded[name] = pipeline.record.close()
    for name, pipeline in service.pipelines.items():
        _conclude(pipeline, as_json, recorded.get(name), several=len(service.pipelines) > 1)
    return DONE if served else FAILED


def _announce(service: Service, as_json: bool) -> None:
    host, port = service.addresses[0]
    if as_json:
        told = [
            {
                "pipeline": name, "source": pipeline.source.name, "run": pipeline.run_id,
                "classes": list(pipeline.network.classes),
            }
            for name, pipeline in service.pipelines.items()
        ]  # fmt: skip
        hello = {**told[0], "http": service.http_address, "pipelines": told}
        json_line({"type": "listening", "host": host, "port": port, **hello})
        return
    out = remarks()
    for name, pipeline in service.pipelines.items():
        learning = "learning" if pipeline.settings.learn else "not learning"
        classes = ", ".join(pipeline.network.classes)
        before = f"{name}: " if len(service.pipelines) > 1 else ""
        said = f"{before}{pipeline.source.name} -> {classes} ({learning})"
        out.print(said, markup=False, soft_wrap=True)
    if service.http_address is not None:
        said = f"metrics at {service.http_address}/metrics"
        out.print(said, markup=False, soft_wrap=True)
    to = "" if f"{host}:{port}" == DEFAULT_ADDRESS else f" --connect {host}:{port}"
    said = f"listening on {host}:{port}; see it with: spikewire watch{to}"
    out.print(said, markup=False, soft_wrap=True)


def _conclude(pipeline: Pipeline, as_json: bool, recorded: Path | None, *, several: bool) -> None:
    """The last words: what was computed, and what was lost, each loss under its own name."""
    counters = {str(name): int(count) for name, count in pipeline.source.counters.items()}
    done = pipeline.summary()
    session = pipeline.record if recorded is not None else None
    record: dict[str, Any] = {"type": "summary", "source": counters, **dataclasses.asdict(done)}
    if isinstance(session, Session):
        record["recorded"] = {
            "session": str(recorded), "files": [str(part.path) for part in session.parts],
            "events": sum(part.events for part in session.parts),
        }  # fmt: skip
    if as_json:
        json_line(record)
        return
    out = remarks()
    before = f"{pipeline.name}: " if several else ""
    told = f"{done.events} events, {done.results} results, {done.updates} updates"
    out.print(f"{before}{done.reason}: {told}", markup=False)
    if done.checkpoint is not None:
        out.print(f"learner saved in {done.checkpoint}", markup=False, soft_wrap=True)
    if isinstance(session, Session):
        count = sum(part.events for part in session.parts)
        told = f"recorded {count:,} events; the same again: spikewire replay --session {recorded}"
        out.print(told, markup=False, soft_wrap=True)
        if len(session.learning) > 1:
            out.print("note: learning was switched meanwhile, which a replay does not repeat")
    losses = {**counters, **done.drops}
    told = ", ".join(f"{name} {count}" for name, count in losses.items() if count)
    if told:
        out.print(f"counted: {told}", markup=False, soft_wrap=True)
