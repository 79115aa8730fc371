"""`spikewire gesture`: which gesture is being made now, steadily, with "unknown" as an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
import typer

from spikewire.apps.cli.errors import DONE, UsageError, leaf_errors, reject_options
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import given, grouped
from spikewire.apps.cli.options.shared import (
    TRAINED_MODEL,
    Duration,
    Json,
    RawScores,
    ServiceOptions,
    SourceOptions,
)
from spikewire.apps.cli.output import console
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.gesture.live import BYTES, WAITING, GestureSession, serve, watch
from spikewire.apps.gesture.recogniser import Recogniser
from spikewire.apps.gesture.reporters import JsonReporter, LineReporter, Reporter, ScreenReporter
from spikewire.apps.gesture.screen import GestureScreen
from spikewire.runtime import Rules, Settings

if TYPE_CHECKING:
    from spikewire.qcore import Calibration

_DEFAULT_SOURCE = "sim:"
_LONGEST_US = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionOptions:
    """Temporal smoothing and rejection."""

    steady: Annotated[
        int | None,
        typer.Option(
            metavar="TIME", parser=duration_us, help="Averaging window of scores (default: 300ms)."
        ),
    ] = None
    unknown: Annotated[
        Literal["off", "normal", "strict"],
        typer.Option(help="Strictness of the rejection of unclear gestures."),
    ] = "normal"
    still: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SPIKES",
            help="Motion threshold: spikes of layer 1 per millisecond (default: by the camera).",
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Return the settings of a service that decides so.

        Raises
        ------
        UsageError
            The window is too long.
        """
        if self.steady is not None and self.steady > _LONGEST_US:
            window = f"{self.steady / 1e6:g}s"
            raise UsageError(f"--steady is {window}; allowed are times from 0ms to 10s")
        steady_ms = Rules().window_us / 1000 if self.steady is None else self.steady / 1000
        return {"steady_ms": steady_ms, "unknown": self.unknown, "still": self.still}

    def rules(self, tick_us: int, calibration: Calibration) -> Rules:
        """Return the rules of decision for a network's ticks and calibration."""
        settings = self.settings()
        steady_us = round(1000 * settings["steady_ms"])
        return Rules.of(tick_us, steady_us, self.unknown, self.still, calibration)


_SOURCE, _SERVICE = SourceOptions(), ServiceOptions(connect=None)
_DECISION = DecisionOptions()


@grouped
def gesture(
    source: SourceOptions = _SOURCE,
    model: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Trained network (default: gestures)."),
    ] = None,
    service: ServiceOptions = _SERVICE,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for other clients (default: a free one)."),
    ] = None,
    decision: DecisionOptions = _DECISION,
    for_us: Duration = None,
    raw: RawScores = False,
    as_json: Json = False,
) -> None:
    """Recognise gestures live, with a network on any source or from a running service.

    The default source is the simulated camera. A terminal shows the events, the gesture in large
    letters and the last gestures; elsewhere each gesture is printed as a line when it is over. With
    --json a line is printed whenever the answer changes.
    """
    settings = decision.settings()
    if service.connect is None:
        reject_options(
            given(service), "is about a running service: give --connect, or leave it out"
        )
        # Before the kernels, which a first start compiles: a mistake is told at once.
        opened = open_source_at(source.source or _DEFAULT_SOURCE, source.speed, source.filters)
        network = open_network(model or TRAINED_MODEL, (), 0)
        network.keep_ready(learn=False)
        load_kernels(service=True)
        seen = Recogniser(opened.name, raw=raw)
        wanted = Settings(
            port=port or 0, learn=False, stats_every_s=0.5,
            subscriber_messages=WAITING, subscriber_bytes=BYTES, **settings,
        )  # fmt: skip
        _run(seen, as_json, lambda s: trio.run(serve, s, opened, network, wanted, for_us))
    else:
        local = {"model": model, "port": port, **given(source)}
        reject_options(
            local, "is the service's own where --connect watches one: leave one of them out"
        )
        address = service.address()
        seen = Recogniser(address.text, raw=raw)
        # The service's own answer, unless this viewer wants another one.
        rules = None if decision == _DECISION else decision.rules
        _run(
            seen,
            as_json,
            lambda s: run_until_interrupted(partial(watch, s, address, for_us, rules)),
        )
    raise typer.Exit(DONE)


def _run(seen: Recogniser, as_json: bool, work: Callable[[GestureSession], object]) -> None:
    """Run the session; report the totals however it ends."""
    failed: BaseException | None = None
    with _reporter(as_json) as reporter:
        session = GestureSession(seen, reporter)
        try:
            work(session)
        except BaseException as error:
            failed = error
            if not any(isinstance(leaf, KeyboardInterrupt) for leaf in leaf_errors(error)):
                session.reason = "failed"
        session.end()
    # Out here, where a screen has been given back.
    reporter.last(seen, session.reason)
    if failed is not None:
        raise failed


@contextmanager
def _reporter(as_json: bool) -> Iterator[Reporter]:
    out = console()
    if as_json:
        yield JsonReporter()
    elif out.is_terminal and not out.is_dumb_terminal:
        with GestureScreen(out) as screen:
            yield ScreenReporter(screen)
    else:
        yield LineReporter()
