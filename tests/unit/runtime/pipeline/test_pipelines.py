"""Several pipelines behind one door: chosen by name, and deaf to each other's faults."""

from __future__ import annotations

import logging
import signal
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from spikewire.runtime import (
    PIPELINE,
    Pipeline,
    ProtocolError,
    Service,
    ServiceError,
    Settings,
    SettingsError,
    converse,
)
from spikewire.sensors import SourceError
from tests.support.patience import patience


@asynccontextmanager
async def serving(fakes, sources, networks=None, settings=None, own=None, reload=None):
    """A service of one pipeline per source, over memory streams."""
    settings = settings or Settings()
    own = own or {}
    pipelines = {
        name: Pipeline(
            name, source, (networks or {}).get(name) or fakes.Network(),
            own.get(name, settings), in_thread=fakes.at_once,
            own={"checkpoint_every_s"} if name in own else (),
        )
        for name, source in sources.items()
    }  # fmt: skip
    service = Service.from_pipelines(pipelines, settings, reload=reload)
    async with trio.open_nursery() as nursery:

        @asynccontextmanager
        async def client(pipeline=None):
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(service.converse, theirs)
            async with converse(ours, pipeline=pipeline) as one:
                yield one

        async def serve(task_status):
            await service.serve(listen=False, signals=False, task_status=task_status)

        await nursery.start(serve)
        yield service, client
        service.stop()


async def test_a_connection_is_about_the_pipeline_that_it_names(fakes, autojump_clock):
    sources = {"left": fakes.Source(), "right": fakes.Source()}
    networks = {"right": fakes.Network(("x", "y", "z"))}
    async with (
        serving(fakes, sources, networks) as (service, client),
        client() as first,
        client("left") as left,
        client("right") as right,
    ):
        assert (first.hello["pipeline"], left.hello["pipeline"]) == ("left", "left")
        assert right.hello["pipelines"] == ["left", "right"]
        assert right.hello["classes"] == ["x", "y", "z"]
        assert left.hello["run"] != right.hello["run"]
        for one in (left, right):
            await one.subscribe("result")
        await left.teach("a")
        sources["right"].push(fakes.packet(range(0, 50_000, 500)))
        message = await anext(right)
        assert set(message["scores"]) == {"x", "y", "z"}
        assert service.pipelines["left"].broker.seq["result"] == 0
        assert (await right.status())["status"]["label"] is None
        assert (await left.status())["status"]["pipeline"] == "left"


async def test_a_pipeline_that_is_not_there_is_refused(fakes, autojump_clock):
    async with serving(fakes, {"a": fakes.Source()}) as (_, client):
        with pytest.raises(ProtocolError, match="no pipeline 'b'") as refused:
            async with client("b"):
                pass
        assert refused.value.code == "unknown_pipeline"


@pytest.mark.parametrize("fault", ["source", "network", "source, unforeseen"])
async def test_neighbours_do_not_notice_a_pipeline_that_fails(fault, fakes, caplog, autojump_clock):
    class Breaks(fakes.Network):
        def advance(self, *_, **__):
            raise RuntimeError("a kernel's fault")

    sources = {"bad": fakes.Source(), "good": fakes.Source()}
    networks = {"bad": Breaks() if fault == "network" else None}
    errors = {
        "network": RuntimeError, "source": SourceError, "source, unforeseen": ZeroDivisionError,
    }  # fmt: skip
    with pytest.RaisesGroup(errors[fault]):
        async with (
            serving(fakes, sources, networks) as (service, client),
            client("good") as good,
            client("bad") as bad,
        ):
            await good.subscribe("result")
            sources["bad"].push(fakes.packet(range(0, 20_000, 500)))
            if fault == "source":
                sources["bad"].finish(SourceError("The cable was pulled."))
            elif fault == "source, unforeseen":
                sources["bad"].finish(ZeroDivisionError("1 / 0"))
            async for _ in bad:
                pass
            assert bad.goodbye is not None
            assert service.pipelines["bad"].source_state == "failed"
            # Who comes later is told, too.
            async with client("bad") as late:
                async for _ in late:
                    pass
                assert late.goodbye == bad.goodbye
            for start in range(0, 500_000, 50_000):
                sources["good"].push(fakes.packet(range(start, start + 50_000, 500)))
                assert (await anext(good))["topic"] == "result"
            assert (await good.status())["status"]["state"] == "running"
    assert any(record.levelno >= logging.ERROR for record in caplog.records)


