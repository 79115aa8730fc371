"""Places of a server of pages: a newer connection takes that of the oldest silent one."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio

pytest.importorskip("starlette")
from spikewire.runtime.net.asgi_server import AsgiServer


async def app(*_: Any) -> None:
    """Never reached."""


def peer(*, asked: bool) -> Any:
    return SimpleNamespace(asked=asked, scope=trio.CancelScope())


async def test_the_oldest_one_without_a_request_makes_room() -> None:
    server: Any = AsgiServer(app, trio.Event(), most=3)  # type: ignore[arg-type]
    busy, silent, newer = peer(asked=True), peer(asked=False), peer(asked=False)
    server._open.update({"busy": busy, "silent": silent})
    assert server._make_room()
    assert not silent.scope.cancel_called
    server._open["newer"] = newer
    assert server._make_room()
    assert silent.scope.cancel_called
    assert not busy.scope.cancel_called
    assert list(server._open) == ["busy", "newer"]
    newer.asked = True
    server._open["third"] = peer(asked=True)
    assert not server._make_room()
