"""`spikewire watch`: what a running service recognises."""

from __future__ import annotations

from functools import partial

import trio
import typer

from apps._errors import DONE
from apps._follow import Follower
from apps._interrupt import run_until_interrupted
from apps._options import DEFAULT_ADDRESS, Connect, Json
from apps._present import REDRAW_S, Presenter, presenter
from apps._quantities import host_port
from apps._say import console, json_line, remarks


def watch(connect: Connect = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Show what a running service recognises, until it ends or Ctrl-C.

    With --json the first line is the service's hello, then one line per message.
    """
    host, port = host_port(connect)
    run_until_interrupted(partial(_print_json if as_json else _show, host, port))
    raise typer.Exit(DONE)


async def _print_json(host: str, port: int) -> None:
    from runtime import connect

    async with connect(host, port, name="watch", subscribe=["result", "stats", "status"]) as client:
        json_line(client.hello)
        async for message in client:
            json_line(message)
        if client.goodbye is not None:
            json_line(client.goodbye)


async def _show(host: str, port: int) -> None:
    from runtime import connect

    async with connect(host, port, name="watch", subscribe=["result", "stats"]) as client:
        follower = Follower(f"{client.hello['source']} at {host}:{port}")
        with presenter(console()) as shown:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_redraw, follower, shown)
                async for message in client:
                    follower.take(message)
                nursery.cancel_scope.cancel()
        reason = (client.goodbye or {}).get("reason", "")
    remarks().print(f"the service said goodbye: {reason}", markup=False)


async def _redraw(follower: Follower, shown: Presenter) -> None:
    while True:
        shown.show(follower.scene(footer="Ctrl-C leaves; the service goes on"))
        await trio.sleep(REDRAW_S)
