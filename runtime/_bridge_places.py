"""Which number of each topic came last: finds repeats, and numbers that nobody accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime._bridge_outbox import Gap


class Places:
    """The last number of each topic in the present run.

    Attributes
    ----------
    run
        Whose numbers they are; empty before the first.
    last
        Topic to number, as ``subscribe`` takes it in ``last_seq``.
    """

    def __init__(self) -> None:
        self.run = ""
        self.last: dict[str, int] = {}
        self._seen: set[str] = set()

    def arrive(self, run: str, reply: Mapping[str, Any]) -> list[Gap]:
        """Take the answer to a subscription; returns what the service says is lost for good."""
        resumed: Mapping[str, Any] = reply.get("resume", {})
        if run != self.run:
            self.run = run
            self.last.clear()
            self._seen.clear()
        gaps = []
        for topic, seq in reply["seq"].items():
            if topic in resumed:
                self.last.setdefault(topic, 0)
                gap = resumed[topic].get("gap")
                # In another run the gap counts from 1, and is empty if everything is kept.
                if gap is not None and gap["last"] >= gap["first"]:
                    count = gap["last"] - gap["first"] + 1
                    gaps.append(Gap(topic, run, gap["first"], gap["last"], count, "service"))
                    self.last[topic] = gap["last"]
            elif topic not in self.last:
                # From now on; the last message of a retained topic comes all the same.
                self.last[topic] = seq
        return gaps

    def message(self, topic: str, seq: int) -> tuple[bool, Gap | None]:
        """Take a message's number; says whether it is new, and what is missing before it."""
        last = self.last.get(topic)
        if last is not None and seq <= last:
            new = topic not in self._seen and seq == last
            self._seen.add(topic)
            return new, None
        self._seen.add(topic)
        self.last[topic] = seq
        if last is None or seq == last + 1:
            return True, None
        return True, Gap(topic, self.run, last + 1, seq - 1, seq - 1 - last, "bridge")

    def gap(self, told: Mapping[str, Any]) -> list[Gap]:
        """Take a gap that the service told; returns it, after what is missing before it."""
        topic, first, last = told["topic"], told["first"], told["last"]
        gaps = []
        before = self.last.get(topic)
        if before is not None and first > before + 1:
            gaps.append(Gap(topic, self.run, before + 1, first - 1, first - 1 - before, "bridge"))
        gaps.append(Gap(topic, self.run, first, last, told["count"], "service"))
        self.last[topic] = max(last, before or 0)
        self._seen.add(topic)
        return gaps
