"""A whole service over memory streams, on a clock that does not wait."""

import errno
import os
from pathlib import Path

import msgpack
import pytest
import trio
import trio.testing

from spikewire.runtime import TOPICS, ConnectionLost, ProtocolError, RequestRefused, converse
from spikewire.runtime.protocol.frames import Framer, decode, encode

HELLO = encode({"type": "hello", "protocol": 1})


async def hear(stream, framer=None):
    """Everything a peer is told until its connection ends."""
    framer, told = framer or Framer(10**7), []
    while data := await stream.receive_some():
        framer.feed(data)
        while (payload := framer.take()) is not None:
            told.append(decode(payload))
    await stream.aclose()
    return told


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
            "truth", "label", "teaching", "latency_us",
        }  # fmt: skip
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


BAD = {
    "hello_first": encode({"type": "status"}),
    "wrong_protocol": encode({"type": "hello", "protocol": 2}),
    "hello_twice": HELLO * 2,
    "empty_frame": HELLO + b"\0\0\0\0",
    "frame_too_large": HELLO + b"\xff\xff\xff\xff",
    "malformed": HELLO + b"\0\0\0\x01\xc1",
    "invalid": HELLO + encode({"type": "teach", "label": 7}),
    "frame_late": HELLO + b"\0\0\0\x05abc",
    "hello_late": b"\0\0",
}


@pytest.mark.parametrize("code", BAD)
async def test_a_bad_neighbour_costs_only_itself(fakes, running, autojump_clock, code):
    source = fakes.Source()
    async with running(source) as run, run.client() as good:
        await good.subscribe("result")
        stream = run.connect()
        await stream.send_all(BAD[code])
        told = await hear(stream)
        assert told[-1]["type"] == "error"
        assert told[-1]["code"] == code
        assert len(told[-1]["message"]) > 10
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 1
        source.push(fakes.packet([0, 20_000]))
        assert (await anext(good.results()))["tick"] == 0


