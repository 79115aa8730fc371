"""A recording that ends by itself is told on every way there is, and stops nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from spikewire.runtime import RequestRefused, Service, Settings, converse
from spikewire.runtime.pipeline.pipeline import Pipeline
from spikewire.runtime.server.metrics import Collector, health

FULL = "cannot be written: No space left on device"


class Recorder:
    """A recorder whose disk can be full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.full = self.closed = False

    def _write(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, f"{self.path} cannot be written: {os.strerror(28)}")

    def note(self, size: tuple[int, int], piece: Any, /) -> None:
        self._write()

    def end(self, end_us: int, /) -> None:
        self._write()

    def close(self) -> Path:
        self.closed = True
        self._write()
        return self.path.with_suffix(".session.json")


class Recorded:
    """A service that records, and a client that has subscribed to its status."""

    def __init__(self, fakes: Any, folder: Path, whole: Recorder | None = None) -> None:
        self.fakes = fakes
        self.made: list[Recorder] = []
        self.source = fakes.Source()

        def make(network: Any) -> Recorder:
            self.made.append(Recorder(folder / f"{len(self.made)}.aedat4"))
            return self.made[-1]

        self.pipeline = Pipeline(
            "main", self.source, fakes.Network(), Settings(), in_thread=fakes.at_once,
            record=whole, recorder=make,
        )  # fmt: skip
        self.service = Service.from_pipelines({"main": self.pipeline}, Settings())

    async def events(self, turn: int) -> None:
        """Let the network compute 50 ms."""
        start = turn * 50_000
        self.source.push(self.fakes.packet(range(start, start + 50_000, 500)))
        await trio.sleep(1)

    async def run(self, conversation: Any) -> None:
        async with trio.open_nursery() as nursery:

            async def serve(task_status: Any) -> None:
                await self.service.serve(listen=False, signals=False, task_status=task_status)

            await nursery.start(serve)
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(self.service.converse, theirs)
            async with converse(ours) as client:
                await client.subscribe("status")
                await conversation(client)
                self.service.stop()


async def last_error(client: Any) -> Any:
    """Return `recording_error` of the newest status that has come."""
    told = None
    with trio.move_on_after(0.1):
        async for message in client:
            told = message["recording_error"]
    return told


async def test_a_full_disk_is_told_to_the_client_on_healthz_and_in_the_metrics(
    fakes: Any, tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = Recorded(fakes, tmp_path)

    async def conversation(client: Any) -> None:
        await recorded.events(0)
        await client.record(True)
        await recorded.events(1)
        assert await last_error(client) is None
        assert health(recorded.service)[0]
        recorded.made[0].full = True
        before = recorded.pipeline.network_task.counters.results
        await recorded.events(2)
        assert recorded.pipeline.network_task.counters.results > before
        assert recorded.made[0].closed
        # Unasked: the topic says so, and so do the page and the metrics.
        assert FULL in await last_error(client)
        well, page = health(recorded.service)
        assert not well
        assert FULL in page["faults"][0]
        families = {family.name: family for family in Collector(recorded.service).collect()}
        assert families["spikewire_recording_failures"].samples[0].value == 1
        status = (await client.status())["status"]
        assert status["recording"] is None
        assert FULL in status["recording_error"]
        with pytest.raises(RequestRefused, match=FULL) as refused:
            await client.record(False)
        assert refused.value.code == "record_failed"
        # Told once: now all is well, and stopping what does not run is no failure.
        assert await last_error(client) is None
        assert health(recorded.service)[0]
        assert (await client.record(False))["path"] is None

    await recorded.run(conversation)
    assert FULL in caplog.text
    assert recorded.pipeline.summary().recording_error is None


async def test_the_reply_that_begins_another_one_tells_it_too(
    fakes: Any, tmp_path: Path, autojump_clock: object
) -> None:
    recorded = Recorded(fakes, tmp_path)

    async def conversation(client: Any) -> None:
        await client.record(True)
        recorded.made[0].full = True
        await recorded.events(0)
        reply = await client.record(True)
        assert FULL in reply["ended"]
        assert reply["path"] == str(tmp_path / "1.aedat4")
        assert health(recorded.service)[0]
        recorded.made[1].full = True  # noticed when it is closed at the end

    await recorded.run(conversation)
    assert FULL in (recorded.pipeline.summary().recording_error or "")


async def test_a_recording_of_the_whole_run_is_told_until_the_end(
    fakes: Any, tmp_path: Path, autojump_clock: object
) -> None:
    whole = Recorder(tmp_path / "run.aedat4")
    recorded = Recorded(fakes, tmp_path, whole)

    async def conversation(client: Any) -> None:
        await recorded.events(0)
        with pytest.raises(RequestRefused, match="recorded as a whole"):
            await client.record(True)
        whole.full = True
        await recorded.events(1)
        assert FULL in await last_error(client)
        assert not health(recorded.service)[0]
        assert not whole.closed  # by whoever opened it
        with pytest.raises(RequestRefused, match=FULL):
            await client.record(False)
        assert (await client.record(True))["ok"]
        assert not health(recorded.service)[0]

    await recorded.run(conversation)
    assert FULL in (recorded.pipeline.summary().recording_error or "")
