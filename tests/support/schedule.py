"""The order in which tests are given to the processes that run them.

A file is one group, whose tests run in one process: fixtures of a module are made once. Long ones
begin first, so that no process is alone with one of them at the end. Before, the documents were one
group of four minutes, and what began last was left to chance.
"""

from __future__ import annotations

import pytest

DOCUMENT = "tests/docs/test_documents_run.py::test_every_command_of[{}]"
PLANTED = "tests/unit/qcore/kernels/test_integers.py::test_a_float_planted_in_the_package_is_found"

FIRST = (
    "tests/end_to_end/test_dashboard_page.py",
    "tests/end_to_end/test_picture_page.py",
    "tests/integration/apps/test_teachme.py",
    DOCUMENT.format("docs/tutorial.md"),
    # The fourth: for the process that had the first. One browser is enough at a time.
    "tests/end_to_end/test_lessons_page.py",
    "tests/integration/apps/test_subscribers_bench.py",
    "tests/end_to_end/test_looks_page.py",
    "tests/end_to_end/test_first_lesson_page.py",
    "tests/robustness/test_killed_teacher.py",
    "tests/integration/apps/test_replay_folder.py",
    PLANTED,
    "tests/integration/apps/test_processes.py",
    DOCUMENT.format("README.md"),
    "tests/integration/apps/test_train.py",
    "tests/integration/apps/test_sweep.py",
    DOCUMENT.format("docs/sweep.md"),
    "tests/integration/apps/test_core_bench.py",
    "tests/unit/qcore/network/test_network.py",
    DOCUMENT.format("docs/replay.md"),
    DOCUMENT.format("docs/continual.md"),
    "tests/integration/apps/test_dashboards_bench.py",
    "tests/integration/apps/test_soak_bench.py",
    "tests/integration/apps/test_nmnist.py",
    "tests/unit/sensors/simulator/test_simulator.py",
    DOCUMENT.format("docs/operation.md"),
    "tests/integration/apps/test_latency_bench.py",
    "tests/integration/runtime/test_reconnecting.py",
    "tests/integration/apps/test_decode_bench.py",
    "tests/unit/apps/recordings/test_convert.py",
    DOCUMENT.format("docs/recordings.md"),
    DOCUMENT.format("docs/preset.md"),
    "tests/unit/apps/gesture/test_command.py",
    "tests/unit/apps/gesture/test_gestures_model.py",
    "tests/unit/qcore/network/test_class_means.py",
    DOCUMENT.format("docs/training.md"),
    DOCUMENT.format("docs/gesture.md"),
    "tests/integration/apps/test_crash.py",
    DOCUMENT.format("docs/sources.md"),
    DOCUMENT.format("docs/simulator.md"),
    DOCUMENT.format("docs/nats.md"),
    DOCUMENT.format("docs/dashboard.md"),
    "tests/unit/runtime/client/test_strange_services.py",
    "tests/unit/sensors/recordings/test_writers.py",
)
"""Files, and tests that are groups of their own, by falling duration: from 50 s down to 5 s."""

TOGETHER = ("tests/integration/packaging/",)
"""Folders that are one group: their files share what takes long to build."""

_PLACE = {name: place for place, name in enumerate(FIRST)}


def group_of(nodeid: str) -> str:
    """Return the group of a test: itself if it is listed, its folder, or else its file."""
    if nodeid in _PLACE:
        return nodeid
    folder = next((name for name in TOGETHER if nodeid.startswith(name)), None)
    return folder or nodeid.partition("::")[0]


def arrange(items: list[pytest.Item]) -> None:
    """Name each test's group for xdist, and put the groups in order."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.nodeid)))
    items.sort(key=lambda item: _PLACE.get(group_of(item.nodeid), len(FIRST)))
