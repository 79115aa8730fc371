"""A line that is really cut, between a client and a service on real sockets."""

import socket
import struct
from functools import partial

import pytest
import trio

from spikewire.runtime.protocol.frames import encode
from tests.support.patience import patience
from tests.support.wire import HELLO
from tests.unit.runtime.server.test_leases import SlowShelf

pytestmark = pytest.mark.timeout(patience(30))
LEASE_S = 1.0


class Line:
    """A proxy that forwards bytes until it is cut: it falls silent, or both ends are reset."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ends: list[trio.SocketStream] = []
        self.silent = False

    async def carry(self, near: trio.SocketStream) -> None:
        far = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.ends += [near, far]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, near, far)
            nursery.start_soon(self._forward, far, near)

    async def _forward(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            while data := await source.receive_some(65536):
                if not self.silent:
                    await sink.send_all(data)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def cut(self, how: str) -> None:
        self.silent = True
        if how == "reset":
            for end in self.ends[1:]:  # the first is the client's own
                end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.socket.close()


async def until(condition):
    with trio.fail_after(patience(20)):
        while not condition():  # noqa: ASYNC110 - another machine's part is played here
            await trio.sleep(0.01)


async def client_through(line, nursery):
    """Connect through the line; returns the client's stream, which reads nothing."""
    serve = partial(trio.serve_tcp, line.carry, 0, host="127.0.0.1")
    port = (await nursery.start(serve))[0].socket.getsockname()[1]
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    line.ends.append(stream)
    return stream


async def beats(stream):
    try:
        while True:
            await stream.send_all(encode({"type": "beat"}))
            await trio.sleep(LEASE_S / 4)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


@pytest.mark.parametrize("plays", [False, True], ids=["teaching", "teaching and playing"])
@pytest.mark.parametrize("how", ["silent", "reset"])
async def test_a_cut_line_ends_what_its_client_holds(fakes, on_tcp, how, plays):
    shelf = SlowShelf()
    async with (
        on_tcp(shelf if plays else fakes.Source(), fakes.Network()) as service,
        trio.open_nursery() as nursery,
    ):
        teaching = service.first.network_task.teaching
        line = Line(service.addresses[0][1])
        with trio.fail_after(patience(60)):
            stream = await client_through(line, nursery)
            teach = {"type": "teach", "label": "a", "lease_s": LEASE_S}
            await stream.send_all(HELLO + encode(teach))
            if plays:
                await stream.send_all(encode({"type": "play", "name": "clip"}))
            nursery.start_soon(beats, stream)
            await until(lambda: teaching.taught == "a" and shelf.begun == plays)
            await trio.sleep(2 * LEASE_S)
            assert teaching.taught == "a"  # for longer than its lease
            began = trio.current_time()
            line.cut(how)
            await until(lambda: teaching.taught is None)
            assert trio.current_time() - began < LEASE_S + patience(2)
            if plays and how == "reset":
                await until(lambda: shelf.cut == 1)
            assert shelf.whole == 0
        for end in line.ends:
            await trio.aclose_forcefully(end)
        nursery.cancel_scope.cancel()
