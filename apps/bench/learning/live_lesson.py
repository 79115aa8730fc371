"""One lesson to a running service, with a simulated person before its camera."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

import spikewire
from spikewire.apps.bench.learning.people import Person
from spikewire.apps.bench.load.child_process import child
from spikewire.apps.cli.errors import CommandError

if TYPE_CHECKING:
    from spikewire.runtime import Client

# Results within this time after a change of gesture hold both: hands on their way, and memory.
_SETTLED_US = 800_000
_PAUSE_S = 1.0  # of stream time, between the end of a lesson and the next gesture
_LIMIT_S = 900.0


@dataclass(slots=True)
class Round:
    """Results of a round, in which each gesture is shown once."""

    results: list[tuple[str, str | None]] = field(default_factory=list)

    def accuracy(self, names: Sequence[str]) -> float:
        """Return the share of correct results for the gestures ``names``."""
        hits = [truth == predicted for truth, predicted in self.results if truth in names]
        return sum(hits) / max(len(hits), 1)

    def called(self, name: str, names: Sequence[str]) -> float:
        """Return the share of results for the gestures ``names`` that predict ``name``."""
        hits = [predicted == name for truth, predicted in self.results if truth in names]
        return sum(hits) / max(len(hits), 1)


class Rounds:
    """Sorter of results into rounds; results too soon after a change do not count.

    Parameters
    ----------
    gestures
        How many are shown in a round.
    hold_us
        How long each, in stream time.
    """

    def __init__(self, gestures: int, hold_us: int) -> None:
        self.rounds: list[Round] = [Round()]
        self._gestures = gestures
        self._hold_us = hold_us

    def take(self, result: Mapping[str, Any]) -> int:
        """Sort one result, and return the number of its round, from 0."""
        turn, into = divmod(int(result["t_us"]), self._hold_us)
        number = turn // self._gestures
        while len(self.rounds) <= number:
            self.rounds.append(Round())
        if result["truth"] is not None and into >= _SETTLED_US:
            self.rounds[number].results.append((result["truth"], result["class"]))
        return number


async def live_lesson(
    model: str,
    known: Sequence[str],
    gesture: str,
    seed: int,
    seconds: float,
    speed: str = "max",
) -> dict[str, Any]:
    """Follow three rounds of all gestures, and teach the new one in the second.

    Learning stays on throughout, at ``speed`` times real time (max: as fast as it computes). Shown
    are the gestures ``known``, all or some of the model's own, and the new one. The figures are the
    service's own decisions, result by result: the first round's before, the third's after.
    """
    person = Person(seed, 1)
    gestures = (*known, gesture)
    hold = seconds + _PAUSE_S
    source = f"sim:?seed={seed}&subject={person.subject}&classes={','.join(gestures)}&hold={hold:g}"
    with trio.fail_after(_LIMIT_S):
        async with child(
            "server", spikewire, "run", "--json", "--source", f"{source}&speed={speed}",
            "--model", model, "--classes", ",".join(known), "--port", "0",
        ) as server:  # fmt: skip
            hello = await server.read()
            from spikewire.runtime import connect

            async with connect(hello["host"], int(hello["port"]), buffer=100_000) as client:
                await client.subscribe("result")
                rounds, taught_us = await _three_rounds(
                    client, Rounds(len(gestures), round(1e6 * hold)), gesture, round(1e6 * seconds)
                )
                if client.missed:
                    raise CommandError(f"{client.missed} results were lost")
            server.interrupt()
            await server.wait()
    before, after = rounds[0], rounds[2]
    return {
        "bench": "teachme", "live": True, "model": model, "gesture": gesture, "seed": seed,
        "taught_s": round(taught_us / 1e6, 2),
        "recall": round(after.accuracy((gesture,)), 4),
        "results_new": sum(truth == gesture for truth, _ in after.results),
        "old_before": round(before.accuracy(known), 4),
        "old_after": round(after.accuracy(known), 4),
        "lost_points": round(100 * (before.accuracy(known) - after.accuracy(known)), 2),
        "false_alarms": round(after.called(gesture, known), 4),
    }  # fmt: skip


async def _three_rounds(
    client: Client, sorter: Rounds, gesture: str, lesson_us: int
) -> tuple[list[Round], int]:
    """Follow three rounds; return them, and the length of the lesson in stream time."""
    began = ended = -1
    results: AsyncIterator[dict[str, Any]] = client.results()
    async for result in results:
        now = int(result["t_us"])
        number = sorter.take(result)
        if number == 3:
            break
        if began < 0 and number == 1 and result["truth"] == gesture:
            await client.teach(gesture)
            began = now
        if began >= 0 > ended and now - began >= lesson_us:
            await client.teach(None)
            ended = now
    return sorter.rounds[:3], ended - began
