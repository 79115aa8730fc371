"""Many points computed on Dask: on this machine's cores, or on a cluster that runs already.

A point is one call of a function with plain data: a training of a sweep, a recording of a replay.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from spikewire.apps.cli import signals
from spikewire.apps.cli.errors import CommandError, UsageError, sentence
from spikewire.apps.cli.signals import signals_deferred
from spikewire.apps.cli.units import host_port

if TYPE_CHECKING:
    from distributed import Client, Future

RETRIES = 2
"""How often a point that met an error of the system (a share that was away) is tried again."""

ALLOWED_DEATHS = 3
"""How many workers may die with one point before it counts as what kills them."""

SWEEP = ("distributed", "cryptography", "matplotlib")
WORKERS = ("distributed", "cryptography")
"""What a sweep imports, and what processes at work need of that."""

_CONNECT_S = 10
_CLOSE_S = 5


@dataclass(frozen=True, slots=True)
class Began:
    """A worker began a point, for the ``attempt``-th time."""

    point: str
    attempt: int
    pid: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A point has so many passes behind it."""

    point: str
    passes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A point is computed: what its function returned."""

    point: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """A point cannot be computed, and why."""

    point: str
    error: CommandError


def require(what: str = "a sweep", names: Sequence[str] = SWEEP) -> None:
    """Refuse to begin without what Dask needs, and what the caller draws with.

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
    """Refuse what is no address of a scheduler, or one together with workers of one's own.

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
    """A cluster of this machine's processes, or a running one's scheduler; gone on leaving.

    Parameters
    ----------
    scheduler
        ``tcp://HOST:PORT`` of a running cluster; None for a cluster of this command's own.
    workers
        Processes of an own cluster, one thread each; None for one per core.

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
    points: Mapping[str, Mapping[str, Any]],
    *,
    work: Callable[..., dict[str, Any]],
    shared: Mapping[str, Any] | None = None,
    spare: bool = False,
) -> Iterator[Began | Passed | Finished | Failed]:
    """Compute points and tell what happens, in the order in which it does.

    Parameters
    ----------
    client
        From :func:`connected`.
    points
        What the function takes, by names for people.
    work
        The function, of a module that workers can import. It is given ``after_pass`` and ``wanted``
        beside a point's arguments: the first tells how far it is, the second whether anybody
        waits for the result.
    shared
        Arguments that all points have in common. They travel to each worker once, and survive it.
    spare
        Whether a point that fails costs itself only, told as :class:`Failed`.

    Raises
    ------
    CommandError
        If a point failed for a reason of its own, or killed worker after worker, or the scheduler
        was lost; the message names the point.
    """
    topic = f"spikewire-{uuid.uuid4().hex}"
    told: queue.SimpleQueue[dict[str, Any] | Future] = queue.SimpleQueue()
    client.subscribe_topic(topic, lambda event: told.put(event[1]))
    waiting: dict[str, str] = {}
    futures = []
    # A task's result, unlike scattered data, is made again when its worker dies.
    common = shared and client.submit(dict, shared, key=f"shared-{topic}", pure=False)
    attempts = dict.fromkeys(points, 0)
    try:
        for name, arguments in points.items():
            future = client.submit(
                attempt, topic, work, name, dict(arguments), common,
                key=f"{topic}-{len(waiting)}", retries=RETRIES, pure=False,
            )  # fmt: skip
            waiting[future.key] = name
            futures.append(future)
        for future in futures:
            future.add_done_callback(told.put)
        while waiting:
            try:
                item = told.get(timeout=1)  # a wait without end would not hear Ctrl-C
            except queue.Empty:
                continue
            if not isinstance(item, dict):
                name = waiting.pop(item.key)
                try:
                    yield Finished(name, _result(item, name))
                except CommandError as error:
                    if not spare or item.cancelled():
                        raise
                    yield Failed(name, error)
                except TimeoutError:
                    # Its worker died with the result, which is being computed again.
                    waiting[item.key] = name
                    item.add_done_callback(told.put)
                    continue
                futures.remove(item)
                item.release()
            elif "pid" in item:
                attempts[item["point"]] += 1
                yield Began(item["point"], attempts[item["point"]], item["pid"])
            else:
                yield Passed(item["point"], item["passes"])
    finally:
        with signals_deferred():
            for future in (*futures, *([common] if shared else [])):
                future.release()
            client.unsubscribe_topic(topic)


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


def attempt(
    topic: str,
    work: Callable[..., dict[str, Any]],
    name: str,
    arguments: dict[str, Any],
    shared: dict[str, Any] | None,
) -> dict[str, Any]:
    """Compute one point on a worker, telling how far it is.

    An error that a person has to hear of comes back as a sentence under ``failed``; errors of the
    system are raised, which makes Dask try again.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    def after_pass(passes: int) -> None:
        worker.log_event(topic, {"point": name, "passes": passes})

    worker.log_event(topic, {"point": name, "pid": os.getpid()})
    try:
        found: dict[str, Any] = work(
            **arguments, **(shared or {}), after_pass=after_pass, wanted=wanted
        )
    except OSError:
        raise
    except Exception as error:
        words = sentence(error)
        if words is None:
            raise
        return {"failed": words[0]}
    return found
