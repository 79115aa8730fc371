"""One recording through the network: here, or in another process on any machine.

What a recording gives depends on nothing but the network it starts from and its events; so one that
is lost with its process can be computed again, anywhere, with the same result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from spikewire.apps.cli.errors import CommandError, leaves
from spikewire.apps.cli.sources import filtered
from spikewire.apps.cluster.fingerprint import source
from spikewire.apps.service.in_process import compute
from spikewire.apps.sweep.trial import LostError
from spikewire.qcore import Network
from spikewire.sensors import Excerpt, FileSource, Label, SensorError, SourceWrapper

if TYPE_CHECKING:
    from spikewire.sensors import Deliver, Filtered, Packet, Source

# Fields of a message that say how and when it came, not what the network said.
_NOT_THE_ANSWER = {"type", "topic", "seq", "latency_us"}

_PACKAGES = ("qcore", "sensors", "runtime")
_MODULES = ("apps/service/in_process.py", "apps/replay/recording.py")

Take = Callable[[dict[str, Any]], None]
Beside = Callable[[], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recording.

    Attributes
    ----------
    events
        Events that were computed.
    error
        What is wrong with the recording, with the byte where it is damaged; None if nothing is.
    stopped
        Whether it was interrupted.
    """

    events: int
    error: str | None = None
    stopped: bool = False


@dataclasses.dataclass(slots=True)
class Way:
    """How recordings reach the network.

    Attributes
    ----------
    speed
        1.0 is real time; None is as fast as possible.
    drop
        Whether events that break a rule are left out; else they end the recording.
    filters
        Names of filters, in order.
    learn
        Whether the network learns from labels.
    grow
        Whether labels that it does not know become classes of it.
    carried
        What filters remember of the recordings before.
    wait
        Whether the source waits at its end to be told to go on.
    """

    speed: float | None = None
    drop: bool = False
    filters: Sequence[str] = ()
    learn: bool = False
    grow: bool = False
    carried: bytes | None = None
    wait: bool = False

    def open(self, excerpts: Sequence[Excerpt]) -> Source:
        """Make the source of one recording, or of several that are shown together."""
        recordings = FileSource(
            excerpts, speed=self.speed, policy="drop" if self.drop else "raise", wait=self.wait
        )
        return filtered(recordings, self.filters)


class Counted(SourceWrapper):
    """A source that counts the events it delivers.

    Attributes
    ----------
    events
        Events delivered so far.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.events = 0

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        """Deliver the packet unchanged and count its events."""
        await deliver(packet)
        self.events += len(packet.events)


def run_one(
    network: Network,
    excerpts: Sequence[Excerpt],
    way: Way,
    take: Take,
    *,
    look: Callable[[Source], Source] = lambda source: source,
    beside: Beside | None = None,
    signals: bool = True,
    until: Beside | None = None,
) -> Outcome:
    """Run the network over one recording, from the state that it is in.

    Parameters
    ----------
    network, excerpts, way
        What is shown to which network, and how; several recordings only to be played by hand.
    take
        Is given every result, in order.
    look
        Puts something between the recording and the network that looks on.
    beside
        Runs meanwhile, and is cancelled at the end.
    signals
        Whether Ctrl-C ends it in order; in the main thread only.
    until
        Ends it in order when it returns.
    """
    counted: Counted | None = None
    heard: list[int] = []

    def answer(message: Mapping[str, Any]) -> None:
        take({key: message[key] for key in message if key not in _NOT_THE_ANSWER})

    try:
        opened = way.open(excerpts)
        if way.filters and way.carried is not None:
            _remember(opened, way.carried)  # type: ignore[arg-type]
        counted = Counted(opened)
        work = partial(
            compute, look(counted), network, answer,
            learn=way.learn, labels="source", grow=way.grow,
            signals=signals, heard=heard, until=until,
        )  # fmt: skip
        summary = trio.run(_together, work, beside)
    except Exception as error:
        if not all(isinstance(leaf, SensorError) for leaf in leaves(error)):
            raise
        events = 0 if counted is None else counted.events
        return Outcome(events, str(leaves(error)[0]), stopped=bool(heard))
    finally:
        if way.filters and counted is not None:
            way.carried = counted.save()  # type: ignore[operator]
    return Outcome(summary.events, stopped=summary.reason == "stopped")


def _remember(filtered: Filtered, carried: bytes) -> None:
    with contextlib.suppress(SensorError):  # another sensor's pixels
        filtered.restore(carried)


async def _together(work: Callable[[], Awaitable[Any]], beside: Beside | None) -> Any:
    if beside is None:
        return await work()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beside)
        done = await work()
        nursery.cancel_scope.cancel()
    return done


def version() -> str:
    """The version, with a short name for all code that decides what a recording gives."""
    return source(_PACKAGES, _MODULES)


def plain(excerpt: Excerpt, *, absolute: bool) -> dict[str, Any]:
    """An excerpt as plain data, with a path that means the same in another process."""
    told = dataclasses.asdict(excerpt)
    told["path"] = str(excerpt.path.absolute() if absolute else excerpt.path)
    return told


def replay_one(
    excerpt: Mapping[str, Any],
    size: int | None,
    *,
    model: bytes,
    drop: bool,
    filters: Sequence[str],
    version: str,
    after_pass: Callable[[int], None],
    wanted: Callable[[], bool],
) -> dict[str, Any]:
    """Replay one recording from a network as it was loaded, in whatever process this is.

    Parameters
    ----------
    excerpt
        What :func:`plain` gave.
    size
        Bytes that the file must have here as well; None if that is not known.
    model
        The network.
    drop, filters
        As in :class:`Way`.
    version
        What :func:`version` must say here.
    after_pass
        Not needed: a recording is one piece.
    wanted
        Asked with each result whether anybody waits for it.

    Returns
    -------
    dict
        ``results``, ``events`` and ``error``.

    Raises
    ------
    CommandError
        If the program or the recording here is not the one that was asked for.
    LostError
        If nobody waits any more.
    """
    log = logging.getLogger("spikewire")
    if not log.handlers:  # damage is told by the command, not by each worker's log
        log.addHandler(logging.NullHandler())
    if version != (here := source(_PACKAGES, _MODULES)):
        raise CommandError(
            f"a worker runs spikewire {here}, but the replay was begun with {version}"
        )
    what = Excerpt(**{
        **excerpt, "path": Path(excerpt["path"]),
        "labels": tuple(Label(**label) for label in excerpt["labels"]),
    })  # fmt: skip
    if size is not None and what.path.is_file() and what.path.stat().st_size != size:
        raise CommandError(f"{what.path} is another recording for a worker than for the replay")
    results: list[dict[str, Any]] = []

    def take(result: dict[str, Any]) -> None:
        if not wanted():
            raise LostError
        results.append(result)

    way = Way(drop=drop, filters=filters)
    outcome = run_one(Network.from_bytes(model), [what], way, take, signals=False)
    return {"results": results, "events": outcome.events, "error": outcome.error}
