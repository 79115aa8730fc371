"""Tasks, and the parts of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.continual.tasks import for_tuning, make_tasks, open_parts


def test_tasks_are_dealt_out() -> None:
    names = tuple("abcdefghijk")
    dealt = make_tasks(names, None, (), None)
    assert ["".join(task) for task in dealt] == ["abc", "de", "fg", "hi", "jk"]
    assert make_tasks(names, None, ("c, a", "k"), None) == (("c", "a"), ("k",))
    drawn = make_tasks(names, 2, (), 7)
    assert drawn == make_tasks(names, 2, (), 7) != make_tasks(names, 2, (), 8)
    assert sorted(drawn[0] + drawn[1]) == list(names)
    assert [len(task) for task in make_tasks(tuple("abc"), None, (), None)] == [3]


def test_tuning_leaves_what_judges_alone(digits: Path) -> None:
    parts = open_parts(digits, tuning=False)
    assert (len(parts.learn), len(parts.validate)) == (40, 10)
    tuning = for_tuning(parts)
    assert len(tuning.validate) == 8
    assert set(tuning.learn) | set(tuning.validate) == set(parts.learn)
    assert not set(tuning.validate) & (set(parts.validate) | set(tuning.learn))
    with pytest.raises(CommandError, match="has no recording of 8 to judge by"):
        open_parts(digits, tuning=True)
