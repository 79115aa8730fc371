"""A service without a door: one subscriber in the same process, who misses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import trio

from apps._errors import CommandError

if TYPE_CHECKING:
    from qcore import Network
    from runtime import Summary
    from sensors import Source

# What may wait between the service and its one subscriber: a service never waits for a
# subscriber, so this is far more than one turn of the network can publish.
_WAITING = 100_000
_BYTES = 512 * 1024 * 1024
# The subscriber is this program: it takes what is left however long that takes.
_PATIENCE_S = 600.0


async def compute(
    source: Source,
    network: Network,
    take: Callable[[Mapping[str, Any]], None],
    *,
    learn: bool,
    labels: Literal["client", "source"],
    grow: bool = True,
    signals: bool = True,
) -> Summary:
    """Run the network over a source to its end, and hand every result to `take`, in order.

    Ctrl-C ends it early and in order; the summary's reason then is `stopped`. It is heard where
    `signals` is set, in the main thread only. `grow`: labels that the network does not know become
    classes of it.

    Raises
    ------
    CommandError
        A result was lost: the caller would have reported on part of them only.
    SensorError
        The source failed; results of all events before that have been taken.
    """
    from runtime import Service, Settings, converse

    settings = Settings(
        learn=learn,
        labels=labels,
        add_classes=grow,
        subscriber_messages=_WAITING,
        subscriber_bytes=_BYTES,
        goodbye_s=_PATIENCE_S,
        drain_s=_PATIENCE_S,
    )
    service = Service(source, network, settings)
    ours, theirs = (trio.SocketStream(end) for end in trio.socket.socketpair())
    done: list[Summary] = []
    failed: Exception | None = None

    async def serve() -> None:
        nonlocal failed
        try:
            done.append(await service.serve(listen=False, signals=signals))
        except Exception as error:
            # The subscriber's goodbye comes first; then the error is told.
            failed = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.converse, theirs)
        async with converse(ours, name="replay", buffer=_WAITING) as client:
            await client.subscribe("result")
            nursery.start_soon(serve)
            async for message in client:
                if message["type"] == "gap":
                    raise CommandError(f"{message['count']} results were lost")
                take(message)
            if client.missed:
                raise CommandError(f"{client.missed} results were lost")
    if failed is not None:
        raise failed
    return done[0]
