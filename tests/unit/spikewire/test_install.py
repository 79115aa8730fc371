"""The progress of the installation, from pip's lines."""

from __future__ import annotations

from pathlib import Path

from tools.install import Progress, time_left


def test_it_is_found_then_installed(tmp_path: Path) -> None:
    (tmp_path / "pip-25.dist-info").mkdir()
    progress = Progress(4, tmp_path)
    assert progress.share() == 0
    for name in "abcd":
        progress.read(f"Collecting {name}==1 (from -c constraints.txt)")
    assert progress.share() == 0.65
    progress.read("Installing collected packages: a, b, c, d")
    assert progress.share() == 0.65
    for name in "ab":
        (tmp_path / f"{name}-1.dist-info").mkdir()
    assert round(progress.share(), 3) == 0.825
    for name in "cde":
        (tmp_path / f"{name}-1.dist-info").mkdir()
    assert progress.share() == 1


def test_the_time_left_follows_from_the_share() -> None:
    assert time_left(0.01, 1) == "about two minutes left"
    assert time_left(0.5, 60) == "about 60 s left"
    assert time_left(0.25, 60) == "about 3 min left"
    assert time_left(0.99, 60) == "about 5 s left"
