"""Replaying recordings one after the other here, or side by side on Dask, with the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.output import json_line
from spikewire.apps.cluster import dask as cluster
from spikewire.apps.replay.export import Out
from spikewire.apps.replay.progress import Show
from spikewire.apps.replay.recording import Outcome, Way, plain, replay_one, run_one, version
from spikewire.apps.replay.score import Account

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Excerpt


class Sink:
    """Where results go, recording by recording, in order.

    Parameters
    ----------
    account
        Counts them.
    out
        Writes them down; None for nowhere.
    as_json
        Whether they are printed.
    """

    def __init__(self, account: Account, out: Out | None, *, as_json: bool) -> None:
        self.account = account
        self._out = out
        self._as_json = as_json

    def begin(self, number: int, excerpt: Excerpt) -> None:
        """Begin a recording."""
        self.account.begin(str(excerpt.path), number)

    def take(self, result: Mapping[str, Any]) -> None:
        """Take one result of the recording that was begun last."""
        played = self.account.played[-1]
        record = {"file": played.file, **result, "segment": played.segment}
        self.account.take(record)
        if self._out is not None:
            self._out.write(record)
        if self._as_json:
            json_line(record)

    def end(self, outcome: Outcome) -> None:
        """End a recording."""
        self.account.end(outcome.events, outcome.error)


def one_after_the_other(
    network: Network, excerpts: Sequence[Excerpt], way: Way, sink: Sink, show: Show, *, afresh: bool
) -> bool:
    """Replay recordings in this process; tells whether it was interrupted.

    With `afresh` each one starts from the network as it is now, which stays as it is; else the
    network goes on from one to the next, after a pause in which it comes to rest.
    """
    from spikewire.qcore import Network

    model = network.to_bytes() if afresh else b""
    for number, excerpt in enumerate(excerpts):
        sink.begin(number, excerpt)
        show.begin(number, excerpt)

        def take(result: dict[str, Any]) -> None:
            sink.take(result)
            show.take(result)

        outcome = run_one(
            Network.from_bytes(model) if afresh else network, [excerpt],
            replace(way, carried=None) if afresh else way, take,
            look=show.look, beside=show.beside,
        )  # fmt: skip
        sink.end(outcome)
        if outcome.stopped:
            return True
    return False


def side_by_side(
    network: Network,
    excerpts: Sequence[Excerpt],
    way: Way,
    sink: Sink,
    show: Show,
    *,
    address: str | None,
    workers: int | None,
) -> tuple[bool, int]:
    """Replay recordings on Dask, each from the network as it is now.

    Results reach the sink in the order of the recordings, whichever is done first, so that all that
    is written is what :func:`one_after_the_other` writes afresh.

    Returns
    -------
    bool, int
        Whether it was interrupted, and how many recordings were begun again.
    """
    points = {
        f"{number}: {one.path}": {
            "excerpt": plain(one, absolute=address is not None),
            "size": one.path.stat().st_size if one.path.is_file() else None,
        }
        for number, one in enumerate(excerpts)
    }
    shared = {
        "model": network.to_bytes(), "drop": way.drop, "filters": list(way.filters),
        "version": version(),
    }  # fmt: skip
    numbers = {name: number for number, name in enumerate(points)}
    done: dict[int, Mapping[str, Any]] = {}
    turn = retries = 0
    stopped = False

    def pass_on(number: int) -> None:
        found, path = done.pop(number), excerpts[number].path
        error: str | None = found["error"]
        if error is not None:  # a worker elsewhere knows the whole path only
            error = error.replace(str(path.absolute()), str(path))
        sink.begin(number, excerpts[number])
        for result in found["results"]:
            sink.take(result)
        sink.end(Outcome(found["events"], error))

    try:
        with cluster.connected(address, workers) as client:
            for event in cluster.compute(
                client,
                points,
                work=replay_one,
                shared=shared,
                spare=True,
            ):
                if isinstance(event, cluster.Began) and event.attempt > 1:
                    retries += 1
                if isinstance(event, cluster.Failed):
                    lost = {"results": (), "events": 0, "error": str(event.error)}
                    done[numbers[event.point]] = lost
                elif isinstance(event, cluster.Finished):
                    done[numbers[event.point]] = event.result
                while turn in done:
                    pass_on(turn)
                    turn += 1
                show.finished(turn + len(done))
    except KeyboardInterrupt:
        stopped = True
        for number in sorted(done):
            pass_on(number)
    return stopped, retries
