"""A Unix socket belongs to one listener, which alone removes it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import trio

from spikewire.runtime import ServiceError
from spikewire.runtime.net.unix_socket import open_unix


def there(path: str) -> bool:
    return os.path.lexists(path)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "socket")


async def test_it_is_for_this_user_and_gone_when_closed(path: str) -> None:
    listener = await open_unix(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    async with await trio.open_unix_socket(path), await listener.accept():
        pass
    await listener.aclose()
    assert not there(path)
    await listener.aclose()


async def test_a_second_listener_is_refused_while_the_first_lives(path: str) -> None:
    first = await open_unix(path)
    with pytest.raises(ServiceError, match="another service does already"):
        await open_unix(path)
    async with await trio.open_unix_socket(path), await first.accept():
        pass
    await first.aclose()
    await (await open_unix(path)).aclose()


async def test_a_listener_with_a_full_queue_lives(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(path)
        busy.listen(0)
        peers = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(4)]
        for peer in peers:
            peer.setblocking(False)
            peer.connect_ex(path)
        with pytest.raises(ServiceError, match="another service does already"):
            await open_unix(path)
        assert there(path)
        for peer in peers:
            peer.close()


async def test_the_socket_of_a_killed_service_is_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(path)
        killed.listen()
    listener = await open_unix(path)
    async with await trio.open_unix_socket(path), await listener.accept():
        pass
    await listener.aclose()


async def test_the_socket_of_another_service_stays(path: str) -> None:
    first = await open_unix(path)
    os.unlink(path)  # by hand, or by a script that tidies up
    second = await open_unix(path)
    await first.aclose()
    async with await trio.open_unix_socket(path), await second.accept():
        pass
    await second.aclose()
    assert not there(path)


async def test_a_listener_that_is_cancelled_removes_its_file(path: str) -> None:
    listener = await open_unix(path)

    async def converse(stream: trio.SocketStream) -> None:
        await stream.aclose()

    with trio.move_on_after(0.05):
        await trio.serve_listeners(converse, [listener])
    assert not there(path)