async def test_an_end_inside_a_message_is_named(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        await stream.send_all(HELLO + b"\0\0\0\x05abc")
        await stream.send_eof()
        assert (await hear(stream))[-1]["code"] == "truncated"


async def test_deep_nesting_is_refused(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        body = b"\x82\xa4type\xa5teach\xa5label" + b"\x91" * 200_000
        await stream.send_all(HELLO + len(body).to_bytes(4, "big") + body)
        assert (await hear(stream))[-1]["code"] in ("malformed", "invalid")


async def test_many_bad_messages_leave_nothing_behind(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        for n in range(200):
            stream = run.connect()
            junk = msgpack.packb({"type": "teach", "label": n, "x": [[]] * n})[: n + 1]
            await stream.send_all(HELLO + len(junk).to_bytes(4, "big") + junk)
            assert (await hear(stream))[-1]["type"] == "error"
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 0
        assert run.service.first.broker.subscribers == 0


async def test_connections_are_limited(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=2) as run:
        async with run.client(), run.client():
            with pytest.raises(ProtocolError, match="All 2 connections are in use"):
                async with run.client():
                    pass
            assert run.service.refused == 1
        await trio.testing.wait_all_tasks_blocked()
        async with run.client():
            pass


async def test_who_never_reads_holds_up_nobody(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source, subscriber_messages=5) as run, run.client() as good:
        await good.subscribe("result")
        ours, theirs = trio.testing.lockstep_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.service.converse, theirs)
            await ours.send_all(HELLO)
            await ours.send_all(encode({"type": "subscribe", "topics": ["result"]}))
            framer = Framer(10**6)
            heard = 0
            while heard < 2:  # the hello and the reply; then it reads no more
                framer.feed(await ours.receive_some())
                while framer.take() is not None:
                    heard += 1
            await trio.testing.wait_all_tasks_blocked()
            results = good.results()
            for n in range(30):
                source.push(fakes.packet([n * 10_000, n * 10_000 + 1], (n + 1) * 10_000))
                assert (await anext(results))["seq"] == n + 1
            # One is stuck on its way, five wait.
            assert run.service.first.broker.dropped == 24
            run.service.stop()
            told = await hear(ours, framer)
    gap = next(m for m in told if m["type"] == "gap")
    seen = [m["seq"] for m in told if m["type"] == "message"]
    assert sorted([*seen, *range(gap["first"], gap["last"] + 1)]) == list(
        range(1, run.service.first.broker.seq["result"] + 1)
    )
    assert told[-1]["type"] == "goodbye"


async def test_live_overload_drops_the_oldest_and_says_so(fakes, running, autojump_clock):
    gate = trio.Event()

    async def held_up(call):
        await gate.wait()
        return call()

    source = fakes.Source(live=True)
    times = [range(n * 10_000, n * 10_000 + 5000, 500) for n in range(50)]
    async with (
        running(source, in_thread=held_up, queue_packets=5) as run,
        run.client() as client,
    ):
        await client.subscribe("stats", "result")
        source.push(*(fakes.packet(t, watermark=t[-1] + 500) for t in times))
        await trio.testing.wait_all_tasks_blocked()
        while (stats := await anext(client))["topic"] != "stats":
            pass
        # One packet is being computed, five wait, the 44 between them are lost.
        assert stats["drops"] == {"queue_full": 440}
        assert stats["dropped_packets"] == 44
        assert (stats["queue"]["packets"], stats["queue"]["events"]) == (5, 50)
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        ticks = [(await anext(client.results()))["tick"] for _ in range(3)]
        assert ticks == [0, 10, 450]
    assert run.summary.events == 60


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
        assert len(list(tmp_path.iterdir())) == 2
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


async def test_a_flood_beyond_the_limit_is_cut_short(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=1) as run, run.client() as client:
        peers = [run.connect() for _ in range(100)]
        await trio.testing.wait_all_tasks_blocked()
        told = [await hear(peer) for peer in peers]
        assert run.service.refused == 100
        assert sum(bool(one) for one in told) == 64
        assert (await client.status())["ok"]


async def test_a_client_that_does_not_iterate_still_gets_its_answers(
    fakes, running, autojump_clock
):
    source = fakes.Source()
    async with running(source) as run, run.client(buffer=4) as client:
        await client.subscribe("result")
        source.push(fakes.packet(range(0, 200_000, 500)))
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.teach("a"))["ok"]
        assert client.missed == 20 - 4
        gap = await anext(client)
        assert (gap["type"], gap["topic"], gap["count"]) == ("gap", "result", 16)
        assert (gap["first"], gap["last"]) == (1, 16)
        assert [(await anext(client))["seq"] for _ in range(4)] == [17, 18, 19, 20]


async def test_requests_from_several_tasks_find_their_answers(fakes, running, autojump_clock):
    async with (
        running(fakes.Source()) as run,
        run.client() as client,
        trio.open_nursery() as nursery,
    ):

        async def ask(label):
            assert (await client.teach(label))["label"] == label

        for n in range(20):
            nursery.start_soon(ask, f"class {n}")


async def test_a_service_that_vanishes_is_a_lost_connection(fakes, autojump_clock):
    from spikewire.runtime import converse

    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(encode({"type": "hello", "protocol": 1}))
    async with converse(ours) as client:
        await theirs.aclose()
        with pytest.raises(ConnectionLost, match="without a goodbye"):
            async for _ in client:
                pass
        with pytest.raises(ConnectionLost):
            await client.teach("a")


async def test_who_comes_back_gets_what_was_missed(fakes, running, autojump_clock):
    source = fakes.Source()

    def push(*numbers):
        source.push(
            *(fakes.packet([n * 10_000, n * 10_000 + 1], (n + 1) * 10_000) for n in numbers)
        )

    async with running(source, history_messages=6) as run:
        async with run.client() as first:
            await first.subscribe("*")
            push(*range(4))
            results = first.results()
            last = [(await anext(results))["seq"] for _ in range(4)][-1]
            name = first.hello["run"]
        push(*range(4, 9))
        await trio.testing.wait_all_tasks_blocked()
        async with run.client() as back:
            told = await back.subscribe("result", last_seq={"result": last}, run=name)
            assert told["resume"] == {"result": {"resumed": 5}}
            push(9)
            results = back.results()
            assert [(await anext(results))["seq"] for _ in range(6)] == [5, 6, 7, 8, 9, 10]
        push(*range(10, 20))
        await trio.testing.wait_all_tasks_blocked()
        async with run.client() as late:
            told = await late.subscribe("res*", last_seq={"result": 10}, run=name)
            assert told["resume"] == {"result": {"gap": {"first": 11, "last": 14}, "resumed": 6}}
            results = late.results()
            assert [(await anext(results))["seq"] for _ in range(6)] == list(range(15, 21))
        async with run.client() as stranger:
            told = await stranger.subscribe("result", last_seq={"result": 18}, run="another")
            assert told["resume"] == {"result": {"gap": {"first": 1, "last": 14}, "resumed": 6}}
        async with run.client() as current:
            told = await current.subscribe("result", last_seq={"result": 20}, run=name)
            assert told["resume"] == {"result": {"resumed": 0}}
        run.service.stop()


async def test_a_silent_service_beats_and_a_dead_one_is_noticed(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source, heartbeat_s=2.0) as run, run.client() as client:
        await client.subscribe("result")
        with trio.move_on_after(100):
            await anext(client.results())
        # A hundred seconds without a result, and the connection is held to be good.
        assert (await client.status())["ok"]
        run.service.stop()

    ours, theirs = trio.testing.memory_stream_pair()

    async def dead_service():
        await theirs.receive_some()
        hello = {"type": "hello", "run": "x", "limits": {"heartbeat_s": 2.0}}
        await theirs.send_all(encode(hello))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dead_service)
        async with converse(ours) as client:
            began = trio.current_time()
            with pytest.raises(ConnectionLost, match="was silent for 7 s"):
                await anext(client)
            assert trio.current_time() - began == pytest.approx(7)


