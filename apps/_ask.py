"""`spikewire status | learn | checkpoint`: one question to a running service, one answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import trio
import typer

from apps._options import DEFAULT_ADDRESS, Connect, Json
from apps._quantities import host_port
from apps._say import console, json_line


def status(connect: Connect = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Say how a running service stands."""
    answer = _ask(connect, "status")["status"]
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
) -> None:
    """Switch learning on or off in a running service."""
    answer = _ask(connect, "learn", on=switch == "on")
    console().print(f"learning is {switch} from tick {answer['tick']}")


def checkpoint(connect: Connect = DEFAULT_ADDRESS) -> None:
    """Let a running service save its learner now, and print the file's path."""
    console().print(_ask(connect, "checkpoint")["path"], markup=False, soft_wrap=True)


def _ask(connect: str, kind: str, **fields: Any) -> dict[str, Any]:
    host, port = host_port(connect)
    return trio.run(partial(_request, host, port, kind, **fields))


async def _request(host: str, port: int, kind: str, **fields: Any) -> dict[str, Any]:
    from runtime import connect

    async with connect(host, port, name=kind) as client:
        return await client.request(kind, **fields)
