"""Metrics of continual learning, computed by hand."""

from __future__ import annotations

import pytest

from spikewire.apps.continual import metrics

# Task 0 falls from 0.9 to 0.5, its best being 1.0 in between; task 1 from 0.8 to 0.7.
BY_HAND: list[list[float | None]] = [[0.9, None, None], [1.0, 0.8, None], [0.5, 0.7, 0.6]]


def test_metrics_by_hand() -> None:
    assert metrics.average_accuracy(BY_HAND) == pytest.approx((0.5 + 0.7 + 0.6) / 3)
    assert metrics.accuracy_over_tasks(BY_HAND) == pytest.approx([0.9, 0.9, 0.6])
    assert metrics.forgetting(BY_HAND) == pytest.approx(((1.0 - 0.5) + (0.8 - 0.7)) / 2)
    assert metrics.backward_transfer(BY_HAND) == pytest.approx(((0.5 - 0.9) + (0.7 - 0.8)) / 2)


def test_forgetting_can_be_negative_and_one_task_forgets_nothing() -> None:
    better: list[list[float | None]] = [[0.5, None], [0.75, 1.0]]
    assert metrics.forgetting(better) == -0.25
    assert metrics.backward_transfer(better) == 0.25
    assert metrics.forgetting([[0.5]]) == metrics.backward_transfer([[0.5]]) == 0
    with pytest.raises(ValueError, match="After task 1 there are accuracies on 1 of 2 tasks"):
        metrics.forgetting([[0.5, None], [None, 1.0]])
