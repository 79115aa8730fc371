"""`spikewire status | learn | undo | checkpoint`: one question to a running service, one answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import trio
import typer

from spikewire.apps.cli.options.address import ServiceAccess
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json, ServiceOptions
from spikewire.apps.cli.output import console, print_json

_SERVICE = ServiceOptions()


@grouped
def status(
    service: ServiceOptions = _SERVICE,
    as_json: Json = False,
) -> None:
    """Print the state of a running service."""
    answer = _ask(service.address(), "status")["status"]
    if as_json:
        print_json(answer)
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


@grouped
def learn(
    switch: Annotated[Literal["on", "off"], typer.Argument(help="Whether the service learns.")],
    service: ServiceOptions = _SERVICE,
) -> None:
    """Switch learning on or off in a running service."""
    answer = _ask(service.address(), "learn", on=switch == "on")
    console().print(f"learning is {switch} from tick {answer['tick']}")


@grouped
def undo(
    service: ServiceOptions = _SERVICE,
) -> None:
    """Undo the last lesson of a running service."""
    answer = _ask(service.address(), "undo")
    console().print(f"took back what was taught as {answer['label']!r}", markup=False)


@grouped
def checkpoint(
    service: ServiceOptions = _SERVICE,
) -> None:
    """Save the network of a running service now, and print the path of the file."""
    answer = _ask(service.address(), "checkpoint")
    console().print(answer["path"], markup=False, soft_wrap=True)


def _ask(address: ServiceAccess, kind: str, **fields: Any) -> dict[str, Any]:
    return trio.run(partial(_request, address, kind, **fields))


async def _request(address: ServiceAccess, kind: str, **fields: Any) -> dict[str, Any]:
    async with address.connect(name=kind) as client:
        return await client.request(kind, **fields)
