"""`spikewire run`: a live service on a source."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
import typer

from apps._door import secret
from apps._errors import DONE, FAILED, UsageError, leaves
from apps._open import behind, load_kernels, open_network
from apps._options import (
    DEFAULT_ADDRESS,
    DEFAULT_MODEL,
    Classes,
    Config,
    Filters,
    Json,
    Model,
    Seed,
)
from apps._quantities import duration_us, names, speed_factor
from apps._say import complain, json_line, remarks
from apps._session import Session

if TYPE_CHECKING:
    from qcore import Network
    from runtime import Service, Settings, Summary
    from sensors import Source


def run(
    source: Annotated[
        str,
        typer.Option(
            "--source",
            "-s",
            help="file:PATH, udp://HOST:PORT?size=WxH, camera:, stdin:, shelf:DIR, sim: ...",
        ),
    ],
    model: Model = DEFAULT_MODEL,
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
            metavar="PORT", help="Serve /metrics and /healthz there (needs spikewire[http])."
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
    for_us: Annotated[
        int | None,
        typer.Option("--for", metavar="TIME", parser=duration_us, help="End after this time."),
    ] = None,
    at_end: Annotated[
        Literal["exit", "stay"] | None,
        typer.Option(help="When the source is over (default: exit)."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a service: events in, classes out over TCP, until the source ends or Ctrl-C.

    Watch it with `spikewire watch`, teach it with `spikewire teach`.
    """
    if record is not None:
        check_target(record)
    load_kernels()
    settings = _settings(
        config,
        host=host,
        port=port,
        public=public or None,
        unix_path=unix,
        control_token=secret(control_token),
        watch_token=secret(watch_token),
        tls_cert=tls_cert,
        tls_key=tls_key,
        http_port=http,
        learn=learn,
        labels=labels,
        at_end=at_end,
        checkpoint_folder=None if checkpoint is None else str(checkpoint),
    )
    if settings.checkpoint_folder is not None:
        checkpoint = Path(settings.checkpoint_folder)
    if resume and checkpoint is None:
        raise UsageError("--resume needs --checkpoint FOLDER, to know where from")
    opened = open_source_at(source, speed, filters)
    network = _network(
        model, names(classes) or source_classes(opened), seed, checkpoint, resume, opened
    )
    session = None
    if record is not None:
        facts = {"source": source, "model": model, "classes": network.classes, "seed": seed}
        session = Session(record, facts)
    raise typer.Exit(trio.run(_run, opened, network, settings, as_json, session, for_us))


def check_target(path: Path) -> None:
    """Refuse a recording that cannot be written, before anything runs."""
    if path.suffix.lower() != ".aedat4":
        raise UsageError(f"a recording's name ends in .aedat4, and {path} does not")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if path.exists():
        raise UsageError(f"{path} exists already")


def open_source_at(uri: str, speed: str | None, filters: Sequence[str] | None = None) -> Source:
    """Open a source, behind filters; what is wrong with their names is wrong usage."""
    from sensors import SensorError, open_source

    options: dict[str, Any] = {} if speed is None else {"speed": speed_factor(speed)}
    try:
        source = open_source(uri, **options)
    except SensorError as error:
        raise UsageError(str(error)) from error
    return behind(source, filters)


def source_classes(source: Source) -> tuple[str, ...]:
    """The classes that a source knows it will show (the simulator does); none otherwise."""
    return tuple(getattr(source, "classes", ()))


def _settings(config: Path | None, **chosen: Any) -> Settings:
    from runtime import SettingsError, configure

    flags = {name: value for name, value in chosen.items() if value is not None}
    try:
        return configure(config, flags=flags).settings
    except SettingsError as error:
        raise UsageError(str(error)) from error


def _network(
    model: str,
    classes: tuple[str, ...],
    seed: int,
    checkpoint: Path | None,
    resume: bool,
    source: Source,
) -> Network:
    from qcore import Network
    from runtime import CheckpointStore
    from sensors import Filtered

    if resume and checkpoint is not None:
        store = CheckpointStore(checkpoint)
        found = store.load_newest(Network.from_bytes)
        if found is not None:
            network, path = found
            remembered = store.beside(path)
            if remembered is not None and isinstance(source, Filtered):
                source.restore(remembered)
            remarks().print(f"going on from {path}", markup=False, soft_wrap=True)
            return network
    return open_network(model, classes, seed)


