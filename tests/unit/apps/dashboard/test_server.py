"""The dashboard's server: its page, its ports, and access to it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest
import trio
import trio.testing
from wsproto.events import (
    RejectConnection,
)

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.dashboard import serve_dashboard
from spikewire.apps.dashboard.asgi import static_files
from spikewire.runtime import ConnectionLost, ServiceAddress, frame
from tests.support.patience import patience
from tests.unit.apps.dashboard.browser import (
    OPEN,
    Browser,
    Talk,
    browse,
    echo,
    get,
    opened,
    serving,
)


async def test_the_page_and_its_headers() -> None:
    async with serving() as url:
        code, headers, body = await get(url, "/")
        assert (code, body) == (200, static_files()["index.html"])
        policy = dict(part.split(None, 1) for part in headers["content-security-policy"].split(";"))
        assert policy == {
            "default-src": "'none'", "script-src": "'self'", "style-src": "'self'",
            "img-src": "'self' data:", "connect-src": "'self'", "manifest-src": "'self'",
            "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
        }  # fmt: skip
        assert headers["x-frame-options"].upper() == "DENY"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert (await get(url, "/", **{"if-none-match": headers["etag"]}))[0] == 304
        code, headers, _ = await get(url, "/main.js")
        assert (code, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        for path in ("/nothing.js", "/../_app.py", "/%2e%2e/_app.py", "/..%2f_app.py"):
            assert (await get(url, path))[0] == 404, path
        assert (await get(url, "/", host="evil.example"))[0] == 421


async def test_a_page_of_somebody_else_is_refused() -> None:
    async with serving(echo) as url:
        for headers in ({"origin": "http://evil.example"}, {"origin": ""},
                        {"host": "evil.example", "origin": "http://evil.example"}):  # fmt: skip
            refused = await (await browse(url, **headers)).hear()
            assert isinstance(refused, RejectConnection)
            assert refused.status_code == 403


async def test_ending_is_prompt_and_told() -> None:
    codes = []

    async def listen(browser: Browser) -> None:
        ended = await browser.hear()
        await browser.stream.send_all(browser.protocol.send(ended.response()))
        codes.append(ended.code)

    async with trio.open_nursery() as listening:
        async with serving(echo) as url:
            for _ in range(5):
                listening.start_soon(listen, await opened(url))
            await opened(url)  # never reads, and never answers
            idle = await trio.open_tcp_stream("127.0.0.1", int(url.rsplit(":", 1)[1]))
            left = [*OPEN, idle]
            OPEN.clear()
            began = trio.current_time()
        assert trio.current_time() - began < patience(2)
    assert len(codes) == 5
    for stream in left:
        await trio.aclose_forcefully(stream)


async def test_the_usual_port_may_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    taken = listener.socket.getsockname()[1]
    monkeypatch.setattr("spikewire.apps.dashboard.server.PAGE_PORT", taken)
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_dashboard, ServiceAddress()))
        assert int(url.rsplit(":", 1)[1]) != taken
        nursery.cancel_scope.cancel()
    with pytest.raises(CommandError, match=f"port {taken}: Address already in use"):
        await serve_dashboard(ServiceAddress(), port=taken)
    await listener.aclose()


async def test_a_unix_socket_is_a_door_too(tmp_path: Path) -> None:
    path = str(tmp_path / "service")
    sock = trio.socket.socket(trio.socket.AF_UNIX)
    await sock.bind(path)
    sock.listen()
    stream = await ServiceAddress(unix_path=path).open()
    await stream.aclose()
    sock.close()
    with pytest.raises(ConnectionLost, match="No such file"):
        await ServiceAddress(unix_path=path + "-").open()


async def test_a_public_page_needs_a_service_with_a_token() -> None:
    def answers(message: dict[str, Any] | None) -> Talk:
        async def talk(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP" if message is None else frame(msgpack.packb(message)))

        return talk

    for message, told in (
        ({"type": "hello"}, "wants no token"),
        (None, "is no service of protocol 1"),
    ):
        with pytest.RaisesGroup(pytest.RaisesExc(CommandError, match=told), flatten_subgroups=True):
            async with serving(answers(message), public=True):
                pass
    with pytest.RaisesGroup(
        pytest.RaisesExc(CommandError, match="one that runs already"), flatten_subgroups=True
    ):
        async with serving(public=True):
            pass
    # It may want no token from those whom it has room for.
    full = answers({"type": "error", "code": "too_many_connections", "message": "All are in use."})
    with pytest.RaisesGroup(
        pytest.RaisesExc(CommandError, match="does not let the dashboard in: All are in use."),
        flatten_subgroups=True,
    ):
        async with serving(full, public=True):
            pass
    refuses = answers({"type": "error", "code": "wrong_token", "message": "No."})
    async with serving(refuses, public=True) as url:
        assert (await get(url, "/"))[0] == 200


@pytest.mark.parametrize("host", ["a..b", ".b", "x" * 64, "a" * 63 + ".." + "b"])
async def test_a_name_that_cannot_be_is_told(host: str) -> None:
    with pytest.raises(ConnectionLost, match="that is no name of a machine"):
        await ServiceAddress(host, 7462).open()
