"""Trials on a worker: the call of the function, its progress, and its errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spikewire.apps.cli.errors import describe


class LostError(Exception):
    """No command waits for this trial any more."""


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that computes a trial, as the trial's function sees it.

    Attributes
    ----------
    after_pass
        To be called with the number of passes that are completed.
    wanted
        Tells whether a command still waits for the result.
    """

    after_pass: Callable[[int], None]
    wanted: Callable[[], bool]

    def check_wanted(self) -> None:
        """Give up a trial that is not wanted any more.

        Raises
        ------
        LostError
            If no command waits for the result.
        """
        if not self.wanted():
            raise LostError


Work = Callable[[Mapping[str, Any], Worker], dict[str, Any]]
"""A function of a trial's settings, which are plain data, and of the worker."""


def run_on_worker(
    topic: str,
    work: Work,
    name: str,
    settings: dict[str, Any],
    shared: dict[str, Any] | None,
) -> dict[str, Any]:
    """Compute one trial on a worker and report its progress.

    Parameters
    ----------
    topic
        The Dask topic for reports.
    work
        The function.
    name
        Name of the trial.
    settings, shared
        Settings of this trial, and those that all trials have in common.

    Returns
    -------
    dict
        The function's result, or an error for the user as a sentence under ``failed``. System
        errors are raised, so that Dask tries again.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    def after_pass(passes: int) -> None:
        worker.log_event(topic, {"trial": name, "passes": passes})

    worker.log_event(topic, {"trial": name, "pid": os.getpid()})
    try:
        return work({**settings, **(shared or {})}, Worker(after_pass, wanted))
    except OSError:
        raise
    except Exception as error:
        words = describe(error)
        if words is None:
            raise
        return {"failed": words[0]}