async def test_the_service_ends_when_all_have_ended(fakes, autojump_clock):
    sources = {"a": fakes.Source(), "b": fakes.Source()}
    async with serving(fakes, sources) as (service, client), client("b") as one:
        sources["a"].finish()
        await trio.sleep(100)
        assert service.pipelines["a"].state == "stopped"
        assert service.pipelines["b"].state == "running"
        assert not service.stopping
        sources["b"].finish()
        async for _ in one:
            pass
        assert one.goodbye["reason"] == "source ended"
        assert [s.reason for s in service.summaries()] == ["source ended"] * 2


async def test_logs_name_their_pipeline(fakes, autojump_clock):
    seen = []

    class Collect(logging.Handler):
        def emit(self, record):
            seen.append((PIPELINE.get(), record.getMessage()))

    handler = Collect()
    logging.getLogger("spikewire").addHandler(handler)
    try:
        sources = {"a": fakes.Source(live=True), "b": fakes.Source()}
        async with serving(fakes, sources):
            await trio.sleep(30)
    finally:
        logging.getLogger("spikewire").removeHandler(handler)
    assert ("a", "the source fake: has sent nothing for 6.2 s") in seen
    assert {name for name, text in seen if "has sent nothing" in text} == {"a"}


def test_a_service_without_pipelines_is_refused():
    with pytest.raises(ServiceError, match="at least one pipeline"):
        Service.from_pipelines({}, Settings())


# -- settings that change while it runs ----------------------------------------------------------


async def test_what_can_change_is_taken_and_the_rest_named(fakes, caplog, autojump_clock):
    before = Settings(heartbeat_s=5, checkpoint_every_s=60)
    after = Settings(heartbeat_s=1, checkpoint_every_s=7, connections=2, port=7777, gap_ms=1)
    own = {"b": Settings(checkpoint_every_s=30)}
    sources = {"a": fakes.Source(), "b": fakes.Source()}
    async with (
        serving(fakes, sources, None, before, own, lambda: after) as (service, client),
        client() as old,
    ):
        await service.reload()
        assert (service.settings.heartbeat_s, service.settings.connections) == (1, 2)
        assert (service.settings.port, service.settings.gap_ms) == (7462, 300)
        assert service.pipelines["a"].settings.checkpoint_every_s == 7
        assert service.pipelines["b"].settings.checkpoint_every_s == 30
        assert service.pipelines["a"].network_task.settings is service.pipelines["a"].settings
        assert (await old.status())["ok"]
        async with client():
            with pytest.raises(ProtocolError, match="All 2 connections") as refused:
                async with client():
                    pass
        assert refused.value.code == "too_many_connections"
    told = [record.getMessage() for record in caplog.records]
    assert "read the settings anew: checkpoint_every_s, connections, heartbeat_s" in told
    assert any("need a restart to change: port, gap_ms" in text for text in told)


async def test_tokens_can_be_changed(fakes, autojump_clock):
    tokens = [{"control_token": "a" * 16}, {"control_token": "b" * 16}]
    async with serving(
        fakes, {"a": fakes.Source()}, None, Settings(**tokens[0]), None,
        lambda: Settings(**tokens[1]),
    ) as (service, _):  # fmt: skip
        assert service.admission.rights("a" * 16) == "control"
        await service.reload()
        assert service.admission.rights("a" * 16) is None
        assert service.admission.rights("b" * 16) == "control"


async def test_wrong_settings_change_nothing(fakes, caplog, autojump_clock):
    def broken():
        raise SettingsError("port", -1, "a whole number")

    before = Settings(heartbeat_s=5)
    async with serving(
        fakes, {"a": fakes.Source()}, None, before, None, broken
    ) as (service, client):  # fmt: skip
        await service.reload()
        assert service.settings is before
        async with client() as one:
            assert (await one.status())["ok"]
    assert any("the settings stay as they were: Setting port is -1" in r.getMessage()
               for r in caplog.records)  # fmt: skip