@pytest.mark.parametrize(
    ("topics", "more", "says"),
    [
        (["nothing"], {}, "topics holds 'nothing'"),
        (["x*"], {}, "there are result, stats, status"),
        (["result"], {"last_seq": {"result": 1}}, "last_seq needs run"),
        (["result"], {"last_seq": {"other": 1}, "run": "x"}, "topics holds 'other'"),
    ],
)
async def test_topics_that_do_not_exist_are_an_error(topics, more, says, fakes, running):
    async with running(fakes.Source()) as run, run.client() as client:
        with pytest.raises(ProtocolError, match=says):
            await client.request("subscribe", topics=topics, **more)
        run.service.stop()


async def test_a_silent_source_is_called_stalled_until_it_sends(
    fakes, running, autojump_clock, caplog
):
    source = fakes.Source(live=True)
    async with running(source, stall_s=4.0) as run, run.client() as client:
        await client.subscribe("status")
        await trio.sleep(3)
        source.push(fakes.packet(range(0, 5_000, 500)))
        await trio.sleep(3.5)
        assert run.service.first.source_state == "running"
        await trio.sleep(2)
        assert run.service.first.source_state == "stalled"
        source.push(fakes.packet(range(10_000, 15_000, 500)))
        await trio.sleep(1.5)
        assert run.service.first.source_state == "running"
        run.service.stop()
        states = [m["source"]["state"] async for m in client]
    assert "stalled" in states
    assert states.index("stalled") < len(states) - 1
    assert [r.getMessage()[:40] for r in caplog.records] == [
        f"the source {source.name} has sent nothing for 5.0 s"[:40],
        f"the source {source.name} sends again"[:40],
    ]
    assert run.service.first.watchdog.source_stalls == 1


async def test_a_recording_that_waits_is_not_stalled(fakes, running, autojump_clock):
    async with running(fakes.Source(), stall_s=1.0) as run:
        await trio.sleep(100)
        assert run.service.first.source_state == "running"
        run.service.stop()


async def test_a_batch_that_does_not_come_back_is_noticed(fakes, running, autojump_clock, caplog):
    gate = trio.Event()

    async def held_up(call):
        await gate.wait()
        return call()

    source = fakes.Source()
    async with running(source, in_thread=held_up, stall_s=2.0) as run:
        source.push(fakes.packet(range(0, 50_000, 500)))
        await trio.sleep(10)
        assert run.service.first.watchdog.network_stalled
        assert run.service.first.watchdog.network_stalls == 1
        gate.set()
        await trio.sleep(3)
        assert not run.service.first.watchdog.network_stalled
        run.service.stop()
    assert [r.getMessage() for r in caplog.records if "one batch" in r.getMessage()]


async def test_a_subscriber_can_have_what_waits_gathered(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run:
        stream = run.connect()
        await stream.send_all(HELLO)
        said = {"type": "subscribe", "topics": ["result"], "every_ms": 200}
        await stream.send_all(encode(said))
        framer, came = Framer(10**7), []

        async def read():
            while data := await stream.receive_some():
                framer.feed(data)
                while (payload := framer.take()) is not None:
                    came.append((trio.current_time(), decode(payload)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for start in range(0, 1_000_000, 10_000):
                source.push(fakes.packet(range(start, start + 10_000, 500)))
                await trio.sleep(0.01)
            asked = trio.current_time()
            await stream.send_all(encode({"type": "status", "id": 7}))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        results = [(at, m["seq"]) for at, m in came if m.get("topic") == "result"]
        assert [seq for _, seq in results] == list(range(1, len(results) + 1))
        assert len(results) >= 98
        # Five goes a second, one of them with the answer, which does not wait.
        assert len({round(at, 3) for at, _ in results}) <= 8
        (answered,) = [at for at, m in came if m.get("id") == 7]
        assert answered - asked < 0.05
        await stream.aclose()


async def test_what_was_missed_comes_first_even_while_answers_wait(fakes, running):
    # Eight answers, the hello one of them, are as many as may wait; results come meanwhile.
    for turns in [*range(12)] * 8:
        async with running(fakes.Source()) as run:
            broker = run.service.first.broker
            for _ in range(3):
                broker.publish("result", {})
            stream, framer = run.connect(), Framer(10**7)
            stats = encode({"type": "subscribe", "topics": ["stats"]})
            name = run.service.first.run_id
            resume = {"topics": ["result"], "last_seq": {"result": 1}, "run": name}
            await stream.send_all(HELLO + 7 * stats + encode({"type": "subscribe", **resume}))
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            broker.publish("result", {})
            await trio.testing.wait_all_tasks_blocked()
            framer.feed(await stream.receive_some())
            seen = []
            while (payload := framer.take()) is not None:
                said = decode(payload)
                seen += [said["seq"]] if said.get("topic") == "result" else []
            assert seen == [2, 3, 4]
            run.service.stop()
            await stream.aclose()
