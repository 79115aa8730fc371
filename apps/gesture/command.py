"""`spikewire gesture`: which gesture is being made now, steadily, with "unknown" as an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Literal

import trio
import typer

from spikewire.apps.cli.address import door
from spikewire.apps.cli.errors import DONE, UsageError, leaves, refuse
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import Ca, Filters, Json, Pipeline, Tls, TokenFile
from spikewire.apps.cli.output import console
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.gesture.decision import NORMAL, OFF, STRICT, Rules
from spikewire.apps.gesture.live import Session, serve, watch
from spikewire.apps.gesture.recogniser import Recogniser
from spikewire.apps.gesture.reporters import JsonTeller, LineTeller, ScreenTeller, Teller
from spikewire.apps.gesture.screen import GestureScreen

_MODEL, _SOURCE = "gestures", "sim:"
_UNKNOWN = {"off": OFF, "normal": NORMAL, "strict": STRICT}
_LONGEST_US = 10_000_000


def gesture(
    source: Annotated[
        str | None,
        typer.Option("--source", "-s", help="As of `run`: camera:, file:PATH, sim: (default) ..."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="FILE", help="A trained network (default: gestures).")
    ] = None,
    connect: Annotated[
        str | None,
        typer.Option(
            "--connect", "-c", metavar="HOST:PORT|unix:PATH", help="Watch a running service."
        ),
    ] = None,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    pipeline: Pipeline = None,
    filters: Filters = None,
    speed: Annotated[
        str | None, typer.Option(metavar="FACTOR|max", help="Of a file or the simulator.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Where others can watch (default: any free one)."),
    ] = None,
    steady: Annotated[
        int | None,
        typer.Option(
            metavar="TIME", parser=duration_us, help="Scores are averaged over it (default: 300ms)."
        ),
    ] = None,
    unknown: Annotated[
        Literal["off", "normal", "strict"],
        typer.Option(help="How clear a gesture has to be, to be named."),
    ] = "normal",
    still: Annotated[
        int,
        typer.Option(
            min=0, metavar="SPIKES", help="Of the first layer per ms, below which nobody moves."
        ),
    ] = Rules().still,
    for_us: Annotated[
        int | None,
        typer.Option("--for", metavar="TIME", parser=duration_us, help="End after this time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which gesture is being made now: a network on any source, or a running service.

    On a terminal the events, the gesture in large letters and the last ones; elsewhere a line for
    each gesture when it is over. With --json a line whenever the answer changes.
    """
    rules = _rules(steady, unknown, still)
    if connect is None:
        theirs = {"tls": tls, "ca": ca, "token-file": token_file, "pipeline": pipeline}
        refuse(theirs, "is about a running service: give --connect, or leave it out")
        load_kernels()
        opened = open_source_at(_SOURCE if source is None else source, speed, filters)
        network = open_network(_MODEL if model is None else model, (), 0)
        seen = Recogniser(opened.name, rules)
        _run(seen, as_json, lambda s: trio.run(serve, s, opened, network, port or 0, for_us))
    else:
        ours = {"source": source, "model": model, "filter": filters, "speed": speed, "port": port}
        refuse(ours, "is the service's own where --connect watches one: leave one of them out")
        service = door(connect, tls, ca, token_file, pipeline)
        seen = Recogniser(service.shown, rules)
        _run(seen, as_json, lambda s: run_until_interrupted(partial(watch, s, service, for_us)))
    raise typer.Exit(DONE)


def _rules(steady: int | None, unknown: str, still: int) -> Rules:
    if steady is None:
        return Rules(strictness=_UNKNOWN[unknown], still=still)
    if steady > _LONGEST_US:
        raise UsageError(f"--steady is {steady / 1e6:g}s; allowed are times from 0ms to 10s")
    # Who wants no average wants no delay either.
    hold = Rules().hold_us if steady else 0
    return Rules(steady_us=steady, hold_us=hold, strictness=_UNKNOWN[unknown], still=still)


def _run(seen: Recogniser, as_json: bool, work: Callable[[Session], object]) -> None:
    """Do the work before whoever looks on; whatever ends it, the last words are said."""
    failed: BaseException | None = None
    with _teller(as_json) as teller:
        session = Session(seen, teller)
        try:
            work(session)
        except BaseException as error:
            failed = error
            if not any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves(error)):
                session.reason = "failed"
        session.end()
    # Out here, where a screen has been given back.
    teller.last(seen, session.reason)
    if failed is not None:
        raise failed


@contextmanager
def _teller(as_json: bool) -> Iterator[Teller]:
    out = console()
    if as_json:
        yield JsonTeller()
    elif out.is_terminal and not out.is_dumb_terminal:
        with GestureScreen(out) as screen:
            yield ScreenTeller(screen)
    else:
        yield LineTeller()
