"""A service without sockets, whose only subscriber in the same process misses nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import trio

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.signals import listen_for_signals

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.runtime import Summary
    from spikewire.sensors import Source

# Messages that may wait for the one subscriber. A service never waits for a subscriber, so this is
# far more than one turn of the network can publish.
_WAITING = 100_000
_BYTES = 512 * 1024 * 1024
# The subscriber is this program: it takes what is left however long that takes.
_PATIENCE_S = 600.0


async def run_in_process(
    source: Source,
    network: Network,
    take: Callable[[Mapping[str, Any]], None],
    *,
    learn: bool,
    labels: Literal["client", "source"],
    grow: bool = True,
    signals: bool = True,
    signal_numbers: list[int] | None = None,
    until: Callable[[], Awaitable[None]] | None = None,
) -> Summary:
    """Run the network over a source to its end, and hand every result to `take`, in order.

    Ctrl-C or SIGTERM ends the run early and in order. The summary's reason is then `stopped`, even
    if the source was over already, so that the caller does not go on to the next source. A second
    signal drops the events that are not computed yet.

    Parameters
    ----------
    source, network, take
        The source, the network, and the function that takes each result.
    learn, labels
        As in `runtime.Settings`.
    grow
        Whether labels that the network does not know become classes of it.
    signals
        Whether to handle SIGINT and SIGTERM; possible in the main thread only.
    signal_numbers
        List that receives the numbers of signals, for callers that get an error and no summary.
    until
        Ends the run in order when it returns.

    Raises
    ------
    CommandError
        A result was lost: the caller would have reported on part of them only.
    SensorError
        The source failed; results of all events before that have been taken.
    """
    from spikewire.runtime import Service, Settings, converse

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
    signal_numbers = [] if signal_numbers is None else signal_numbers
    failed: Exception | None = None

    async def serve() -> None:
        nonlocal failed
        try:
            done.append(await service.serve(listen=False, signals=False))
        except Exception as error:
            # The subscriber's goodbye comes first, then the error.
            failed = error

    def heed(number: int) -> None:
        if signal_numbers:
            # Results that are published are still taken: this program waits for itself.
            for pipeline in service.pipelines.values():
                pipeline.network_task.give_up()
        signal_numbers.append(number)
        service.stop()

    async def end() -> None:
        if until is not None:
            await until()
            service.stop()

    async with trio.open_nursery() as listening:
        listening.start_soon(end)
        if signals:
            await listening.start(listen_for_signals, heed)
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
        listening.cancel_scope.cancel()
    if failed is not None:
        raise failed
    [summary] = done
    return replace(summary, reason="stopped") if signal_numbers else summary
