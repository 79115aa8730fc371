"""A disk that is full, then is not: reported while it lasts, and nothing else stops."""

import errno
import os

import pytest
import trio

from spikewire.runtime.server.metrics import Collector, health


@pytest.mark.parametrize(
    ("call", "number", "says"),
    [
        ("fsync", errno.ENOSPC, "No space left on device"),
        ("replace", errno.EACCES, "Permission denied"),
        ("fsync", errno.EIO, "Input/output error"),
    ],
)
async def test_checkpoints_fail_for_a_while(
    autojump_clock, fakes, running, tmp_path, monkeypatch, caplog, call, number, says
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    source = fakes.Source()
    settings = {"checkpoint_folder": str(tmp_path), "checkpoint_every_s": 0.5}
    async with running(source, **settings) as run, run.client() as client:
        seen = []

        async def next_status(turn):
            """Push events, wait for a checkpoint; returns what status says of it."""
            start = turn * 10_000
            source.push(fakes.packet(range(start, start + 10_000, 500), start + 10_000))
            await trio.sleep(0.6)
            await client.status()
            return run.service.first.stats_publisher.status()["checkpoint"]

        assert (await next_status(0))["error"] is None
        whole = sorted(p.name for p in tmp_path.iterdir())
        monkeypatch.setattr(os, call, refuse)
        for turn in range(1, 4):
            told = await next_status(turn)
            seen.append(told["failures"])
            assert says in told["error"]
            assert sorted(p.name for p in tmp_path.iterdir()) == whole
            assert run.service.first.network_task.counters.results == turn + 1
        assert seen == [1, 2, 3]
        well, page = health(run.service)
        assert not well
        assert says in page["faults"][0]
        monkeypatch.undo()
        told = await next_status(4)
        assert told["error"] is None
        assert told["tick"] == run.service.first.network_task.tick
        assert health(run.service)[0]
        families = {family.name: family for family in Collector(run.service).collect()}
        assert families["spikewire_checkpoint_failures"].samples[0].value == 3
    assert sum(says in record.getMessage() for record in caplog.records) == 3
    assert not list(tmp_path.glob(".checkpoint-*"))