async def test_sighup_is_what_asks_for_it(fakes):
    asked = trio.Event()

    def read():
        trio.from_thread.run_sync(asked.set)
        return Settings(port=0)

    service = Service(fakes.Source(), fakes.Network(), Settings(port=0), reload=read)
    async with trio.open_nursery() as nursery:

        async def serve(task_status):
            await service.serve(listen=False, task_status=task_status)

        await nursery.start(serve)
        signal.raise_signal(signal.SIGHUP)
        with trio.fail_after(patience(20)):
            await asked.wait()
        assert service.first.state == "running"
        service.stop()


# -- a recording that is replayed, and recordings that are asked for -----------------------------


class Seekable:
    """A source that can be told how to replay."""

    def __init__(self, fakes):
        self.source = fakes.Source()
        self.name, self.live, self.counters = "file:x", False, {}
        self.told = []
        self.replay = {"file": "x", "paused": False, "position_us": 0}

    async def run(self, deliver):
        await self.source.run(deliver)

    async def control(self, **changes):
        self.told.append(changes)
        if changes.get("position_us") == 99:
            raise SourceError("x has no position 99.")
        self.replay = {**self.replay, **changes}


async def test_a_replay_is_controlled_over_the_protocol(fakes, running, autojump_clock):
    source = Seekable(fakes)
    async with running(source) as run, run.client() as client:
        assert "replay" in client.hello["offers"]
        await client.subscribe("status")
        assert (await anext(client))["source"]["replay"] == source.replay
        reply = await client.replay(paused=True, speed=None)
        assert source.told == [{"paused": True, "speed": None}]
        assert reply["replay"]["paused"]
        assert (await anext(client))["source"]["replay"]["paused"]
        with pytest.raises(Exception, match="no position 99") as refused:
            await client.replay(position_us=99)
        assert refused.value.code == "replay_failed"
        for wrong in ({}, {"speed": -1.0}, {"speed": 0.0}):
            async with run.client() as other:
                with pytest.raises(ProtocolError) as error:
                    await other.replay(**wrong)
                assert error.value.code == "invalid"
    async with running(fakes.Source()) as run, run.client() as client:
        assert "replay" not in client.hello["offers"]
        with pytest.raises(Exception, match="cannot be told") as refused:
            await client.replay(paused=True)
        assert refused.value.code == "no_replay"


class Writer:
    """A recorder that remembers."""

    def __init__(self, path):
        self.path, self.noted, self.closed = path, [], False

    def note(self, size, piece):
        self.noted.append((piece.start_us, piece.stop_us, len(piece.t), piece.label))

    def end(self, end_us):
        pass

    def close(self):
        self.closed = True
        return self.path.with_suffix(".session.json")


async def test_a_client_begins_and_ends_a_recording(fakes, tmp_path, autojump_clock):
    made = []

    def recorder(network):
        made.append(Writer(tmp_path / f"{len(made)}.aedat4"))
        return made[-1]

    source = fakes.Source()
    pipeline = Pipeline(
        "main", source, fakes.Network(), Settings(), in_thread=fakes.at_once, recorder=recorder
    )
    service = Service.from_pipelines({"main": pipeline}, Settings())
    async with trio.open_nursery() as nursery:

        async def serve(task_status):
            await service.serve(listen=False, signals=False, task_status=task_status)

        await nursery.start(serve)
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(service.converse, theirs)
        async with converse(ours) as client:
            assert "record" in client.hello["offers"]
            source.push(fakes.packet(range(0, 50_000, 500)))
            await trio.sleep(1)
            assert (await client.record(True))["path"] == str(tmp_path / "0.aedat4")
            assert (await client.status())["status"]["recording"] == str(tmp_path / "0.aedat4")
            await client.teach("a")
            source.push(fakes.packet(range(50_000, 90_000, 500)))
            await trio.sleep(1)
            assert (await client.record(False))["path"] == str(tmp_path / "0.session.json")
            assert made[0].closed
            assert sum(n for _, _, n, _ in made[0].noted) > 70
            assert made[0].noted[-1][3] == "a"
            source.push(fakes.packet(range(90_000, 120_000, 500)))
            await trio.sleep(1)
            assert made[0].noted[-1][1] <= 90_000
            await client.record(True)
            service.stop()
        await trio.sleep(5)
        # A recording that goes on is closed at the end.
        assert made[1].closed
