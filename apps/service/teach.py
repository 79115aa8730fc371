"""`spikewire teach` and `spikewire play`: lessons, and recordings in a service's library."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from spikewire.apps.cli.errors import DONE, FAILED, CommandError, UsageError
from spikewire.apps.cli.options.address import ServiceAccess
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json, ServiceOptions, Start, Stop
from spikewire.apps.cli.output import console, print_error, print_json, stderr_console
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.cli.units import duration_us, format_us, speed_factor

if TYPE_CHECKING:
    from spikewire.runtime import Client

_FOR_US = 5_000_000

_SERVICE = ServiceOptions()


@grouped
def teach(
    label: Annotated[str | None, typer.Argument(help="Name of the class.")] = None,
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration_us, help="Length of the lesson (default: 5s)."
        ),
    ] = None,
    play: Annotated[
        str | None,
        typer.Option(
            "--play",
            metavar="NAME",
            help="Teach an excerpt of this recording in the service's library.",
        ),
    ] = None,
    start: Start = None,
    stop: Stop = None,
    lasting: Annotated[
        bool,
        typer.Option("--lasting", help="Only begin the lesson, and let it last until --end."),
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="End the present lesson.")] = False,
    service: ServiceOptions = _SERVICE,
    as_json: Json = False,
) -> None:
    """Teach a running service a class from its live source, or from an excerpt that it plays.

    The lesson ends after --for, at Ctrl-C, and if this command is killed. With --lasting it goes
    on. An unknown name becomes a new class.
    """
    if lasting or end:
        if lasting == end or (label is None) != end or play is not None or for_us is not None:
            raise UsageError("give LABEL --lasting, or --end alone: neither takes --for or --play")
        _end(run_until_interrupted(partial(_set_label, service.address(), label, as_json)))
    if label is None:
        raise UsageError("Missing argument 'LABEL'.")
    if play is None and (start is not None or stop is not None):
        raise UsageError("--start and --stop say what to play: give --play NAME too")
    if play is not None and for_us is not None:
        raise UsageError("give --for or --play, not both: an excerpt ends by itself")
    address = service.address()
    if play is None:
        work = partial(_teach_for, address, label, _FOR_US if for_us is None else for_us, as_json)
    else:
        excerpt = {"start_us": start or 0, "stop_us": stop}
        work = partial(_teach_play, address, label, play, excerpt, as_json)
    _end(run_until_interrupted(work))


@grouped
def play(
    name: Annotated[str, typer.Argument(help="Recording in the service's library.")],
    start: Start = None,
    stop: Stop = None,
    speed: Annotated[
        str, typer.Option("--speed", metavar="FACTOR|max", help="Playback speed; 1 is real time.")
    ] = "max",
    lasting: Annotated[
        bool, typer.Option("--lasting", help="Play to the end even if this command is killed.")
    ] = False,
    service: ServiceOptions = _SERVICE,
    as_json: Json = False,
) -> None:
    """Play a recording in a running service's library, and print the recognised class.

    The excerpt ends with this command, unless --lasting is given.
    """
    address = service.address()
    excerpt = {
        "start_us": start or 0, "stop_us": stop, "speed": speed_factor(speed), "lasting": lasting
    }  # fmt: skip
    _end(run_until_interrupted(partial(_play, address, name, excerpt, as_json)))


def _end(interrupted: bool) -> None:
    if interrupted:
        print_error("interrupted")
    raise typer.Exit(FAILED if interrupted else DONE)


async def _check_learning(client: Client) -> None:
    if not (await client.status())["status"]["learn"]:
        raise CommandError("learning is off there; switch it on with: spikewire learn on")


async def _set_label(address: ServiceAccess, label: str | None, as_json: bool) -> None:
    async with address.connect(name="teach") as client:
        if label is not None:
            await _check_learning(client)
        reply = await client.teach(label, lasting=label is not None)
    if as_json:
        print_json({"label": label, "tick": reply["tick"]})
        return
    ends = "until: spikewire teach --end"
    console().print(
        "the lesson has ended" if label is None else f"teaching {label!r} {ends}", markup=False
    )


@asynccontextmanager
async def _lesson(client: Client, label: str) -> AsyncGenerator[dict[str, Any]]:
    """Teach within the block, and nothing after it, however it ends."""
    await _check_learning(client)
    began = await client.teach(label)
    try:
        yield began
    finally:
        with trio.move_on_after(2) as scope:
            scope.shield = True
            await client.teach(None)


async def _teach_for(address: ServiceAccess, label: str, for_us: int, as_json: bool) -> None:
    async with address.connect(name="teach") as client:
        async with _lesson(client, label) as began:
            # The lesson begins now, not when the command was typed.
            text = f"teaching {label!r} for {for_us / 1e6:g} s ..."
            stderr_console().print(text, style="dim", markup=False, soft_wrap=True)
            await trio.sleep(for_us / 1e6)
        tick = (await client.status())["tick"]
    ticks = tick - began["tick"]
    tick_us = client.hello["tick_us"]
    if not ticks:
        raise CommandError("nothing was taught: the source showed no events meanwhile")
    if as_json:
        print_json({"label": label, "first_tick": began["tick"], "tick": tick, "tick_us": tick_us})
        return
    console().print(f"taught {label!r} on {format_us(ticks * tick_us)} of events", markup=False)


async def _teach_play(
    address: ServiceAccess, label: str, name: str, excerpt: dict[str, Any], as_json: bool
) -> None:
    async with address.connect(name="teach") as client, _lesson(client, label):
        reply = await client.play(name, **excerpt)
    if as_json:
        print_json({"label": label, "name": name, **_facts(reply)})
        return
    span = format_us((reply["tick"] - reply["first_tick"]) * client.hello["tick_us"])
    text = f"taught {label!r} on {name}: {reply['events']} events, {span}"
    console().print(text, markup=False)


async def _play(address: ServiceAccess, name: str, excerpt: dict[str, Any], as_json: bool) -> None:
    predictions: list[tuple[int, str | None]] = []
    reply: dict[str, Any] = {}
    async with (
        address.connect(name="play", subscribe=["result"]) as client,
        trio.open_nursery() as nursery,
    ):

        async def play_to_the_end() -> None:
            reply.update(await client.play(name, **excerpt))
            # A new subscriber of this topic gets a message at once: it comes behind all results.
            await client.subscribe("status")

        nursery.start_soon(play_to_the_end)
        async for message in client:
            if message.get("topic") == "status":
                break
            if message.get("topic") == "result":
                predictions.append((message["segment"], message["class"]))
    first = reply["segment"]
    played = range(first, reply.get("last_segment", first) + 1)
    answers = Counter(word for segment, word in predictions if segment in played)
    total = answers.total()
    best, count = answers.most_common(1)[0] if total else (None, 0)
    share = round(count / total, 3) if total else None
    if as_json:
        print_json({"name": name, **_facts(reply), "class": best, "share": share, "results": total})
        return
    text = f"{name}: {reply['events']} events, recognised {best or 'nothing'}"
    console().print(f"{text} ({share or 0:.0%} of {total} results)", markup=False)


def _facts(reply: dict[str, Any]) -> dict[str, Any]:
    return {key: reply[key] for key in ("first_tick", "tick", "segment", "events")}
