"""The release checklist refuses what is not ready, and says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import release
from tools.release import Check

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository that is ready."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "spikewire"\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-11-28)\n\n- All.\n")
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.3\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_ready_project_passes(project: Path) -> None:
    assert release.check_versions(project) == Check("versions agree", True, "1.2.3")
    assert release.check_changelog_date(project).note == "2026-11-28"
    assert release.check_tree_clean(project).passed


@pytest.mark.parametrize("name", ["pyproject.toml", "CHANGELOG.md", "CITATION.cff"])
def test_another_version_in_one_file_fails(project: Path, name: str) -> None:
    edit(project / name, "1.2.3", "1.2.4")
    check = release.check_versions(project)
    assert not check.passed
    assert f"{name} has 1.2.4" in check.note


def test_the_version_of_the_citation_format_is_not_taken_for_ours(project: Path) -> None:
    (project / "CITATION.cff").write_text("cff-version: 1.2.3\n")
    assert "CITATION.cff has none" in release.check_versions(project).note


def test_an_unreleased_changelog_fails_unless_allowed(project: Path) -> None:
    edit(project / "CHANGELOG.md", "2026-11-28", "unreleased")
    assert not release.check_changelog_date(project).passed
    assert release.check_changelog_date(project, allow_unreleased=True).passed


@pytest.mark.parametrize("date", ["28.11.2026", "soon", "2026-13-01"])
def test_a_date_that_is_none_fails(project: Path, date: str) -> None:
    edit(project / "CHANGELOG.md", "2026-11-28", date)
    check = release.check_changelog_date(project, allow_unreleased=True)
    assert not check.passed
    assert date in check.note


def test_a_changelog_without_a_section_fails(project: Path) -> None:
    (project / "CHANGELOG.md").write_text("# Changelog\n")
    assert not release.check_changelog_date(project).passed
    assert "CHANGELOG.md has none" in release.check_versions(project).note


def test_what_is_not_committed_fails(project: Path) -> None:
    (project / "new.py").write_text("")
    edit(project / "CHANGELOG.md", "All", "Everything")
    check = release.check_tree_clean(project)
    assert not check.passed
    assert check.note == "CHANGELOG.md and 1 more not committed"


def test_a_folder_without_git_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert not release.check_tree_clean(tmp_path).passed


def test_a_failed_command_tells_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(release.CommandError, match=r"ended with 1: .*'no such recording'"):
        release.run([sys.executable, "-c", "raise SystemExit('no such recording')"], tmp_path)


def test_a_missing_program_is_a_failed_command(tmp_path: Path) -> None:
    with pytest.raises(release.CommandError, match="No such file"):
        release.run([tmp_path / "nothing"], tmp_path)


def test_smoke_tests_stop_at_the_first_failure(tmp_path: Path) -> None:
    found = list(release.smoke_tests(tmp_path / "bin", tmp_path, "1.2.3"))
    assert [check.passed for check in found] == [False]


def test_a_wrong_version_fails_the_smoke_test(tmp_path: Path) -> None:
    for name in ("python", "spikewire"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'spikewire 1.2.2'\n")
        program.chmod(0o755)
    found = {check.name: check for check in release.smoke_tests(tmp_path, tmp_path, "1.2.3")}
    assert not found["spikewire --version"].passed
    assert "1.2.2" in found["spikewire --version"].note


@pytest.mark.parametrize("passed", [True, False])
def test_one_failure_makes_the_exit_code_1(
    passed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def made(*_: object, **__: object) -> Iterator[Check]:
        yield Check("one", True, "works")
        yield Check("two", passed, "found")

    monkeypatch.setattr(release, "checks", made)
    assert release.main([]) == (0 if passed else 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pass  one: works"
    assert lines[1] == f"{'pass' if passed else 'FAIL'}  two: found"


def test_the_version_of_this_project_is_the_same_everywhere() -> None:
    assert release.check_versions(ROOT).passed
    assert release.check_changelog_date(ROOT, allow_unreleased=True).passed
