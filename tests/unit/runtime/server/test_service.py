"""A whole service over memory streams, on a clock that does not wait."""

import errno
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from spikewire.runtime import TOPICS, RequestRefused
from spikewire.runtime.protocol.frames import encode
from tests.support.wire import HELLO, hear


async def test_the_hello_says_who_and_what(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client() as client:
        hello = client.hello
        assert hello["protocol"] == 1
        assert hello["classes"] == ["a", "b"]
        assert (hello["tick_us"], hello["input"]) == (1000, [16, 12])
        assert hello["run"] == run.service.first.run_id
        assert hello["topics"] == list(TOPICS)
        assert hello["limits"]["frame_bytes"] == run.service.settings.frame_bytes


async def test_results_arrive_numbered_and_end_with_a_goodbye(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        reply = await client.subscribe("result")
        assert (reply["topics"], reply["seq"]) == (["result"], {"result": 0})
        source.push(fakes.packet(range(0, 100_000, 250)))
        source.finish()
        results = [message async for message in client.results()]
        assert [r["seq"] for r in results] == list(range(1, len(results) + 1))
        assert [r["tick"] for r in results] == list(range(0, 101, 10))
        assert set(results[0]) == {
            "type", "topic", "seq", "tick", "t_us", "segment", "class", "scores", "spikes",
            "events", "truth", "label", "teaching", "latency_us",
        }  # fmt: skip
        assert sum(r["events"] for r in results) == 400
        assert client.goodbye == {"type": "goodbye", "reason": "source ended", "tick": 101}
    assert run.summary.events == 400
    assert run.summary.reason == "source ended"


async def test_status_is_retained_and_follows_every_change(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, run.client() as client:
        await client.subscribe("status")
        first = await anext(client)
        assert (first["state"], first["label"], first["learn"]) == ("running", None, True)
        await client.teach("new")
        added = await anext(client)
        assert added["classes"] == ["a", "b", "new"]
        assert (await anext(client))["label"] == "new"
        await client.learn(False)
        assert (await anext(client))["learn"] is False
        assert (await client.status())["status"]["label"] == "new"


async def test_stats_count_once_a_second(fakes, running, autojump_clock):
    source = fakes.Source(live=True)
    source.counters["out_of_bounds"] = 3
    async with running(source) as run, run.client() as client:
        await client.subscribe("stats")
        source.push(fakes.packet(range(0, 500_000, 1000)))
        stats = await anext(client)
        assert stats["interval_s"] == pytest.approx(1.0)
        # The last of 500 events lies in a tick that the watermark has not passed.
        assert (stats["events"], stats["packets"], stats["ticks"]) == (499, 1, 499)
        assert stats["events_per_s"] == pytest.approx(499)
        assert stats["real_time_factor"] == pytest.approx(0.499)
        assert stats["source"] == {"out_of_bounds": 3}
        assert stats["latency_us"]["p50"] > 0
        assert stats["connections"] == 1
        again = await anext(client)
        assert again["events_per_s"] == 0
        assert again["latency_us"] is None


async def test_every_request_is_answered_once_in_order(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        asks = [
            {"type": "teach", "label": "a", "id": 1},
            {"type": "checkpoint", "id": "two"},
            {"type": "learn", "on": False},
            {"type": "play", "name": "x", "id": 4},
            {"type": "status", "id": 5},
            {"type": "subscribe", "topics": ["stats", "result"], "policy": "latest", "id": 6},
            {"type": "unsubscribe", "topics": ["stats"], "id": 7},
        ]
        await stream.send_all(HELLO + b"".join(encode(ask) for ask in asks))
        await trio.testing.wait_all_tasks_blocked()
        run.service.stop()
        told = await hear(stream)
    replies = [m for m in told if m["type"] == "reply"]
    assert [m["to"] for m in replies] == [ask["type"] for ask in asks]
    assert [m["id"] for m in replies] == [ask.get("id") for ask in asks]
    assert [m.get("code") for m in replies[:5]] == [
        None, "no_checkpoints", None, "no_shelf", None,
    ]  # fmt: skip
    assert replies[6]["topics"] == ["result"]
    assert all(isinstance(m["tick"], int) for m in replies)
    assert told[-1]["type"] == "goodbye"


async def test_stopping_computes_what_arrived(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        await client.subscribe("result", "status")
        source.push(
            *(fakes.packet(range(n, n + 9_999, 100), n + 9_999) for n in range(0, 90_000, 10_000))
        )
        await trio.testing.wait_all_tasks_blocked()
        run.service.stop()
        told = [m async for m in client]
        assert [m["tick"] for m in told if m["topic"] == "result"][-1] == 90
        assert client.goodbye["reason"] == "stopped"
        states = [m["state"] for m in told if m["topic"] == "status"]
        assert states[0] == "running"
        assert "draining" in states
        assert states[-1] == "stopped"
    assert run.summary.events == 900


async def test_at_end_stay_goes_on_answering(fakes, running, autojump_clock):
    source = fakes.Source([fakes.packet([0, 12_000])])
    source.finish()
    async with running(source, at_end="stay") as run, run.client() as client:
        await trio.testing.wait_all_tasks_blocked()
        status = (await client.status())["status"]
        assert status["source"]["state"] == "ended"
        assert status["tick"] == 21
        await client.teach("a")
    assert run.summary.reason == "stopped"


async def test_a_source_that_dies_ends_in_order(fakes, running, autojump_clock):
    class CameraError(Exception):
        pass

    source = fakes.Source([fakes.packet([0, 12_000])])
    with pytest.RaisesGroup(CameraError, flatten_subgroups=True):
        async with running(source) as run, run.client() as client:
            await client.subscribe("result")
            source.finish(CameraError("The camera was unplugged."))
            async for _ in client:
                pass
            assert client.goodbye["tick"] == 21
            assert run.service.first.source_error == "The camera was unplugged."


async def test_a_source_that_dies_leaves_a_staying_service(fakes, running, autojump_clock):
    source = fakes.Source()
    source.finish(OSError("gone"))
    async with running(source, at_end="stay") as run, run.client() as client:
        await trio.testing.wait_all_tasks_blocked()
        state = (await client.status())["status"]["source"]
        assert (state["state"], state["error"]) == ("failed", "gone")


async def test_checkpoints_on_request_on_schedule_and_at_the_end(
    fakes, running, autojump_clock, tmp_path
):
    source = fakes.Source()
    async with (
        running(
            source, checkpoint_folder=str(tmp_path), checkpoint_every_s=60, checkpoint_keep=9
        ) as run,
        run.client() as client,
    ):
        source.push(fakes.packet([0], 10_000))
        reply = await client.checkpoint()
        assert len(Path(reply["path"]).read_bytes()) == reply["bytes"]  # noqa: ASYNC240
        await trio.testing.wait_all_tasks_blocked()
        source.push(fakes.packet([10_500], 20_000))
        await trio.sleep(61)
        assert run.service.first.checkpoints.tick == 20
        await trio.sleep(600)  # nothing new: nothing to save
        assert len(list(tmp_path.glob("*checkpoint*"))) == 2
        source.push(fakes.packet([20_500], 30_000))
        await trio.testing.wait_all_tasks_blocked()
    assert run.summary.checkpoint == str(tmp_path / "checkpoint-00000003.safetensors")
    assert (
        tmp_path / "checkpoint-00000003.safetensors"
    ).read_bytes() == run.service.first.network.to_bytes()


async def test_a_full_disk_is_reported_and_stops_nothing(
    fakes, running, autojump_clock, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = fakes.Source()
    async with running(source, checkpoint_folder=str(tmp_path)) as run, run.client() as client:
        await client.subscribe("result")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(RequestRefused, match="No space left") as caught:
                await client.checkpoint()
        assert caught.value.code == "checkpoint_failed"
        told = (await client.status())["status"]["checkpoint"]
        assert "No space left" in told["error"]
        assert (told["failures"], told["path"]) == (1, None)
        source.push(fakes.packet([0, 20_000]))
        assert (await anext(client.results()))["tick"] == 0
        assert (await client.checkpoint())["ok"]
        assert (await client.status())["status"]["checkpoint"]["error"] is None


async def test_plays_are_answered_when_they_are_computed(fakes, running, autojump_clock):
    shelf = fakes.Shelf()
    async with running(shelf) as run, run.client() as client:
        await client.subscribe("result")
        first = await client.play("clip", stop_us=30_000)
        assert (first["segment"], first["first_tick"], first["tick"]) == (0, 0, 31)
        assert first["events"] == 60
        # The results lie before the answer, in order.
        assert len(client._buffer) == 4
        second = await client.play("clip", stop_us=30_000)
        assert (second["segment"], second["first_tick"]) == (1, 340)
        with pytest.raises(RequestRefused, match="no recording named missing") as caught:
            await client.play("missing")
        assert caught.value.code == "play_failed"


async def test_a_play_that_the_end_cuts_short_is_answered(fakes, running, autojump_clock):
    class Endless(fakes.Shelf):
        async def play(self, name, **how):
            await trio.sleep_forever()

    async with running(Endless()) as run, run.client() as client:
        async with trio.open_nursery() as nursery:

            async def play():
                with pytest.raises(RequestRefused) as caught:
                    await client.play("clip")
                assert caught.value.code == "stopping"

            nursery.start_soon(play)
            await trio.testing.wait_all_tasks_blocked()
            run.service.stop()
        async for _ in client:
            pass
        assert client.goodbye is not None
