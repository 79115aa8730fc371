"""The class-incremental protocol: tasks in a row, nothing revisited, one head over all classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from spikewire.apps.continual.strategies import Learner
from spikewire.apps.continual.tasks import Features
from spikewire.apps.training.split import epoch_order

Rows = list[list[float | None]]


class Stream:
    """Lends a task's recordings, each once, and spoils what it lent when the task is over.

    A learner that kept a recording instead of learning from it finds noise in its place: nothing
    can be revisited but what a learner has copied, and its bytes are counted.
    """

    def __init__(self, learn: Features, tasks: Sequence[Sequence[int]], seed: int) -> None:
        self._learn = learn
        self._tasks = tasks
        self._seed = seed

    def teach(self, learner: Learner, task: int) -> None:
        """Show a task's recordings to a learner, in an order drawn from the seed."""
        mine = np.flatnonzero(np.isin(self._learn.labels, list(self._tasks[task])))
        lent = []
        for n in epoch_order(self._seed, task, len(mine)):
            shown = self._learn.shown[mine[n]].copy()
            lent.append(shown)
            learner.learn(shown, int(self._learn.labels[mine[n]]))
        noise = np.random.default_rng([self._seed, task])
        for shown in lent:
            shown[...] = noise.integers(0, 1000, shown.shape)


def run_tasks(
    learner: Learner,
    learn: Features,
    judge: Features,
    tasks: Sequence[Sequence[int]],
    seed: int,
    after_task: Callable[[], None] = lambda: None,
) -> Rows:
    """Teach a learner task after task and judge it after each on all tasks so far.

    Parameters
    ----------
    learner
        Knows no class yet.
    learn, judge
        What is learned and what judges; labels count the classes in the order they come.
    tasks
        Classes of each task.
    seed
        Draws the order of recordings inside each task.
    after_task
        Called after each.

    Returns
    -------
    list
        The matrix R[i][j] of ``spikewire.apps.continual.metrics``.
    """
    stream = Stream(learn, tasks, seed)
    rows: Rows = []
    for n in range(len(tasks)):
        for _ in tasks[n]:
            learner.add_class()
        stream.teach(learner, n)
        rows.append(judge_tasks(learner, judge, tasks, n))
        after_task()
    return rows


def judge_tasks(
    learner: Learner, judge: Features, tasks: Sequence[Sequence[int]], last: int
) -> list[float | None]:
    """Accuracy on each task up to ``last``, the answer being any class seen so far."""
    row: list[float | None] = [None] * len(tasks)
    for n, task in enumerate(tasks[: last + 1]):
        mine = np.isin(judge.labels, list(task))
        answers = [answer(learner.scores(shown)) for shown in judge.shown[mine]]
        row[n] = round(float(np.mean(np.array(answers) == judge.labels[mine])), 4)
    return row


def answer(scores: npt.NDArray[np.int64]) -> int:
    """Index of the highest score; -1 where no score differs."""
    if len(scores) > 1 and scores.max() == scores.min():
        return -1
    return int(scores.argmax())
