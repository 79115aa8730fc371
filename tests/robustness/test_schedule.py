"""The list of tests that begin first names tests that exist."""

from __future__ import annotations

from pathlib import Path

from tests.support.schedule import FIRST, group_of

ROOT = Path(__file__).parents[2]


def test_the_tests_that_begin_first_exist() -> None:
    assert len(set(FIRST)) == len(FIRST)
    for name in FIRST:
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8"), name


def test_a_test_that_is_not_listed_belongs_to_its_file() -> None:
    assert group_of(FIRST[1]) == FIRST[1]
    file = FIRST[1].partition("::")[0]
    assert group_of(f"{file}::test_every_command_of[docs/none.md]") == file
