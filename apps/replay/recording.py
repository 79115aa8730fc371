"""Replay of one recording, in this process or on a worker.

The results depend on nothing but the network at the start and the events. A recording that is lost
with its process can be computed again, anywhere, with the same results.
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

from spikewire.apps.cli.errors import CommandError, leaf_errors
from spikewire.apps.cli.sources import filtered
from spikewire.apps.cluster.fingerprint import check_fingerprint
from spikewire.apps.cluster.worker import Worker
from spikewire.apps.service.in_process import run_in_process
from spikewire.qcore import Network
from spikewire.sensors import Excerpt, FileSource, Label, SensorError, SourceWrapper

if TYPE_CHECKING:
    from spikewire.sensors import Deliver, Filtered, Packet, Source

# Fields of a message that describe its delivery, not the result.
_DELIVERY = {"type", "topic", "seq", "latency_us"}

Take = Callable[[dict[str, Any]], None]
Companion = Callable[[], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a replayed recording.

    Attributes
    ----------
    events
        Number of computed events.
    error
        The recording's error, with the byte where it is damaged; None without one.
    stopped
        Whether the replay was interrupted.
    """

    events: int
    error: str | None = None
    stopped: bool = False


@dataclasses.dataclass(slots=True)
class Playback:
    """Settings by which recordings reach the network.

    Attributes
    ----------
    speed
        1.0 is real time; None is as fast as possible.
    drop
        Whether invalid events are dropped; otherwise they end the recording.
    filters
        Names of filters, in order.
    learn
        Whether the network learns from labels.
    grow
        Whether unknown labels become classes of the network.
    carried
        State of the filters after the previous recording.
    wait
        Whether the source waits at its end for a key.
    """

    speed: float | None = None
    drop: bool = False
    filters: Sequence[str] = ()
    learn: bool = False
    grow: bool = False
    carried: bytes | None = None
    wait: bool = False

    def open(self, excerpts: Sequence[Excerpt]) -> Source:
        """Open the source of one recording, or of several that are replayed together."""
        recordings = FileSource(
            excerpts, speed=self.speed, policy="drop" if self.drop else "raise", wait=self.wait
        )
        return filtered(recordings, self.filters)


class CountingSource(SourceWrapper):
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


def replay_recording(
    network: Network,
    excerpts: Sequence[Excerpt],
    playback: Playback,
    take: Take,
    *,
    wrap_source: Callable[[Source], Source] = lambda source: source,
    companion: Companion | None = None,
    signals: bool = True,
    until: Companion | None = None,
) -> Outcome:
    """Run the network over one recording, from its present state.

    Parameters
    ----------
    network, excerpts, playback
        The network, the recording, and its settings; several recordings only for an interactive
        replay.
    take
        Called with each result, in order.
    wrap_source
        Puts an observer between the recording and the network.
    companion
        A task that runs during the replay, and is cancelled at its end.
    signals
        Whether Ctrl-C ends the replay in order; in the main thread only.
    until
        A task that ends the replay in order when it returns.
    """
    counting: CountingSource | None = None
    signal_numbers: list[int] = []

    def answer(message: Mapping[str, Any]) -> None:
        take({key: message[key] for key in message if key not in _DELIVERY})

    try:
        opened = playback.open(excerpts)
        if playback.filters and playback.carried is not None:
            _remember(opened, playback.carried)  # type: ignore[arg-type]
        counting = CountingSource(opened)
        work = partial(
            run_in_process, wrap_source(counting), network, answer,
            learn=playback.learn, labels="source", grow=playback.grow,
            signals=signals, signal_numbers=signal_numbers, until=until,
        )  # fmt: skip
        summary = trio.run(_together, work, companion)
    except Exception as error:
        if not all(isinstance(leaf, SensorError) for leaf in leaf_errors(error)):
            raise
        events = 0 if counting is None else counting.events
        return Outcome(events, str(leaf_errors(error)[0]), stopped=bool(signal_numbers))
    finally:
        if playback.filters and counting is not None:
            playback.carried = counting.save()  # type: ignore[operator]
    return Outcome(summary.events, stopped=summary.reason == "stopped")


def _remember(filtered: Filtered, carried: bytes) -> None:
    with contextlib.suppress(SensorError):  # another sensor's pixels
        filtered.restore(carried)


async def _together(work: Callable[[], Awaitable[Any]], companion: Companion | None) -> Any:
    if companion is None:
        return await work()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(companion)
        done = await work()
        nursery.cancel_scope.cancel()
    return done


def to_plain(excerpt: Excerpt, *, absolute: bool) -> dict[str, Any]:
    """Convert an excerpt to plain data, with a path that means the same in another process."""
    record = dataclasses.asdict(excerpt)
    record["path"] = str(excerpt.path.absolute() if absolute else excerpt.path)
    return record


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Everything that determines the results of one recording, as plain data.

    Attributes
    ----------
    excerpt
        The recording, as :func:`to_plain` returns it.
    size
        Size of the file in bytes; None if it is unknown.
    model
        The network at the start.
    drop, filters
        As in :class:`Playback`.
    version
        Fingerprint of :func:`replay_on_worker`.
    """

    excerpt: Mapping[str, Any]
    size: int | None
    model: bytes
    drop: bool
    filters: Sequence[str]
    version: str

    def recording(self) -> Excerpt:
        """Return the recording.

        Raises
        ------
        CommandError
            If the file here has another size.
        """
        labels = tuple(Label(**label) for label in self.excerpt["labels"])
        path = Path(self.excerpt["path"])
        if self.size is not None and path.is_file() and path.stat().st_size != self.size:
            raise CommandError(f"{path} is another recording for a worker than for the replay")
        return Excerpt(**{**self.excerpt, "path": path, "labels": labels})


def replay_on_worker(settings: Mapping[str, Any], worker: Worker) -> dict[str, Any]:
    """Replay one recording from a network as it was loaded, in any process.

    Parameters
    ----------
    settings
        The fields of :class:`ReplaySettings`.
    worker
        Asked at each result whether the replay is still wanted.

    Returns
    -------
    dict
        ``results``, ``events`` and ``error``.

    Raises
    ------
    CommandError
        If the program or the recording here is not that of the replay.
    LostError
        If the results are not wanted any more.
    """
    check_fingerprint(replay_on_worker, settings["version"], "replay")
    task = ReplaySettings(**settings)
    log = logging.getLogger("spikewire")
    if not log.handlers:  # damage is reported by the command, not by each worker's log
        log.addHandler(logging.NullHandler())
    results: list[dict[str, Any]] = []

    def take(result: dict[str, Any]) -> None:
        worker.check_wanted()
        results.append(result)

    outcome = replay_recording(
        Network.from_bytes(task.model), [task.recording()],
        Playback(drop=task.drop, filters=task.filters), take, signals=False,
    )  # fmt: skip
    return {"results": results, "events": outcome.events, "error": outcome.error}
