"""The two ways `gesture` gets results: from a service of its own, or from one that runs already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import trio
from numpy.typing import NDArray

from spikewire.apps.cli.options.address import ServiceAccess
from spikewire.apps.cli.signals import stop_after
from spikewire.apps.gesture.recogniser import Recogniser
from spikewire.apps.gesture.reporters import Reporter
from spikewire.apps.terminal.event_image import EventImage
from spikewire.apps.terminal.event_tap import EventTap
from spikewire.apps.terminal.screen import REDRAW_S

if TYPE_CHECKING:
    from spikewire.qcore import Calibration, Network
    from spikewire.runtime import Client, Rules, Service, ServiceAddress, Settings
    from spikewire.sensors import Source

# What may wait for a subscriber: at full speed a recording gives thousands of results a second.
WAITING, BYTES = 100_000, 128 * 1024 * 1024
# A cell of a picture that was hit often enough to be lit needs no more dots.
_LIT = 4


class GestureSession:
    """Messages in, words and pictures out.

    Attributes
    ----------
    seen
        What decides.
    image
        The picture of events, if there is one.
    reason
        Why it ended.
    footer
        Text below the picture.
    """

    def __init__(self, seen: Recogniser, reporter: Reporter) -> None:
        self.seen, self.reporter = seen, reporter
        self.image: EventImage | None = None
        self.reason = "stopped"
        self.footer = ""
        self._last_result_s = 0.0

    async def follow(self, client: Client) -> None:
        """Take messages until the goodbye, and redraw meanwhile."""
        self._last_result_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            if self.reporter.draws:
                nursery.start_soon(self._redraw)
            async for message in client:
                if message.get("topic") == "result":
                    self._last_result_s = trio.current_time()
                self.take(message)
            nursery.cancel_scope.cancel()
        self.reason = (client.goodbye or {}).get("reason", self.reason)

    def take(self, message: Mapping[str, Any]) -> None:
        """Take in one message, and report the change."""
        if message.get("topic") == "events":
            self._picture(message)
            return
        before = self.seen.now
        ended, told = self.seen.take(message)
        if ended is not None or (before is None and told is not None):
            self.reporter.changed(self.seen, ended, told)

    def end(self) -> None:
        """Nothing comes any more: the last decision is over."""
        self.reporter.changed(self.seen, self.seen.end(), None)

    def _picture(self, message: Mapping[str, Any]) -> None:
        columns, rows = message["shape"]
        if self.image is None:
            self.image = EventImage((columns, rows))
        self.image.add(spread(message["on"], message["off"], columns))

    async def _redraw(self) -> None:
        while True:
            image = self.image.render() if self.image is not None else None
            quiet_s = trio.current_time() - self._last_result_s
            self.reporter.redraw(self.seen, image, self.footer, quiet_s)
            if self.image is not None:
                self.image.fade()
            await trio.sleep(REDRAW_S)


def spread(on: bytes, off: bytes, columns: int) -> NDArray[np.void]:
    """Events (fields x, y, p) from a picture's counts per cell, at most four of each."""
    parts = []
    for p, counts in enumerate((off, on)):
        times = np.minimum(np.frombuffer(counts, np.uint8), _LIT)
        cell = np.repeat(np.arange(len(times)), times)
        part = np.zeros(len(cell), [("x", np.uint16), ("y", np.uint16), ("p", np.uint8)])
        part["x"], part["y"], part["p"] = cell % columns, cell // columns, p
        parts.append(part)
    return np.concatenate(parts)


async def serve(
    session: GestureSession,
    source: Source,
    network: Network,
    settings: Settings,
    for_us: int | None,
) -> None:
    """Run a service on the source in this process, and watch it; others can, too.

    Raises
    ------
    sensors.SensorError
        The source failed; its events before the failure are reported.
    """
    from spikewire.runtime import Service, ServiceAddress, converse

    tap = EventTap(source)
    session.image = tap.image
    service = Service(tap, network, settings)
    ours, theirs = (trio.SocketStream(end) for end in trio.socket.socketpair())
    failed: Exception | None = None

    async def run(*, task_status: trio.TaskStatus[Service]) -> None:
        nonlocal failed
        try:
            await service.serve(task_status=task_status)
        except Exception as error:
            # The goodbye comes first, then the error.
            failed = error
            if not service.addresses:
                raise

    async with trio.open_nursery() as nursery:
        # Subscribed before the first event: nothing is missed.
        nursery.start_soon(service.converse, theirs)
        async with converse(ours, name="gesture", buffer=WAITING) as client:
            await client.subscribe("result", "stats", "decision")
            await nursery.start(run)
            address = ServiceAddress(*service.addresses[0])
            session.footer = f"Ctrl-C ends; others: spikewire watch -c {address}"
            session.reporter.begin(_hello("listening", address, client), str(address))
            async with trio.open_nursery() as meanwhile:
                if for_us is not None:
                    meanwhile.start_soon(stop_after, service, for_us / 1e6)
                await session.follow(client)
                meanwhile.cancel_scope.cancel()
    if failed is not None:
        raise failed


async def watch(
    session: GestureSession,
    service: ServiceAccess,
    for_us: int | None,
    rules: Callable[[int, Calibration], Rules] | None = None,
) -> None:
    """Watch a running service until it says goodbye, or for a while.

    Parameters
    ----------
    session, service
        The session and the service.
    for_us
        How long, in microseconds; None until the goodbye.
    rules
        Makes rules of decision for a network's ticks and calibration; None takes the service's
        decisions.

    Raises
    ------
    runtime.ConnectionLost
        It ended without a goodbye.
    """
    from spikewire.runtime import ConnectionLost, Rules, told_calibration

    async with service.connect(name="gesture") as client:
        topics = ["result", "stats"]
        if rules is None and "decision" in client.hello["topics"]:
            topics.append("decision")
        else:
            # Rules of this viewer, or a service from before version 0.2.
            make = Rules.usual if rules is None else rules
            session.seen.decide(make(client.hello["tick_us"], told_calibration(client.hello)))
        if session.reporter.draws and "events" in client.hello["topics"]:
            topics.append("events")
        session.seen.live_state.title = f"{client.hello['source']} at {service.text}"
        session.footer = "Ctrl-C leaves; the service goes on"
        try:
            await client.subscribe(*topics)
        except ConnectionLost:
            # It may stop at this very moment: a goodbye is an ordinary end.
            if client.goodbye is None:
                raise
        session.reporter.begin(_hello("watching", service.address, client), service.text)
        with trio.move_on_after(float("inf") if for_us is None else for_us / 1e6):
            await session.follow(client)


def _hello(kind: str, address: ServiceAddress, client: Client) -> dict[str, Any]:
    hello = client.hello
    known = {"source": hello["source"], "classes": list(hello["classes"])}
    where: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.unix_path is not None:
        where = {"unix_path": address.unix_path}
    return {"type": kind, **where, **known}
