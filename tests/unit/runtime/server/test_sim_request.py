"""The request `sim`, and lessons that are taken back several at a time."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from spikewire.runtime import RequestRefused
from spikewire.sensors import SourceError


def directed(fakes: Any) -> Any:
    """A source whose person does what it is told."""
    source = fakes.Source([])
    source.sim = {"gesture": None, "hold": False, "person": 1, "distance": 1.0, "light": 1.0,
                  "gestures": ["wave"]}  # fmt: skip

    async def direct(**changes: Any) -> None:
        if changes.get("gesture") == "dance":
            raise SourceError("'dance' is no gesture.")
        source.sim |= changes

    source.direct = direct
    return source


async def test_the_person_is_directed_and_the_status_tells(fakes, running, autojump_clock):
    async with running(directed(fakes)) as run, run.client() as client:
        assert "sim" in client.hello["offers"]
        reply = await client.sim(gesture="wave", hold=True, distance=1.5)
        assert reply["sim"]["gesture"] == "wave"
        told = (await client.status())["status"]["source"]["sim"]
        assert (told["hold"], told["distance"]) == (True, 1.5)
        with pytest.raises(RequestRefused, match="no gesture") as refused:
            await client.sim(gesture="dance")
        assert refused.value.code == "sim_failed"


async def test_a_source_that_is_not_simulated_refuses(fakes, running, autojump_clock):
    async with running(fakes.Source([])) as run, run.client() as client:
        assert "sim" not in client.hello["offers"]
        assert (await client.status())["status"]["source"]["sim"] is None
        with pytest.raises(RequestRefused) as refused:
            await client.sim(hold=True)
        assert refused.value.code == "no_sim"


async def test_lessons_are_listed_and_taken_back_together(fakes, running, autojump_clock):
    async with running(fakes.Source([])) as run, run.client() as client:
        for label in ("a", "b", "a"):
            await client.teach(label)
        await client.teach(None)
        await client.subscribe("learning")
        with trio.fail_after(5):
            message = await anext(client)
        recent = message["recent"]
        assert [lesson["label"] for lesson in recent] == ["a", "b", "a"]
        assert [lesson["undo"] for lesson in recent] == [3, 2, 1]
        assert (await client.undo(2))["label"] == "b"
        while not (message := await anext(client))["recent"][-1]["undone"]:
            pass
        assert [lesson["undo"] for lesson in message["recent"]] == [1, None, None]
        with pytest.raises(RequestRefused, match="Only the last 1"):
            await client.undo(2)
