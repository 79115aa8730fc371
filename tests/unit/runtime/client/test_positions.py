"""Numbers of a topic in line: each one that is left out is told, be it a single one."""

import pytest

from spikewire.runtime.client.resume import TopicPositions


def in_line():
    positions = TopicPositions()
    positions.want(["result"], "drop_oldest")
    positions.met({"run": "r"})
    positions.answered({"resume": {"result": {"resumed": 0}}, "seq": {"result": 0}})
    return positions


def message(seq):
    return {"type": "message", "topic": "result", "seq": seq}


@pytest.mark.parametrize("lost", [0, 1, 2, 50])
def test_what_is_lost_in_line_is_told_by_a_gap(lost):
    positions = in_line()
    assert positions.take(message(1)) == [message(1)]
    told = positions.take(message(2 + lost))
    gap = {"type": "gap", "topic": "result", "first": 2, "last": 1 + lost, "count": lost}
    assert told == ([gap] if lost else []) + [message(2 + lost)]
    assert positions.take(message(2 + lost)) == []
