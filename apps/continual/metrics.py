"""What a continual learner remembers, from its matrix of accuracies.

``R[i][j]`` is the accuracy on task ``j`` after task ``i`` was learned, for ``j <= i``; None above
the diagonal, where task ``j`` has not come yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

Matrix = Sequence[Sequence[float | None]]


def seen(matrix: Matrix, i: int) -> list[float]:
    """Accuracies on tasks 0 to ``i`` after task ``i``.

    Raises
    ------
    ValueError
        If one of them is missing.
    """
    row = [value for value in matrix[i][: i + 1] if value is not None]
    if len(row) != i + 1:
        raise ValueError(f"After task {i} there are accuracies on {len(row)} of {i + 1} tasks.")
    return row


def average_accuracy(matrix: Matrix) -> float:
    """Mean accuracy over all tasks after the last one, ``1/T sum_j R[T][j]``.

    As ACC of Lopez-Paz & Ranzato (2017), "Gradient episodic memory for continual learning".
    """
    return fmean(seen(matrix, len(matrix) - 1))


def accuracy_over_tasks(matrix: Matrix) -> list[float]:
    """Mean accuracy over the tasks so far, after each task (``A_k`` of Chaudhry et al. 2018)."""
    return [fmean(seen(matrix, i)) for i in range(len(matrix))]


def forgetting(matrix: Matrix) -> float:
    """How far accuracy fell from its best, ``1/(T-1) sum_j max_{i<T} R[i][j] - R[T][j]``.

    As Chaudhry et al. (2018), "Riemannian walk for incremental learning": over all tasks but the
    last, the best is of the times before the last. 0 for a single task.
    """
    last = len(matrix) - 1
    if last == 0:
        return 0.0
    rows = [seen(matrix, i) for i in range(last + 1)]
    return fmean(max(rows[i][j] for i in range(j, last)) - rows[last][j] for j in range(last))


def backward_transfer(matrix: Matrix) -> float:
    """What later tasks did to earlier ones, ``1/(T-1) sum_j R[T][j] - R[j][j]``.

    As BWT of Lopez-Paz & Ranzato (2017); below 0 where something was lost. 0 for a single task.
    """
    last = len(matrix) - 1
    if last == 0:
        return 0.0
    rows = [seen(matrix, i) for i in range(last + 1)]
    return fmean(rows[last][j] - rows[j][j] for j in range(last))
