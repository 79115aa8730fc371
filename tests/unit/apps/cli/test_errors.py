from pathlib import Path

import pytest

from spikewire.apps.cli.errors import FAILED, USAGE, CommandError, UsageError, describe, leaf_errors


def test_each_kind_has_its_code() -> None:
    assert describe(CommandError("no answer")) == ("no answer", FAILED)
    assert describe(UsageError("say a or b")) == ("say a or b", USAGE)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Path("nowhere.bin").read_bytes()
    assert describe(caught.value) == ("nowhere.bin: no such file or directory", FAILED)


def test_groups_are_opened() -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [CommandError("a")])])
    assert describe(group) == ("a", FAILED)
    assert [str(leaf) for leaf in leaf_errors(group)] == ["a"]


def test_a_fault_of_the_program_is_not_dressed_up() -> None:
    assert describe(ZeroDivisionError()) is None
    assert describe(ExceptionGroup("both", [CommandError("a"), KeyError("b")])) is None
