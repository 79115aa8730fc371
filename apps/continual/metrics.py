"""Metrics of continual learning, from a matrix of accuracies.

``R[i][j]`` is the accuracy on task ``j`` after task ``i`` was learned, for ``j <= i``; None above
the diagonal, where task ``j`` has not been learned yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Matrix = Sequence[Sequence[float | None]]


def row_so_far(matrix: Matrix, i: int) -> list[float]:
    """Return the accuracies on tasks 0 to ``i`` after task ``i``.

    Raises
    ------
    ValueError
        If one of them is missing.
    """
    return _known(matrix[i], i + 1)


def _known(row: Sequence[float | None], count: int) -> list[float]:
    known = [value for value in row[:count] if value is not None]
    if len(known) != count:
        raise ValueError(
            f"After task {count - 1} there are accuracies on {len(known)} of {count} tasks."
        )
    return known


def average_accuracy(matrix: Matrix) -> float:
    """Compute the mean accuracy over all tasks after the last one, ``1/T sum_j R[T][j]``.

    As ACC of Lopez-Paz & Ranzato (2017), "Gradient episodic memory for continual learning".
    """
    return fmean(_known(matrix[-1], len(matrix[-1])))


def accuracy_over_tasks(matrix: Matrix) -> list[float]:
    """Compute the mean accuracy over the tasks so far, after each task.

    As ``A_k`` of Chaudhry et al. (2018).
    """
    return [fmean(row_so_far(matrix, i)) for i in range(len(matrix))]


def forgetting(matrix: Matrix) -> float:
    """Compute the loss of accuracy, ``1/(T-1) sum_j max_{i<T} R[i][j] - R[T][j]``.

    As Chaudhry et al. (2018), "Riemannian walk for incremental learning": over all tasks but the
    last, against the best accuracy before the last task. 0 for a single task.
    """
    last = len(matrix) - 1
    if last == 0:
        return 0.0
    rows = [row_so_far(matrix, i) for i in range(last + 1)]
    return fmean(max(rows[i][j] for i in range(j, last)) - rows[last][j] for j in range(last))


def backward_transfer(matrix: Matrix) -> float:
    """Compute the effect of later tasks on earlier ones, ``1/(T-1) sum_j R[T][j] - R[j][j]``.

    As BWT of Lopez-Paz & Ranzato (2017); negative if accuracy was lost. 0 for a single task.
    """
    last = len(matrix) - 1
    if last == 0:
        return 0.0
    rows = [row_so_far(matrix, i) for i in range(last + 1)]
    return fmean(rows[last][j] - rows[j][j] for j in range(last))
