"""`spikewire status | learn | undo | checkpoint`: one question to a running service, one answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import trio
import typer

from spikewire.apps.cli.address import Door, door
from spikewire.apps.cli.options import DEFAULT_ADDRESS, Ca, Connect, Json, Pipeline, Tls, TokenFile
from spikewire.apps.cli.output import console, json_line


def status(
    connect: Connect = DEFAULT_ADDRESS,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    pipeline: Pipeline = None,
    as_json: Json = False,
) -> None:
    """Say how a running service stands."""
    answer = _ask(door(connect, tls, ca, token_file, pipeline), "status")["status"]
    if as_json:
        json_line(answer)
        return
    source, checkpoint = answer["source"], answer["checkpoint"]
    rows = {
        "state": answer["state"],
        "source": f"{source['name']} ({source['error'] or source['state']})",
        "classes": ", ".join(answer["classes"]),
        "learning": f"{'on' if answer['learn'] else 'off'}, labels from the {answer['labels']}",
        "teaching": answer["label"] or "-",
        "tick": str(answer["tick"]),
        "checkpoint": checkpoint["error"] or checkpoint["path"] or "-",
    }
    out = console()
    for name, value in rows.items():
        out.print(f"{name:<11}{value}", markup=False, soft_wrap=True)


def learn(
    switch: Annotated[Literal["on", "off"], typer.Argument(help="on or off")],
    connect: Connect = DEFAULT_ADDRESS,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    pipeline: Pipeline = None,
) -> None:
    """Switch learning on or off in a running service."""
    answer = _ask(door(connect, tls, ca, token_file, pipeline), "learn", on=switch == "on")
    console().print(f"learning is {switch} from tick {answer['tick']}")


def undo(
    connect: Connect = DEFAULT_ADDRESS,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    pipeline: Pipeline = None,
) -> None:
    """Take back the last lesson of a running service."""
    answer = _ask(door(connect, tls, ca, token_file, pipeline), "undo")
    console().print(f"took back what was taught as {answer['label']!r}", markup=False)


def checkpoint(
    connect: Connect = DEFAULT_ADDRESS,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    pipeline: Pipeline = None,
) -> None:
    """Let a running service save its learner now, and print the file's path."""
    answer = _ask(door(connect, tls, ca, token_file, pipeline), "checkpoint")
    console().print(answer["path"], markup=False, soft_wrap=True)


def _ask(service: Door, kind: str, **fields: Any) -> dict[str, Any]:
    return trio.run(partial(_request, service, kind, **fields))


async def _request(service: Door, kind: str, **fields: Any) -> dict[str, Any]:
    from spikewire.runtime import connect

    async with connect(**service.options, name=kind) as client:
        return await client.request(kind, **fields)
