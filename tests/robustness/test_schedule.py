"""The list of tests that begin first names tests that exist."""

from __future__ import annotations

from pathlib import Path

from tests.support.schedule import FIRST, TOGETHER, group_of

ROOT = Path(__file__).parents[2]


def test_the_tests_that_begin_first_exist() -> None:
    assert len(set(FIRST)) == len(FIRST)
    for name in FIRST:
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8"), name


def test_a_test_that_is_not_listed_belongs_to_its_file() -> None:
    listed = next(name for name in FIRST if "[" in name)
    assert group_of(listed) == listed
    file = listed.partition("::")[0]
    assert group_of(f"{file}::test_every_command_of[docs/none.md]") == file


def test_files_that_share_what_they_build_belong_together() -> None:
    for folder in TOGETHER:
        files = sorted((ROOT / folder).glob("test_*.py"))
        assert len(files) > 1
        assert {group_of(f"{folder}{path.name}::test_a") for path in files} == {folder}
