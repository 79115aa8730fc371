"""Both clients on real sockets: a service that is killed and restarted, a proxy that cuts."""

import contextlib
import random
import socket
import threading

import pytest
import trio

from spikewire.runtime import BlockingClient, ConnectionLost, ProtocolError, Retry, follow
from tests.support.endless import end, start

SOON = {"first_s": 0.01, "most_s": 0.05}


class Proxy:
    """Hands bytes on between clients and a service, until it is told to cut all connections."""

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [ours, theirs]
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._hand_on, args=(source, sink), daemon=True).start()

    def _hand_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self):
        ends, self._ends = self._ends, []
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def results(fakes, first, count):
    start = first * 10_000
    return fakes.packet(range(start, start + count * 10_000, 1000), start + count * 10_000 - 1)


async def test_the_blocking_client_resumes_behind_a_proxy_that_cuts(fakes, on_tcp):
    source = fakes.Source()

    def converse(port):
        proxy = Proxy(port)
        with contextlib.closing(proxy), BlockingClient(
            port=proxy.port, subscribe=["result"], timeout_s=30, reconnect=Retry(**SOON),
            notices=True,
        ) as client:  # fmt: skip
            messages, seen, kinds = iter(client), [], []
            for n in range(5):
                trio.from_thread.run_sync(source.push, results(fakes, 10 * n, 10))
                while len(seen) < 10 * (n + 1):
                    message = next(messages)
                    kinds.append(message["type"])
                    if message["type"] == "message":
                        seen.append(message["seq"])
                proxy.cut()
                if n == 2:
                    # The loss is noticed by the request: it may have been done, says the client.
                    with pytest.raises(ConnectionLost, match="is not asked again"):
                        client.teach("wave")
                    # The next one looks for the service first.
                    assert client.status()["ok"]
            return seen, kinds

    async with on_tcp(source, fakes.Network()) as service:
        seen, kinds = await trio.to_thread.run_sync(converse, service.addresses[0][1])
    assert seen == list(range(1, 51))
    assert kinds.count("lost") == kinds.count("back") == 4


async def test_the_async_client_resumes_behind_a_proxy_that_cuts(fakes, on_tcp):
    source = fakes.Source()
    async with on_tcp(source, fakes.Network()) as service:
        proxy = Proxy(service.addresses[0][1])
        with contextlib.closing(proxy):
            async with follow(port=proxy.port, subscribe=["result"], retry=Retry(**SOON)) as stream:
                seen = []
                for n in range(5):
                    source.push(results(fakes, 10 * n, 10))
                    seen += [(await anext(stream))["seq"] for _ in range(10)]
                    proxy.cut()
        assert seen == list(range(1, 51))


async def test_a_blocking_client_gives_up_and_fails_by_choice(fakes, on_tcp):
    source = fakes.Source()

    def converse(port):
        proxy = Proxy(port)
        retry = Retry(**SOON, attempts=3, chance=random.Random(0))
        with BlockingClient(port=proxy.port, subscribe=["stat*"], reconnect=retry, away="fail",
                            timeout_s=30) as client:  # fmt: skip
            assert client.unsubscribe("stats")["topics"] == ["status"]
            proxy.close()
            with pytest.raises(ConnectionLost, match="may have been done"):
                client.learn(False)
            with pytest.raises(ConnectionLost, match="away: learn was not asked"):
                client.learn(False)
            with pytest.raises(ConnectionLost, match="Given up after 3 attempts"):
                list(client)

    async with on_tcp(source, fakes.Network()) as service:
        await trio.to_thread.run_sync(converse, service.addresses[0][1])


async def test_a_wrong_token_ends_a_blocking_client_at_once(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network(), control_token="0123456789abcdef") as service:

        def converse(port):
            with pytest.raises(ProtocolError, match="wants a token"):
                BlockingClient(port=port, token="wrong", reconnect=Retry(at_start=True))

        await trio.to_thread.run_sync(converse, service.addresses[0][1])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_service_is_restarted_on_the_same_port(how):
    """By kill -9 without a goodbye, by SIGTERM with one: the blocking client waits for both."""
    process, port = start()
    try:
        with BlockingClient(
            port=port, subscribe=["result"], reconnect=Retry(**SOON), after_goodbye="wait",
            notices=True, timeout_s=30,
        ) as client:  # fmt: skip
            messages = iter(client)
            run = client.hello["run"]
            first = [next(messages)["seq"] for _ in range(20)]
            assert first == list(range(first[0], first[0] + 20))
            end(process, how)
            process, _ = start(port)
            told = []
            while not told or told[-1]["type"] != "back":
                told.append(next(messages))
            assert told[-2]["type"] == "lost"
            assert ("goodbye" in told[-2]) == (how == "terminate")
            assert told[-1]["new_run"]
            assert client.hello["run"] == told[-1]["hello"]["run"] != run
            assert [next(messages)["seq"] for _ in range(20)] == list(range(1, 21))
    finally:
        end(process, "kill")


@pytest.mark.slow
async def test_the_async_client_finds_a_killed_service_again():
    process, port = await trio.to_thread.run_sync(start)
    try:
        with trio.fail_after(60):
            async with follow(
                "127.0.0.1", port, subscribe=["result"], retry=Retry(**SOON), notices=True
            ) as stream:
                await anext(stream)
                await trio.to_thread.run_sync(end, process, "kill")
                process, _ = await trio.to_thread.run_sync(start, port)
                while (message := await anext(stream))["type"] != "back":
                    pass
                assert message["new_run"]
                assert [(await anext(stream))["seq"] for _ in range(20)] == list(range(1, 21))
    finally:
        await trio.to_thread.run_sync(end, process, "kill")
