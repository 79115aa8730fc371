"""The text of every module counts, however deep: stale kernels and results are never reused."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire._digest import source_digest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "kernels" / "deep").mkdir(parents=True)
    for name in ("a.py", "kernels/b.py", "kernels/deep/c.py"):
        (folder / name).write_text(f"# {name}\n")
    return folder


@pytest.mark.parametrize("name", ["a.py", "kernels/b.py", "kernels/deep/c.py"])
def test_a_change_at_any_depth_changes_the_digest(package: Path, name: str) -> None:
    before = source_digest(package)
    (package / name).write_text("# changed\n")
    assert source_digest(package) != before


def test_a_moved_module_changes_the_digest(package: Path) -> None:
    before = source_digest(package)
    (package / "kernels" / "b.py").rename(package / "b.py")
    assert source_digest(package) != before


def test_a_single_file_counts(package: Path) -> None:
    before = source_digest(package / "a.py")
    (package / "a.py").write_text("# changed\n")
    assert source_digest(package / "a.py") != before


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no module"):
        source_digest(tmp_path)
