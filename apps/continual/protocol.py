"""Class-incremental protocol: tasks in sequence, nothing revisited, one head over all classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from spikewire.apps.continual.features import FeatureSet
from spikewire.apps.continual.strategies import Learner
from spikewire.apps.training.split import epoch_order

Rows = list[list[float | None]]


class TaskStream:
    """Recordings of tasks, each lent once, and overwritten at the end of its task.

    A learner that keeps a recording finds noise in its place. It can revisit only its own copies,
    and the bytes of these are counted.

    Parameters
    ----------
    learn
        Features of the training parts of all tasks.
    tasks
        Classes of each task, as indices.
    seed
        Seed of the order and of the noise.
    """

    def __init__(self, learn: FeatureSet, tasks: Sequence[Sequence[int]], seed: int) -> None:
        self._learn = learn
        self._tasks = tasks
        self._seed = seed

    def teach(self, learner: Learner, task: int) -> None:
        """Teach a learner a task's recordings, in an order drawn from the seed."""
        mine = np.flatnonzero(np.isin(self._learn.labels, list(self._tasks[task])))
        lent = []
        for n in epoch_order(self._seed, task, len(mine)):
            recording = self._learn.features[mine[n]].copy()
            lent.append(recording)
            learner.learn(recording, int(self._learn.labels[mine[n]]))
        noise = np.random.default_rng([self._seed, task])
        for recording in lent:
            recording[...] = noise.integers(0, 1000, recording.shape)


def run_tasks(
    learner: Learner,
    learn: FeatureSet,
    validate: FeatureSet,
    tasks: Sequence[Sequence[int]],
    seed: int,
    after_task: Callable[[], None] = lambda: None,
) -> Rows:
    """Teach a learner task after task, and evaluate it after each on all tasks so far.

    Parameters
    ----------
    learner
        A learner that knows no class yet.
    learn, validate
        Features of the training and validation parts.
    tasks
        Classes of each task.
    seed
        Seed of the order of recordings inside each task.
    after_task
        Called after each task.

    Returns
    -------
    list
        The matrix R[i][j] of ``spikewire.apps.continual.metrics``.
    """
    stream = TaskStream(learn, tasks, seed)
    rows: Rows = []
    for n in range(len(tasks)):
        for _ in tasks[n]:
            learner.add_class()
        stream.teach(learner, n)
        rows.append(evaluate_tasks(learner, validate, tasks, n))
        after_task()
    return rows


def evaluate_tasks(
    learner: Learner, validate: FeatureSet, tasks: Sequence[Sequence[int]], last: int
) -> list[float | None]:
    """Compute the accuracy on each task up to ``last``, with all classes so far as candidates."""
    row: list[float | None] = [None] * len(tasks)
    for n, task in enumerate(tasks[: last + 1]):
        mine = np.isin(validate.labels, list(task))
        predictions = [
            prediction(learner.scores(recording)) for recording in validate.features[mine]
        ]
        row[n] = round(float(np.mean(np.array(predictions) == validate.labels[mine])), 4)
    return row


def prediction(scores: npt.NDArray[np.int64]) -> int:
    """Return the index of the highest score; -1 where all scores are equal."""
    if len(scores) > 1 and scores.max() == scores.min():
        return -1
    return int(scores.argmax())
