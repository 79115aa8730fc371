"""The same service on real sockets, in real processes."""

import json
import signal
import socket
from pathlib import Path

import pytest
import trio

from spikewire.runtime import (
    BlockingClient,
    ConnectionLost,
    ProtocolError,
    RequestRefused,
    Service,
    ServiceError,
    Settings,
    connect,
)
from spikewire.runtime.protocol.frames import encode
from tests.support.endless import start


async def test_a_blocking_client_teaches_and_watches(fakes, on_tcp):
    source, network = fakes.Source(), fakes.Network()

    def converse(port):
        with BlockingClient(port=port, subscribe=["result"], timeout_s=30) as client:
            assert client.hello["classes"] == ["a", "b"]
            assert client.teach("wave")["tick"] == 0
            with pytest.raises(RequestRefused, match="no checkpoint folder"):
                client.checkpoint()
            assert client.status()["status"]["classes"] == ["a", "b", "wave"]
            trio.from_thread.run_sync(source.push, fakes.packet(range(0, 50_000, 500)))
            trio.from_thread.run_sync(source.finish)
            results = list(client.results())
            assert client.goodbye["reason"] == "source ended"
            return results

    async with on_tcp(source, network) as service:
        results = await trio.to_thread.run_sync(converse, service.addresses[0][1])
    assert [r["tick"] for r in results] == list(range(0, 51, 10))
    assert all(r["label"] == "wave" and r["teaching"] for r in results)
    assert network.taught[2] == 100


async def test_messages_that_come_while_a_request_waits_are_kept(fakes, on_tcp):
    source = fakes.Shelf()

    def converse(port):
        with BlockingClient(port=port, subscribe=["result"], timeout_s=30) as client:
            reply = client.play("clip", stop_us=30_000)
            messages = iter(client)
            return reply, [next(messages)["tick"] for _ in range(4)]

    async with on_tcp(source, fakes.Network()) as service:
        reply, ticks = await trio.to_thread.run_sync(converse, service.addresses[0][1])
    assert reply["events"] == 60
    assert ticks == [0, 10, 20, 30]


async def test_an_async_client_over_tcp(fakes, on_tcp):
    source = fakes.Source()
    async with (
        on_tcp(source, fakes.Network()) as service,
        connect(port=service.addresses[0][1], subscribe=["result"]) as client,
    ):
        assert (await client.learn(False))["on"] is False
        source.push(fakes.packet(range(0, 30_000, 500)))
        source.finish()
        assert [r["tick"] async for r in client.results()] == [0, 10, 20, 30]


async def test_who_never_reads_loses_messages_and_nobody_else_does(fakes, on_tcp):
    source = fakes.Source()
    async with on_tcp(source, fakes.Network(), subscriber_messages=100) as service:
        port = service.addresses[0][1]
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        hello = encode({"type": "hello", "protocol": 1})
        deaf.sendall(hello + encode({"type": "subscribe", "topics": ["result"]}))
        with deaf:
            async with connect(port=port, subscribe=["result"], buffer=100_000) as client:
                results = client.results()
                count = 0
                # Until the kernel's buffers are full, and then until the policy acts.
                while not service.first.broker.dropped:
                    start = count * 10_000
                    times = range(start, start + 1_000_000, 5000)
                    source.push(fakes.packet(times, watermark=start + 1_000_000))
                    for _ in range(100):
                        count += 1
                        assert (await anext(results))["seq"] == count
                assert client.missed == 0


async def test_many_bad_peers_leave_no_connection_behind(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        port = service.addresses[0][1]

        def attack():
            hello = encode({"type": "hello", "protocol": 1})
            for junk in (
                b"",
                b"\xff" * 9,
                b"GET / HTTP/1.1\r\n\r\n",
                hello + b"\0\0\0\x02\xc1\xc1",
            ):
                for _ in range(10):
                    with socket.create_connection(("127.0.0.1", port)) as peer:
                        peer.sendall(junk)

        async with connect(port=port) as client:
            await trio.to_thread.run_sync(attack)
            while service.connections > 1:  # noqa: ASYNC110 - other ends are awaited
                await trio.sleep(0.01)
            assert (await client.status())["ok"]


async def test_an_error_reaches_a_peer_that_went_on_sending(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:

        def converse(port):
            with BlockingClient(port=port, timeout_s=30) as client:
                client._socket.sendall(b"\0\0\0\x01\xc1" + b"x" * 200_000)
                with pytest.raises(ProtocolError, match="not one msgpack map"):
                    client.status()

        await trio.to_thread.run_sync(converse, service.addresses[0][1])


async def test_a_port_in_use_is_one_sentence(fakes, on_tcp):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = Service(fakes.Source(), fakes.Network(), Settings(port=port))
        with pytest.raises(ServiceError, match=f"port {port}: Address already in use"):
            await service.serve(signals=False)


async def test_nobody_there_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    sentence = rf"Cannot reach a service at 127\.0\.0\.1:{port}: Connection refused"
    with pytest.raises(ConnectionLost, match=sentence):
        BlockingClient(port=port)
    with pytest.raises(ConnectionLost, match=sentence):
        async with connect(port=port):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_process_in_order(tmp_path, number):
    process, port = start(folder=tmp_path)
    try:
        with BlockingClient(port=port, subscribe=["result"], timeout_s=30) as client:
            results = client.results()
            ticks = [next(results)["tick"] for _ in range(5)]
            process.send_signal(number)
            ticks += [result["tick"] for result in results]
            goodbye = client.goodbye
        out, err = process.communicate()
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    tick, events, reason, checkpoint = json.loads(out)
    assert reason == "stopped"
    assert goodbye == {"type": "goodbye", "reason": "stopped", "tick": tick}
    assert ticks == list(range(ticks[0], ticks[-1] + 1, 10))
    assert ticks[-1] == tick - 1
    saved = json.loads(Path(checkpoint).read_bytes())
    assert saved[0] == tick
    # Ten events to a tick: what arrived was computed to the last one.
    assert events % 100 == 0