class _Log(logging.Handler):
    """Prints the service's complaints as sentences, and remembers them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        complain(record.getMessage())


async def _run(
    source: Source,
    network: Network,
    settings: Settings,
    as_json: bool,
    session: Session | None = None,
    for_us: int | None = None,
) -> int:
    from runtime import Service

    service = Service(source, network, settings, record=session)
    summaries: list[Summary] = []

    async def serve(*, task_status: trio.TaskStatus[Service]) -> None:
        summaries.append(await service.serve(task_status=task_status))
        nursery.cancel_scope.cancel()

    with _listening() as log:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve)
                _announce(service, as_json)
                if for_us is not None:
                    nursery.start_soon(_stop_after, service, for_us)
        except BaseException as error:
            # The service has said already why its source failed; once is enough.
            if not all(any(str(leaf) in said for said in log.said) for leaf in leaves(error)):
                raise
        finally:
            recorded = session.close() if session is not None else None
    _conclude(source, summaries, as_json, session, recorded)
    return DONE if summaries else FAILED


async def _stop_after(service: Service, for_us: int) -> None:
    await trio.sleep(for_us / 1e6)
    service.stop()


@contextmanager
def _listening() -> Iterator[_Log]:
    log, logger = _Log(), logging.getLogger("spikewire")
    logger.addHandler(log)
    try:
        yield log
    finally:
        logger.removeHandler(log)


def _announce(service: Service, as_json: bool) -> None:
    host, port = service.addresses[0]
    classes = list(service.first.network.classes)
    if as_json:
        hello: dict[str, Any] = {
            "source": service.first.source.name, "run": service.first.run_id, "classes": classes,
            "http": service.http_address,
        }  # fmt: skip
        json_line({"type": "listening", "host": host, "port": port, **hello})
        return
    out = remarks()
    learning = "learning" if service.settings.learn else "not learning"
    told = f"{service.first.source.name} -> {', '.join(classes)} ({learning})"
    out.print(told, markup=False, soft_wrap=True)
    if service.http_address is not None:
        told = f"metrics at {service.http_address}/metrics"
        out.print(told, markup=False, soft_wrap=True)
    to = "" if f"{host}:{port}" == DEFAULT_ADDRESS else f" --connect {host}:{port}"
    told = f"listening on {host}:{port}; see it with: spikewire watch{to}"
    out.print(told, markup=False, soft_wrap=True)


def _conclude(
    source: Source,
    summaries: Sequence[Summary],
    as_json: bool,
    session: Session | None = None,
    recorded: Path | None = None,
) -> None:
    """The last words: what was computed, and what was lost, each loss under its own name."""
    counters = {str(name): int(count) for name, count in source.counters.items()}
    record: dict[str, Any] = {"type": "summary", "source": counters}
    if summaries:
        record |= dataclasses.asdict(summaries[0])
    if session is not None:
        record["recorded"] = {
            "session": str(recorded), "files": [str(part.path) for part in session.parts],
            "events": sum(part.events for part in session.parts),
        }  # fmt: skip
    if as_json:
        json_line(record)
        return
    out = remarks()
    if summaries:
        done = summaries[0]
        told = (
            f"{done.reason}: {done.events} events, {done.results} results, {done.updates} updates"
        )
        out.print(told, markup=False)
        if done.checkpoint is not None:
            out.print(f"learner saved in {done.checkpoint}", markup=False, soft_wrap=True)
    if session is not None:
        count = sum(part.events for part in session.parts)
        told = f"recorded {count:,} events; the same again: spikewire replay --session {recorded}"
        out.print(told, markup=False, soft_wrap=True)
        if len(session.learning) > 1:
            out.print("note: learning was switched meanwhile, which a replay does not repeat")
    losses = {**counters, **(summaries[0].drops if summaries else {})}
    told = ", ".join(f"{name} {count}" for name, count in losses.items() if count)
    if told:
        out.print(f"counted: {told}", markup=False, soft_wrap=True)
