"""A result's fingerprint follows the code that decides the result, and no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cluster.fingerprint import (
    ROOT,
    check_fingerprint,
    fingerprint,
    reached_modules,
)
from spikewire.apps.replay.recording import replay_on_worker
from spikewire.apps.sweep.trial import run_trial


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    root = tmp_path_factory.mktemp("copied") / "spikewire"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "static"))
    return root


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("apps/sweep/trial.py", True),
        ("apps/training/evaluation.py", True),
        ("apps/training/trainer.py", True),  # imported by modules that the trial imports
        ("qcore/network/network.py", True),
        ("qcore/kernels/random.py", True),  # a face loads its modules by name
        ("sensors/formats/evt.py", True),
        ("_jit.py", True),
        ("apps/dashboard/command.py", False),
        ("apps/sweep/plot.py", False),
        ("runtime/checkpoints.py", False),
    ],
)
def test_reached_modules_count_and_others_do_not(
    changed: str, counts: bool, copied: Path, tmp_path: Path
) -> None:
    for number in (1, 2):  # fingerprints are cached by the folder's name
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "spikewire").symlink_to(copied)
    before = fingerprint(run_trial, tmp_path / "1" / "spikewire")
    assert before == fingerprint(run_trial)
    text = (copied / changed).read_text()
    try:
        (copied / changed).write_text(f"{text}# changed\n")
        assert (fingerprint(run_trial, tmp_path / "2" / "spikewire") != before) == counts
    finally:
        (copied / changed).write_text(text)


def test_a_replay_reaches_the_runtime() -> None:
    reached = set(reached_modules(replay_on_worker.__module__))
    assert {"spikewire.apps.service.in_process", "spikewire.runtime.server.service"} <= reached
    assert not any(name.startswith("spikewire.apps.dashboard") for name in reached)


def test_a_moved_module_counts_where_it_is(tmp_path: Path) -> None:
    root = tmp_path / "pack"
    (root / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (root / name).write_text("")
    (root / "work.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from pack import helper\n"
        "if TYPE_CHECKING:\n    import pack.types\n"
        "def work():\n    from .inner.late import late\n"
    )
    for name in ("helper.py", "types.py", "inner/late.py", "inner/unused.py"):
        (root / name).write_text("x = 1\n")
    assert set(reached_modules("pack.work", root)) == {
        "pack.work", "pack.helper", "pack.inner.late",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"pack\.gone is no module of pack"):
        reached_modules("pack.gone", root)


def test_other_code_is_refused() -> None:
    check_fingerprint(run_trial, fingerprint(run_trial), "sweep")
    with pytest.raises(CommandError, match=r"a worker runs spikewire .* begun with 0\.0"):
        check_fingerprint(run_trial, "0.0", "sweep")
