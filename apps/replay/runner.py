"""Replay of recordings in sequence, or in parallel on Dask, with the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.output import print_json
from spikewire.apps.cluster import dask
from spikewire.apps.cluster.fingerprint import fingerprint
from spikewire.apps.cluster.options import ClusterOptions
from spikewire.apps.replay.export import ResultWriter
from spikewire.apps.replay.progress import Display
from spikewire.apps.replay.recording import (
    Outcome,
    Playback,
    replay_on_worker,
    replay_recording,
    to_plain,
)
from spikewire.apps.replay.score import ReplayScore

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Excerpt


class ResultSink:
    """Sink of results, recording by recording, in order.

    Parameters
    ----------
    score
        Counts the results.
    out
        Writes the results to a file; None without one.
    as_json
        Whether results are printed.
    """

    def __init__(self, score: ReplayScore, out: ResultWriter | None, *, as_json: bool) -> None:
        self.score = score
        self._out = out
        self._as_json = as_json

    def begin(self, number: int, excerpt: Excerpt) -> None:
        """Begin a recording."""
        self.score.begin(str(excerpt.path), number)

    def take(self, result: Mapping[str, Any]) -> None:
        """Take one result of the recording that was begun last."""
        played = self.score.played[-1]
        record = {"file": played.file, **result, "segment": played.segment}
        self.score.take(record)
        if self._out is not None:
            self._out.write(record)
        if self._as_json:
            print_json(record)

    def end(self, outcome: Outcome) -> None:
        """End a recording."""
        self.score.end(outcome.events, outcome.error)


def run_sequential(
    network: Network,
    excerpts: Sequence[Excerpt],
    playback: Playback,
    sink: ResultSink,
    show: Display,
    *,
    independent: bool,
) -> bool:
    """Replay recordings in this process.

    Independent recordings start from the network as it is now, which is not changed. Otherwise the
    network continues from one recording to the next, after a pause in which it comes to rest.

    Returns
    -------
    bool
        Whether the replay was interrupted.
    """
    from spikewire.qcore import Network

    model = network.to_bytes() if independent else b""
    for number, excerpt in enumerate(excerpts):
        sink.begin(number, excerpt)
        show.begin(number, excerpt)

        def take(result: dict[str, Any]) -> None:
            sink.take(result)
            show.take(result)

        outcome = replay_recording(
            Network.from_bytes(model) if independent else network, [excerpt],
            replace(playback, carried=None) if independent else playback, take,
            wrap_source=show.wrap_source, companion=show.companion,
        )  # fmt: skip
        sink.end(outcome)
        if outcome.stopped:
            return True
    return False


def run_parallel(
    network: Network,
    excerpts: Sequence[Excerpt],
    playback: Playback,
    sink: ResultSink,
    show: Display,
    *,
    cluster: ClusterOptions,
) -> tuple[bool, int]:
    """Replay recordings on Dask, each from the network as it is now.

    Results reach the sink in the order of the recordings, so that the output equals that of
    independent recordings in :func:`run_sequential`.

    Returns
    -------
    bool, int
        Whether the replay was interrupted, and the number of repeated recordings.
    """
    trials = {
        f"{number}: {excerpt.path}": {
            "excerpt": to_plain(excerpt, absolute=cluster.cluster is not None),
            "size": excerpt.path.stat().st_size if excerpt.path.is_file() else None,
        }
        for number, excerpt in enumerate(excerpts)
    }
    shared = {
        "model": network.to_bytes(), "drop": playback.drop, "filters": list(playback.filters),
        "version": fingerprint(replay_on_worker),
    }  # fmt: skip
    numbers = {name: number for number, name in enumerate(trials)}
    ordered = _Ordered(excerpts, sink)
    retries = 0
    try:
        with dask.connected(cluster.cluster, cluster.workers) as client:
            for event in dask.compute(
                client, trials, work=replay_on_worker, shared=shared, spare=True
            ):
                if isinstance(event, dask.TrialStarted) and event.attempt > 1:
                    retries += 1
                if isinstance(event, dask.TrialFailed):
                    lost = {"results": (), "events": 0, "error": str(event.error)}
                    ordered.add(numbers[event.trial], lost)
                elif isinstance(event, dask.TrialFinished):
                    ordered.add(numbers[event.trial], event.result)
                show.finished(ordered.count)
    except KeyboardInterrupt:
        ordered.flush()
        return True, retries
    return False, retries


class _Ordered:
    """Results of whole recordings in any order, passed to a sink in the order of the recordings."""

    def __init__(self, excerpts: Sequence[Excerpt], sink: ResultSink) -> None:
        self._excerpts = excerpts
        self._sink = sink
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._next = 0

    @property
    def count(self) -> int:
        """Number of recordings that were added."""
        return self._next + len(self._waiting)

    def add(self, number: int, outcome: Mapping[str, Any]) -> None:
        """Add a recording, and pass on all whose predecessors are there."""
        self._waiting[number] = outcome
        while self._next in self._waiting:
            self._pass_on(self._next)
            self._next += 1

    def flush(self) -> None:
        """Pass on all that wait, whatever is missing between them."""
        for number in sorted(self._waiting):
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        outcome, path = self._waiting.pop(number), self._excerpts[number].path
        error: str | None = outcome["error"]
        if error is not None:  # a worker elsewhere knows only the absolute path
            error = error.replace(str(path.absolute()), str(path))
        self._sink.begin(number, self._excerpts[number])
        for result in outcome["results"]:
            self._sink.take(result)
        self._sink.end(Outcome(outcome["events"], error))
