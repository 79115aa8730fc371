"""Positions in topics, from which a subscriber goes on after it lost its connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from spikewire.runtime.protocol.messages import Policy

Message = dict[str, Any]

# Topics that services before version 0.2 do not have, and would refuse.
_NEWER = frozenset({"decision"})


class TopicPositions:
    """Numbers of what came, for each topic of one run; no sockets and no clock.

    Parameters
    ----------
    last_seq, run
        What is known already: the number of each topic's last message, and the run that they are
        of.

    Attributes
    ----------
    run
        The run that the numbers are of; None before the first hello.
    """

    def __init__(self, last_seq: Mapping[str, int] | None = None, run: str | None = None) -> None:
        if last_seq and run is None:
            raise ValueError("last_seq needs run: numbers begin anew with each run")
        self.run = run
        self._wanted: dict[str, Policy] = {}
        self._last_seen: dict[str, int] = dict(last_seq or {})  # came, or is known to be lost
        self._base: dict[str, int] = {}  # of what was published before the subscription
        self._in_line: set[str] = set()  # the next number is known

    @property
    def last_seq(self) -> dict[str, int]:
        """The number of each topic's last message that came or is known to be lost."""
        topics = {**self._base, **self._last_seen}
        return {t: max(self._last_seen.get(t, 0), self._base.get(t, 0)) for t in topics}

    def want(self, patterns: Iterable[str], policy: Policy) -> None:
        """Take these topics or patterns at the next connection as well."""
        for pattern in patterns:
            self._wanted.pop(pattern, None)
            self._wanted[pattern] = policy

    def want_only(self, topics: Sequence[str]) -> None:
        """Take nothing but these topics any more, and forget the numbers of all others."""
        self._wanted = {topic: self._policy(topic) for topic in topics}
        for numbers in (self._last_seen, self._base):
            for topic in set(numbers) - set(topics):
                del numbers[topic]
        self._in_line &= set(topics)

    def forget(self, last_seq: Mapping[str, int]) -> None:
        """Take messages after these numbers again, on the program's own wish."""
        self._last_seen |= last_seq
        self._in_line -= set(last_seq)

    def met(self, hello: Mapping[str, Any]) -> bool:
        """Take the hello of a new connection in; tell whether it is of another run."""
        known, self.run = self.run, str(hello.get("run"))
        self._in_line.clear()
        if known is None or known == self.run:
            return False
        self._last_seen = dict.fromkeys(self.last_seq, 0)
        self._base.clear()
        return True

    def subscriptions(self, hello: Mapping[str, Any]) -> list[Message]:
        """The fields of the subscribe requests to make: one for each policy."""
        offered = hello.get("topics", ())
        known = {topic: seq for topic, seq in self.last_seq.items() if topic in offered}
        more = {"last_seq": known, "run": self.run} if known else {}
        known_to_it = {
            name: how for name, how in self._wanted.items()
            if name not in _NEWER or not offered or name in offered
        }  # fmt: skip
        return [
            {
                "topics": [name for name, how in known_to_it.items() if how == policy],
                "policy": policy,
                **more,
            }
            for policy in dict.fromkeys(known_to_it.values())
        ]

    def answered(self, reply: Mapping[str, Any]) -> list[Message]:
        """Take in the answer to a subscribe request; returns the gaps that it tells of."""
        resumed = reply.get("resume", {})
        gaps = []
        for topic, resume in resumed.items():
            if (gap := resume.get("gap")) is not None:
                first, last = int(gap["first"]), int(gap["last"])
                self._last_seen[topic] = max(self._last_seen.get(topic, 0), last)
                if first <= last:
                    gaps.append(gap_of(topic, first, last))
            self._in_line.add(topic)
        for topic, seq in reply.get("seq", {}).items():
            if topic not in resumed:
                self._base.setdefault(topic, int(seq))
        return gaps

    def take(self, message: Message) -> list[Message]:
        """Return the messages to deliver: none for a repeated one; a gap first, if some are lost.

        Under the policy ``latest`` the numbers alone tell what was skipped.
        """
        topic = message.get("topic")
        if not isinstance(topic, str):
            return [message]
        last_seen = self._last_seen.get(topic, 0)
        if message["type"] == "gap":
            self._last_seen[topic] = max(last_seen, int(message["last"]))
            self._in_line.add(topic)
            return [message]
        seq = int(message["seq"])
        if seq <= last_seen:
            return []
        due = max(last_seen, self._base.get(topic, 0)) + 1
        lost = topic in self._in_line and seq > due and self._policy(topic) != "latest"
        self._last_seen[topic] = seq
        self._in_line.add(topic)
        return [gap_of(topic, due, seq - 1), message] if lost else [message]

    def _policy(self, topic: str) -> Policy:
        chosen: Policy = "drop_oldest"
        for pattern, policy in self._wanted.items():
            if fnmatchcase(topic, pattern):
                chosen = policy
        return chosen


def gap_of(topic: str, first: int, last: int, count: int | None = None) -> Message:
    """Make a gap as a service tells it: the first and last number lost, and how many."""
    many = last - first + 1 if count is None else count
    return {"type": "gap", "topic": topic, "first": first, "last": last, "count": many}
