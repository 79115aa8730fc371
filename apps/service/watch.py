"""`spikewire watch`: results of a running service."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.options.address import ServiceAccess
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Duration, Json, RawScores, ServiceOptions
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.terminal.live_state import LiveState
from spikewire.apps.terminal.screen import REDRAW_S, Presenter, open_presenter
from spikewire.runtime import DecisionStream, Rules

if TYPE_CHECKING:
    from spikewire.runtime import Client, ReconnectingClient

_FOOTER = "Ctrl-C leaves; the service goes on"
_OVER = "source ended"

_SERVICE = ServiceOptions()


@grouped
def watch(
    service: ServiceOptions = _SERVICE,
    once: Annotated[
        bool, typer.Option("--once", help="End when the service stops or the connection is lost.")
    ] = False,
    for_us: Duration = None,
    raw: RawScores = False,
    as_json: Json = False,
) -> None:
    """Show the results of a running service until its source ends or Ctrl-C.

    If the service is lost or restarted, the command waits for it. With --json the first line is the
    service's hello, followed by one line per message. Lines of the types lost and back report the
    connection.
    """
    address = service.address()
    for_s = math.inf if for_us is None else for_us / 1e6
    if as_json:
        run_until_interrupted(partial(_print_json, address, once, for_s))
    else:
        run_until_interrupted(partial(_show, address, once, for_s, raw))
    raise typer.Exit(DONE)


@asynccontextmanager
async def _stream(
    service: ServiceAccess, once: bool, *topics: str
) -> AsyncGenerator[Client | ReconnectingClient]:
    if once:
        async with service.connect(name="watch") as client:
            offered = client.hello["topics"]
            await client.subscribe(*(topic for topic in topics if topic in offered or not offered))
            yield client
        return
    async with service.follow(
        subscribe=topics, name="watch", after_goodbye="wait", notices=True
    ) as stream:
        yield stream


def _last_words(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The goodbye in a notice, of a service that is not expected back."""
    goodbye: Mapping[str, Any] = message.get("goodbye", {})
    return goodbye if goodbye.get("reason") == _OVER else None


async def _print_json(service: ServiceAccess, once: bool, for_s: float) -> None:
    topics = ("result", "decision", "stats", "status")
    async with _stream(service, once, *topics) as stream:
        with trio.move_on_after(for_s):
            print_json(stream.hello)
            async for message in stream:
                if (goodbye := _last_words(message)) is not None:
                    print_json(goodbye)
                    return
                print_json(message)
            if stream.goodbye is not None:
                print_json(stream.goodbye)


async def _show(service: ServiceAccess, once: bool, for_s: float, raw: bool) -> None:
    goodbye: Mapping[str, Any] | None = None
    async with _stream(service, once, "result", "decision", "stats") as stream:
        watched = _Watched(service, stream.hello, raw)
        with open_presenter(console()) as presenter, trio.move_on_after(for_s) as time:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watched.redraw, presenter)
                async for message in stream:
                    watched.take(message)
                    if (goodbye := _last_words(message)) is not None:
                        break
                else:
                    goodbye = stream.goodbye
                nursery.cancel_scope.cancel()
    if not time.cancelled_caught:
        reason = (goodbye or {}).get("reason", "")
        stderr_console().print(f"the service said goodbye: {reason}", markup=False)


class _Watched:
    """Display of a service: its present run, or that it is away."""

    def __init__(self, service: ServiceAccess, hello: Mapping[str, Any], raw: bool) -> None:
        self._service, self._raw = service, raw
        self._begin(hello)

    def _begin(self, hello: Mapping[str, Any]) -> None:
        self._title = f"{hello['source']} at {self._service.text}"
        self._live_state = LiveState(self._title, self._raw)
        self._footer = _FOOTER
        # Services from before version 0.2 publish no decisions.
        offered = "decision" in hello["topics"]
        self._decisions = None if offered else DecisionStream(Rules.usual(hello["tick_us"]))

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a message or a notice in."""
        if message["type"] == "lost":
            self._live_state.title = f"{self._title} is away"
            self._footer = f"trying again: {message['reason']}"
        elif message["type"] != "back":
            self._live_state.take(message)
            self._decide(message)
        elif message["new_run"]:
            # Another run has another network, so the accuracy begins anew.
            self._begin(message["hello"])
        else:
            self._live_state.title, self._footer = self._title, _FOOTER

    def _decide(self, message: Mapping[str, Any]) -> None:
        if self._decisions is not None and message.get("topic") == "result":
            told = self._decisions.take(message)
            if told is not None:
                self._live_state.take({"type": "message", "topic": "decision", **told})

    async def redraw(self, presenter: Presenter) -> None:
        """Show the present scene, over and over."""
        while True:
            presenter.show(self._live_state.scene(footer=self._footer))
            await trio.sleep(REDRAW_S)
