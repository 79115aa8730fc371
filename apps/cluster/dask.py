"""Trials computed on Dask, on this machine's cores or on a running cluster.

A trial is one call of a function with plain data: a training of a sweep, a recording of a replay.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from spikewire.apps.cli import signals
from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.cli.signals import signals_deferred
from spikewire.apps.cli.units import host_port
from spikewire.apps.cluster.worker import Work, run_on_worker

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
"""Number of times that a trial is repeated after a system error, such as an absent share."""

ALLOWED_DEATHS = 3
"""Number of workers that may die with one trial before the trial is blamed."""

SWEEP = ("distributed", "cryptography", "matplotlib")
WORKERS = ("distributed", "cryptography")
"""Libraries that a sweep imports, and those of them that workers need."""

_CONNECT_S = 10
_CLOSE_S = 5


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A worker started a trial, for the ``attempt``-th time."""

    trial: str
    attempt: int
    pid: int


@dataclass(frozen=True, slots=True)
class TrialPassed:
    """A trial has completed ``passes`` passes."""

    trial: str
    passes: int


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial is computed; ``result`` is the function's return value."""

    trial: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """A trial cannot be computed, for the reason in ``error``."""

    trial: str
    error: CommandError


def require(what: str = "a sweep", names: Sequence[str] = SWEEP) -> None:
    """Check that the libraries of a command are installed.

    Raises
    ------
    UsageError
        If the extra is not installed; the message names it.
    """
    for name in names:
        try:
            found = importlib.util.find_spec(name) is not None
        except ValueError:  # switched off by a None in sys.modules
            found = False
        if not found:
            raise UsageError(f"{what} needs {name}: pip install 'spikewire[cluster]'")


def check_address(option: str, address: str | None, workers: int | None) -> None:
    """Check the address of a scheduler, and that no local workers were asked for as well.

    Raises
    ------
    UsageError
        The message names the option.
    """
    if address is None:
        return
    if workers is not None:
        raise UsageError(f"--workers is for this machine; the cluster of {option} has its own")
    if not address.startswith("tcp://"):
        raise UsageError(f"{option} {address} is not tcp://HOST:PORT")
    try:
        host_port(address.removeprefix("tcp://"))
    except typer.BadParameter as error:
        raise UsageError(f"{option} {address}: {error}") from None


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a cluster: a running one, or a new one of local processes that ends on exit.

    Parameters
    ----------
    scheduler
        ``tcp://HOST:PORT`` of a running cluster; None for a new one.
    workers
        Processes of a new cluster, one thread each; None for one per core.

    Raises
    ------
    CommandError
        If nothing answers there, or it has no workers.
    """
    import dask
    from distributed import Client, LocalCluster

    # What goes wrong is told in sentences; Dask's own log is for people who run clusters.
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # It would stop the threads that compute a hundred times a second, to look at them.
        "distributed.worker.profile.enabled": False,
        "logging.distributed": "critical",
    }
    try:
        with dask.config.set(settings):
            if scheduler is not None:
                yield from _remote(Client, scheduler)
                return
            with signals_deferred():
                cluster = LocalCluster(
                    n_workers=workers or len(os.sched_getaffinity(0)),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    # Whoever reaches a scheduler can run code: certificates that live as long as
                    # the command keep the machine's other users out.
                    security=True,
                    # None would be port 8787, which another sweep, or any other Dask, may have.
                    dashboard_address="127.0.0.1:0",
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                    preload=[signals.__name__],
                )
            client = None
            try:
                client = Client(cluster, timeout=_CONNECT_S)
                yield client
            finally:
                with signals_deferred():
                    if client is not None:
                        client.close(timeout=_CLOSE_S)
                    cluster.close(timeout=_CLOSE_S)
    finally:
        logger.setLevel(before)


def _remote(kind: type[Client], scheduler: str) -> Iterator[Client]:
    try:
        client = kind(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError):
        raise CommandError(f"no Dask scheduler answers at {scheduler}") from None
    try:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError:
            raise CommandError(
                f"the Dask scheduler at {scheduler} has no workers: start some with dask worker"
            ) from None
        yield client
    finally:
        with signals_deferred():
            client.close(timeout=_CLOSE_S)


def compute(
    client: Client,
    trials: Mapping[str, Mapping[str, Any]],
    *,
    work: Work,
    shared: Mapping[str, Any] | None = None,
    spare: bool = False,
) -> Iterator[TrialStarted | TrialPassed | TrialFinished | TrialFailed]:
    """Compute trials and report their progress, in the order of events.

    Parameters
    ----------
    client
        From :func:`connected`.
    trials
        The settings of each trial, by a readable name.
    work
        The function, of a module that workers can import.
    shared
        Settings that all trials have in common. They are sent to each worker once, and survive
        its death.
    spare
        Whether a trial that fails leaves the others running, reported as :class:`TrialFailed`.

    Raises
    ------
    CommandError
        If a trial failed for a reason of its own, or killed worker after worker, or the scheduler
        was lost; the message names the trial.
    """
    topic = f"spikewire-{uuid.uuid4().hex}"
    reports: queue.SimpleQueue[dict[str, Any] | Future] = queue.SimpleQueue()
    client.subscribe_topic(topic, lambda event: reports.put(event[1]))
    # A task's result, unlike scattered data, is made again when its worker dies.
    common = shared and client.submit(dict, shared, key=f"shared-{topic}", pure=False)
    names = {f"{topic}-{n}": name for n, name in enumerate(trials)}
    futures: dict[str, Future] = {}
    try:
        for key, name in names.items():
            futures[key] = client.submit(
                run_on_worker, topic, work, name, dict(trials[name]), common,
                key=key, retries=RETRIES, pure=False,
            )  # fmt: skip
        for future in futures.values():
            future.add_done_callback(reports.put)
        yield from _events(reports, futures, names, spare)
    finally:
        with signals_deferred():
            for future in (*futures.values(), *([common] if shared else [])):
                future.release()
            client.unsubscribe_topic(topic)


def _events(
    reports: queue.SimpleQueue[dict[str, Any] | Future],
    futures: dict[str, Future],
    names: Mapping[str, str],
    spare: bool,
) -> Iterator[TrialStarted | TrialPassed | TrialFinished | TrialFailed]:
    attempts = dict.fromkeys(names.values(), 0)
    while futures:
        try:
            item = reports.get(timeout=1)  # a wait without end would not hear Ctrl-C
        except queue.Empty:
            continue
        if not isinstance(item, dict):
            name = names[item.key]
            try:
                yield TrialFinished(name, _result(item, name))
            except CommandError as error:
                if not spare or item.cancelled():
                    raise
                yield TrialFailed(name, error)
            except TimeoutError:
                # Its worker died with the result, which is being computed again.
                item.add_done_callback(reports.put)
                continue
            futures.pop(item.key).release()
        elif "pid" in item:
            attempts[item["trial"]] += 1
            yield TrialStarted(item["trial"], attempts[item["trial"]], item["pid"])
        else:
            yield TrialPassed(item["trial"], item["passes"])


def _result(future: Future, name: str) -> dict[str, Any]:
    from distributed import KilledWorker

    try:
        outcome: dict[str, Any] = future.result(timeout=_CLOSE_S)
    except KilledWorker:
        raise CommandError(
            f"{name}: worker after worker died while computing it (is there enough memory?)"
        ) from None
    except CancelledError:
        raise CommandError(f"{name}: the connection to the Dask scheduler was lost") from None
    if "failed" in outcome:
        raise CommandError(f"{name}: {outcome['failed']}")
    return outcome
