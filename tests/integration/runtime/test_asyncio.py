"""Programs of asyncio talk to a service: over sockets, from a loop in another thread."""

import asyncio

import pytest
import trio

from spikewire.runtime import (
    BlockingClient,
    ConnectionLost,
    ProtocolError,
    RequestRefused,
    connect_asyncio,
)
from tests.support.certificates import write_certificate


async def run(program, *arguments):
    """Run a coroutine function in a loop of its own, while the service runs here."""
    return await trio.to_thread.run_sync(lambda: asyncio.run(program(*arguments)))


async def test_results_arrive_and_requests_are_answered(fakes, on_tcp):
    source = fakes.Source()
    subscribed = trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def program(host, port):
        async with connect_asyncio(host, port, subscribe=["result"], name="loop") as client:
            assert client.hello["classes"] == ["a", "b"]
            # Requests of several tasks are answered each by its own.
            learn, status = await asyncio.gather(client.learn(False), client.status())
            assert (learn["on"], status["status"]["state"]) == (False, "running")
            with pytest.raises(RequestRefused, match="no checkpoint folder"):
                await client.checkpoint()
            await client.teach("b")
            token.run_sync_soon(subscribed.set)
            seen = [message["seq"] async for message in client if message["type"] == "message"]
            with pytest.raises(ConnectionLost, match="goodbye"):
                await client.status()
            return seen, client.goodbye["reason"]

    async def feed():
        await subscribed.wait()
        source.push(fakes.packet(range(0, 100_000, 500), 99_999))
        source.finish()

    async with on_tcp(source, fakes.Network()) as service, trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        seen, reason = await run(program, *service.addresses[0])
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 10
    assert reason == "source ended"


async def test_messages_not_taken_are_told_by_a_gap(fakes, on_tcp):
    source = fakes.Source([fakes.packet(range(0, 200_000, 500), 199_999)])

    async def program(host, port):
        async with connect_asyncio(host, port, buffer=4) as client:
            await client.request(
                "subscribe", topics=["result"], last_seq={"result": 0}, run=client.hello["run"]
            )
            # The answer comes after the messages.
            await client.status()
            gap = await anext(client)
            return gap, [(await anext(client))["seq"] for _ in range(4)]

    async with on_tcp(source, fakes.Network()) as service:
        while service.first.network_task.tick < 190:  # noqa: ASYNC110
            await trio.sleep(0.01)
        gap, numbers = await run(program, *service.addresses[0])
    assert (gap["type"], gap["topic"], gap["first"]) == ("gap", "result", 1)
    assert numbers == list(range(gap["last"] + 1, gap["last"] + 5))


async def test_errors_are_those_of_the_other_clients(fakes, on_tcp, tmp_path):
    secret = "control-secret-0123456789"

    async def visit(*where, **options):
        async with connect_asyncio(*where, **options) as client:
            return client.hello["may"]

    async with on_tcp(fakes.Source(), fakes.Network(), control_token=secret) as service:
        host, port = service.addresses[0]
        with pytest.raises(ProtocolError, match="wants a token"):
            await run(visit, f"{host}:{port}")
        assert await run(lambda: visit(host, port, token=secret)) == "control"
    with pytest.raises(ConnectionLost, match=f"Cannot reach a service at {host}:{port}"):
        await run(visit, host, port)


async def test_tls_and_unix_sockets(fakes, on_tcp, tmp_path):
    certificate = write_certificate(tmp_path, "service")
    path = str(tmp_path / "s")

    async def visit(*where, **options):
        async with connect_asyncio(*where, **options) as client:
            return (await client.status())["ok"]

    settings = {**certificate, "unix_path": path}
    async with on_tcp(fakes.Source(), fakes.Network(), **settings) as service:
        host, port = service.addresses[0]
        assert await run(lambda: visit(host, port, tls=True, ca=certificate["tls_cert"]))
        assert await run(visit, f"unix:{path}")
        with pytest.raises(ConnectionLost, match="No secure connection"):
            await run(lambda: visit(host, port, tls=True))


async def test_a_service_that_vanishes_is_a_lost_connection(fakes, on_tcp):
    started = trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def program(host, port):
        async with connect_asyncio(host, port, subscribe=["result"]) as client:
            token.run_sync_soon(started.set)
            with pytest.raises(ConnectionLost, match="without a goodbye"):
                await anext(client)
            with pytest.raises(ConnectionLost):
                await client.status()

    async with on_tcp(fakes.Source(), fakes.Network()) as service, trio.open_nursery() as nursery:
        nursery.start_soon(run, program, *service.addresses[0])
        await started.wait()
        for queue in tuple(service.first.broker._queues):
            queue.finish()


async def test_a_blocking_client_in_a_thread(fakes, on_tcp):
    async def program(host, port):
        def lesson():
            with BlockingClient(host, port) as client:
                return client.teach("a")["label"]

        return await asyncio.to_thread(lesson)

    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        assert await run(program, *service.addresses[0]) == "a"
