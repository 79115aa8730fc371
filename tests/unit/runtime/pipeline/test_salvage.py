"""What is kept, and who is answered, when something changes or breaks between two ticks."""

from __future__ import annotations

import json

import pytest
import trio

from spikewire.runtime import (
    BlockingClient,
    ConnectionLost,
    RequestRefused,
    Retry,
    SettingsError,
    load_settings,
)
from spikewire.runtime.settings.reload import changed, merged
from spikewire.runtime.settings.settings import Settings
from spikewire.sensors.sources.pacing import Pacer


def newest(folder):
    (*_, path) = sorted(folder.glob("checkpoint-*"))
    return json.loads(path.read_bytes())


async def test_what_changes_without_a_tick_is_saved_too(fakes, running, tmp_path, autojump_clock):
    source = fakes.Source()
    async with running(source, checkpoint_folder=str(tmp_path)) as run, run.client() as client:
        source.push(fakes.packet(range(0, 50_000, 500)))
        await trio.sleep(1)
        await client.teach("new")
        await client.checkpoint()
        assert newest(tmp_path)[2] == ["a", "b", "new"]
        await client.request("undo")
        assert run.service.first.checkpoints.unsaved
    # No tick was computed since, and the last word on disk is the undone one all the same.
    assert newest(tmp_path)[2] == ["a", "b"]


@pytest.mark.parametrize("where", ["reporter", "network"])
async def test_a_fault_of_ours_keeps_what_was_learned(
    where, fakes, running, tmp_path, autojump_clock, monkeypatch
):
    network = fakes.Network()
    source = fakes.Source()
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError), flatten_subgroups=True):
        async with (
            running(source, network, checkpoint_folder=str(tmp_path), checkpoint_every_s=0) as run,
            run.client() as client,
        ):
            source.push(fakes.packet(range(0, 50_000, 500)))
            await trio.sleep(0.5)

            def broken(*_, **__):
                raise ZeroDivisionError

            if where == "reporter":
                monkeypatch.setattr(run.service.first.stats_publisher, "publish_stats", broken)
            else:
                monkeypatch.setattr(network, "advance", broken)
                source.push(fakes.packet(range(50_000, 60_000, 500)))
            async for _ in client:
                pass
            assert client.goodbye["reason"] == "failed"
    # A network that broke in the middle of a tick is in no state worth saving.
    assert bool(list(tmp_path.glob("checkpoint-*"))) is (where == "reporter")


async def test_the_request_that_breaks_it_is_answered(fakes, running, autojump_clock):
    network = fakes.Network()

    def broken():
        raise ZeroDivisionError

    network.snapshot = broken
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError), flatten_subgroups=True):
        async with running(fakes.Source(), network) as run, run.client() as client:
            with pytest.raises(RequestRefused) as refused:
                await client.teach("a")
            assert refused.value.code == "stopping"


async def test_nothing_is_replayed_when_the_source_has_ended(fakes, running, autojump_clock):
    source = fakes.Source()
    source.replay = {}

    async def control(**_):
        raise AssertionError

    source.control = control
    async with running(source, at_end="stay") as run, run.client() as client:
        source.finish()
        await trio.sleep(1)
        with pytest.raises(RequestRefused, match="has ended"):
            await client.replay(paused=False)
        assert run.service.first.state == "running"


@pytest.mark.parametrize("speed", [1e308, 1e-9, 0.0])
async def test_a_speed_that_nobody_could_follow_is_refused(speed, fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        with pytest.raises(Exception, match="speed is a number from"):
            await client.replay(speed=speed)
        assert run.service.first.state == "running"


async def test_a_replay_that_lags_does_not_rush_when_it_is_slowed(autojump_clock):
    pacer = Pacer(100.0)
    pacer.begin(0)
    assert await pacer.until(1_000_000)
    # The consumer takes its time: by the clock 100 s are due, but what it has got is 1 s.
    await trio.sleep(1)
    pacer.change(speed=1.0)
    began = trio.current_time()
    assert await pacer.until(2_000_000)
    assert trio.current_time() - began == pytest.approx(1.0, abs=0.01)


def test_a_blocking_client_waits_for_a_service_that_is_not_there(unused_port):
    with pytest.raises(ConnectionLost, match="Cannot reach"):
        BlockingClient(port=unused_port, reconnect=True)
    with pytest.raises(ConnectionLost, match="Cannot reach"):
        BlockingClient(port=unused_port, reconnect=Retry(at_start=True, attempts=2, first_s=0.001))


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def test_two_pipelines_do_not_share_a_folder_of_checkpoints(tmp_path):
    path = tmp_path / "s.toml"
    table = "[pipelines.{}]\nsource = 'sim:'\ncheckpoint_folder = '{}'\n"
    path.write_text(table.format("a", "saved") + table.format("b", "./saved"))
    with pytest.raises(SettingsError, match="another folder than that of the pipeline a"):
        load_settings(path, environment={})


def test_tls_can_change_its_certificate_but_not_begin():
    plain = Settings()
    first, second = (Settings(tls_cert=f"{n}.pem", tls_key=f"{n}.key") for n in "ab")
    assert changed(first, second) == (["tls_cert", "tls_key"], [])
    assert merged(first, second).tls_cert == "b.pem"
    assert changed(plain, first) == ([], ["tls_cert", "tls_key"])
    assert merged(plain, first).tls_cert is None
