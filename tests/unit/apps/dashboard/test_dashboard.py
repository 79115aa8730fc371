"""The dashboard's server: what it hands out, what it carries, and whom it refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import msgpack
import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from spikewire.apps import commands as cli
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.dashboard import serve_dashboard
from spikewire.apps.dashboard.asgi import static_files
from spikewire.apps.dashboard.security import host_allowed, origin_allowed, own_names
from spikewire.apps.dashboard.websocket_relay import Relay
from spikewire.runtime import ConnectionLost, ServiceAddress, frame
from tests.support.patience import patience
from tests.support.programs import needed_program

STATIC = Path(__file__).parents[4] / "apps" / "dashboard" / "static"


# -- who may ask -----------------------------------------------------------------------------------


def test_hosts() -> None:
    names = own_names("127.0.0.1", public=False)
    for good in ("localhost:7480", "127.0.0.1:7480", "[::1]:7480", "LOCALHOST", "192.168.1.5"):
        assert host_allowed(good, names), good
    for bad in (None, "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "["):
        assert not host_allowed(bad, names), bad
    assert host_allowed("box.lan:80", own_names("box.lan", public=True))


def test_origins() -> None:
    assert origin_allowed("http://localhost:7480", "localhost:7480")
    assert origin_allowed("https://box", "box")
    for bad in (
        None,
        "null",
        "http://evil.example",
        "http://localhost:80",
        "file://localhost:7480",
    ):
        assert not origin_allowed(bad, "localhost:7480"), bad


# -- the page --------------------------------------------------------------------------------------


def test_the_page_needs_nothing_from_elsewhere() -> None:
    files = static_files()
    assert {"index.html", "style.css", "main.js", "icon.svg"} <= set(files)
    for name, data in files.items():
        text = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn|@import|url\(", text), name
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in files, f"{name} imports {module}"
    page = files["index.html"].decode()
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert link in files, link
    # The policy allows no script and no style in the page itself.
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_in_both_themes(theme: str) -> None:
    light, dark = (
        static_files()["style.css"].decode().split("@media (prefers-color-scheme: dark)")[:2]
    )
    told = {"light": light, "dark": dark.partition("}")[0]}[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", told))
    for ink in ("ink", "dim", "faint"):
        for ground in ("panel", "page", "sunk"):
            low, high = sorted(luminance(colours[name]) for name in (ink, ground))
            contrast = (high + 0.05) / (low + 0.05)
            assert contrast >= 4.5, f"{ink} on {ground}: {contrast:.2f}"  # WCAG 1.4.3


def test_every_part_that_the_scripts_name_is_on_the_page() -> None:
    files = static_files()
    there = set(re.findall(r'id="([^"]+)"', files["index.html"].decode()))
    for name, data in files.items():
        if name.endswith(".js"):
            named = set(re.findall(r'\$\("([^"]+)"\)', data.decode()))
            assert named <= there, f"{name}: {named - there}"


def node(script: str, given: bytes = b"") -> bytes:
    done = subprocess.run(
        [needed_program("node"), "--input-type=module", "-e", script],
        input=given, capture_output=True, cwd=STATIC, timeout=patience(60),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


VALUES: list[Any] = [
    None, True, False, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32, 2**53 - 1,
    -1, -32, -33, -128, -129, -(2**31), -(2**31) - 1, 0.5, -1e300,
    "", "wave", "ä€😀", "x" * 31, "x" * 32, "x" * 255, "x" * 70_000,
    b"", b"\x00\xff", b"z" * 300, b"z" * 70_000,
    [], [1, [2, [3]]], list(range(20)), list(range(70_000)),
    {}, {"a": {"b": None}}, {str(n): n for n in range(20)}, {"__proto__": 1, "constructor": 2},
]  # fmt: skip


@pytest.mark.slow
def test_the_pages_msgpack_and_pythons_agree() -> None:
    script = """
        import { decodeAll, encode } from "./msgpack.js";
        import { readFileSync, writeSync } from "node:fs";
        for (const value of decodeAll(new Uint8Array(readFileSync(0)))) {
            const bytes = encode(value);
            for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
        }
    """
    packed = b"".join(msgpack.packb(value) for value in VALUES)
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(node(script, packed))
    assert list(unpacker) == VALUES


@pytest.mark.slow
def test_the_pages_msgpack_refuses_what_ends_too_early() -> None:
    script = """
        import { decodeAll } from "./msgpack.js";
        for (const bytes of [[0x81], [0xa3, 0x61], [0xc4, 9], [0xd3, 1], [0xc1], [0x92, 1]]) {
            let refused = false;
            try { decodeAll(Uint8Array.from(bytes)); } catch { refused = true; }
            if (!refused) throw new Error(`taken: ${bytes}`);
        }
    """
    node(script)


# -- over real sockets -----------------------------------------------------------------------------


class Browser:
    """The least a browser does: an upgrade, and messages."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.events: Any = iter(())

    async def hear(self) -> Any:
        while True:
            for event in self.events:
                if isinstance(event, Ping):
                    await self.stream.send_all(self.protocol.send(event.response()))
                    continue
                return event
            data = await self.stream.receive_some(65536)
            self.protocol.receive_data(data or None)
            self.events = self.protocol.events()

    async def message(self) -> bytes:
        whole = b""
        while True:
            event = await self.hear()
            assert isinstance(event, BytesMessage), event
            whole += event.data
            if event.message_finished:
                return whole

    async def say(self, data: bytes | str) -> None:
        event = BytesMessage(data) if isinstance(data, bytes) else TextMessage(data)
        await self.stream.send_all(self.protocol.send(event))


async def browse(url: str, **headers: str) -> Browser:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    browser = Browser(await trio.open_tcp_stream(host, int(port)))
    OPEN.append(browser.stream)
    headers = {"origin": url, **headers}
    asked = Request(
        host=headers.pop("host", f"{host}:{port}"), target="/ws",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers.items() if value],
    )  # fmt: skip
    await browser.stream.send_all(browser.protocol.send(asked))
    return browser


async def opened(url: str, **headers: str) -> Browser:
    browser = await browse(url, **headers)
    assert isinstance(await browser.hear(), AcceptConnection)
    return browser


OPEN: list[trio.SocketStream] = []


Talk = Callable[[trio.SocketStream], Any]


@asynccontextmanager
async def serving(talk: Talk | None = None, **how: Any) -> AsyncIterator[str]:
    """A dashboard, before a service that talks like that; without one nobody listens."""
    async with trio.open_nursery() as nursery:
        port = 1
        if talk is not None:
            start = partial(trio.serve_tcp, talk, 0, host="127.0.0.1")
            port = (await nursery.start(start))[0].socket.getsockname()[1]
        door = ServiceAddress("127.0.0.1", port)
        url = await nursery.start(partial(serve_dashboard, door, port=0, **how))
        with trio.fail_after(20):
            yield url
        while OPEN:
            await trio.aclose_forcefully(OPEN.pop())
        nursery.cancel_scope.cancel()


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def get(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    stream = await trio.open_tcp_stream(host, int(port))
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    if "host" not in headers:
        lines.append(f"host: {host}:{port}")
    await stream.send_all(("\r\n".join([*lines, "connection: close", "", ""])).encode())
    async with stream:
        answer = b"".join([data async for data in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    told = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split()[1]), told, body


async def test_the_page_and_its_headers() -> None:
    async with serving() as url:
        code, headers, body = await get(url, "/")
        assert (code, body) == (200, static_files()["index.html"])
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert (await get(url, "/", **{"if-none-match": headers["etag"]}))[0] == 304
        code, headers, _ = await get(url, "/main.js")
        assert (code, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        for path in ("/nothing.js", "/../_app.py", "/%2e%2e/_app.py", "/..%2f_app.py"):
            assert (await get(url, path))[0] == 404, path
        assert (await get(url, "/", host="evil.example"))[0] == 421


async def test_messages_go_both_ways_unread() -> None:
    async with serving(echo) as url:
        browser = await opened(url)
        for payload in (b"\xc1 no msgpack at all", b"x", bytes(60_000)):
            await browser.say(payload)
            assert await browser.message() == payload


async def test_what_comes_at_once_goes_on_at_once() -> None:
    payloads = [msgpack.packb({"n": n}) for n in range(100)]

    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"".join(map(frame, payloads)))

    async with serving(talk) as url:
        browser = await opened(url)
        assert await browser.message() == b"".join(payloads)
        ended = await browser.hear()
        assert isinstance(ended, CloseConnection)
        assert ended.code == 1000


async def test_a_page_of_somebody_else_is_refused() -> None:
    async with serving(echo) as url:
        for headers in ({"origin": "http://evil.example"}, {"origin": ""},
                        {"host": "evil.example", "origin": "http://evil.example"}):  # fmt: skip
            refused = await (await browse(url, **headers)).hear()
            assert isinstance(refused, RejectConnection)
            assert refused.status_code == 403


async def test_a_service_that_is_not_there_is_told() -> None:
    async with serving() as url:
        browser = await opened(url)
        told = msgpack.unpackb(await browser.message())
        assert told["type"] == "unreachable"
        assert told["message"] == "Cannot reach a service at 127.0.0.1:1: Connection refused."
        ended = await browser.hear()
        assert ended.code == 1013


async def test_a_service_that_speaks_something_else_is_told() -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(talk) as url:
        told = msgpack.unpackb(await (await opened(url)).message())
        assert (told["type"], told["code"]) == ("error", "frame_too_large")


async def test_a_browser_that_says_too_much_is_cut_off() -> None:
    async with serving(echo) as url:
        browser = await opened(url)
        await browser.say(bytes(100_000))
        ended = await browser.hear()
        assert isinstance(ended, CloseConnection)
        assert ended.code == 1009


async def test_when_the_page_vanishes_its_last_will_is_done() -> None:
    heard = bytearray()
    over = trio.Event()

    async def talk(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                heard.extend(data)
        over.set()

    async with serving(talk) as url:
        browser = await opened(url)
        await browser.say(b"teach")
        await browser.say(b"teach nothing".hex())
        await browser.stream.aclose()
        await over.wait()
        assert heard == frame(b"teach") + frame(b"teach nothing")
        heard.clear()
        over = trio.Event()
        browser = await opened(url)
        await browser.say(b"no hexadecimal".hex() + "zz")
        await browser.say(b"teach nothing".hex())
        await browser.say("")
        await browser.say(b"x")
        await browser.say("nonsense")
        await browser.stream.aclose()
        await over.wait()
        assert heard == frame(b"x")


class Phone:
    """The end of a WebSocket that the relay sees, without a network."""

    def __init__(self) -> None:
        self.says, self._heard = trio.open_memory_channel[dict[str, Any]](100)
        self.client_state = self.application_state = None
        self.receive = self._heard.receive

    async def say(self, data: bytes | str) -> None:
        kind = "bytes" if isinstance(data, bytes) else "text"
        await self.says.send({"type": "websocket.receive", kind: data})


async def test_a_phone_that_falls_silent_while_it_teaches_teaches_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    door = SimpleNamespace(open=AsyncMock(return_value=ours))
    phone: Any = Phone()
    will = b"teach nothing".hex()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Relay(phone, door, trio.Event()).run)  # type: ignore[arg-type]
        await phone.say(will)
        await phone.say(b"teach")
        assert await theirs.receive_some() == frame(b"teach")
        for _ in range(20):
            await trio.sleep(1)
            await phone.say(will)
        with trio.move_on_after(2.9) as held:
            await theirs.receive_some()
        assert held.cancelled_caught
        with trio.fail_after(0.2):
            assert await theirs.receive_some() == frame(b"teach nothing")
        # Once; and who comes back is listened to, and may be silent when nothing is taught.
        await trio.sleep(60)
        await phone.say(b"hello again")
        assert await theirs.receive_some() == frame(b"hello again")
        await phone.say(will)
        await phone.say("")
        await trio.sleep(60)
        await phone.says.send({"type": "websocket.disconnect"})
        assert await theirs.receive_some() == b""


@pytest.mark.slow
async def test_a_browser_that_does_not_read_stops_the_service_being_read() -> None:
    sent = 0

    async def talk(stream: trio.SocketStream) -> None:
        nonlocal sent
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame(bytes(100_000)))
                sent += 100_004

    async with serving(talk) as url:
        await opened(url)  # and never reads
        before = -1
        while sent != before:
            before = sent
            await trio.sleep(0.2)
        assert sent < 32_000_000  # the kernel's own buffers, and no more
        stubborn = OPEN.pop()
        began = trio.current_time()
    # The server's last words are a matter of a second, whoever listens.
    assert trio.current_time() - began < 3
    await trio.aclose_forcefully(stubborn)


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
        assert trio.current_time() - began < 2
    assert len(codes) == 5
    for stream in left:
        await trio.aclose_forcefully(stream)


async def test_the_usual_port_may_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    taken = listener.socket.getsockname()[1]
    monkeypatch.setattr("spikewire.apps.dashboard.server.DASHBOARD_PORT", taken)
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


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "say --public"),
        (["--source", "sim:", "--connect", "127.0.0.1:1"], "leave out --connect"),
        (["--connect", "here"], "HOST:PORT"),
        (["--port", "0"], "--port is for a service that the dashboard runs: give --source"),
        (["--model", "edge"], "--model is for a service"),
        (["--classes", "a,b"], "--classes is for a service"),
        (["--filter", "hot"], "--filter is for a service"),
        (["--speed", "1"], "--speed is for a service"),
        (["--checkpoint", "there"], "--checkpoint is for a service"),
        (["--record-folder", "there"], "--record-folder is for a service"),
        (["--control-token", "there"], "--control-token is for a service"),
        (["--seed", "0"], "--seed is for a service"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["dashboard", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "starlette.applications", None)
    assert cli.run(["dashboard", "--http-port", "0"]) == 1
    assert "spikewire[http]" in capsys.readouterr().err


def test_a_service_and_its_page_in_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found: list[Any] = []

    # The service stays for those who look, so the test ends it.
    async def look(door: ServiceAddress, *_: Any, task_status: Any, **__: Any) -> None:
        from spikewire.runtime import connect

        task_status.started("http://127.0.0.1:1")
        async with connect(door.host, door.port) as client:
            await trio.sleep(0.1)  # several times as long as the recording
            found.append((await client.status())["status"]["source"])
            await client.replay(position_us=0, paused=True)
            with trio.fail_after(20):
                while True:
                    now = (await client.status())["status"]["source"]["replay"]
                    if now["position_us"] == 0:
                        break
                    await trio.sleep(0.01)
                found.append(now)
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr("spikewire.apps.dashboard.command.serve_dashboard", look)
    file = tmp_path / "bar.csv"
    file.write_text("".join(f"{t},{t // 1000 % 30},5,1\n" for t in range(0, 20_000, 100)))
    arguments = ["dashboard", "--source", f"file:{file}?size=32x32", "--port", "0", "--json"]
    assert cli.run(arguments) == 0
    (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told["type"] == "serving"
    source, sought = found
    # At the speed of life, and waiting: what the page's buttons ask for is done.
    assert source["state"] == "running"
    assert source["replay"]["speed"] == 1.0
    assert sought["paused"]


def test_what_a_source_says_of_itself_goes_before_what_files_get(tmp_path: Path) -> None:
    file = tmp_path / "bar.csv"
    file.write_text("0,1,5,1\n100,2,5,1\n")
    defaults = {"wait": True, "speed": 1.0}

    def opened(more: str, speed: str | None = None) -> tuple[Any, Any]:
        source: Any = open_source_at(f"file:{file}?size=32x32{more}", speed, None, defaults)
        return source._wait, source.speed

    assert opened("") == (True, 1.0)
    assert opened("&wait=0&speed=max") == (False, None)
    assert opened("&speed=2", "4") == (True, 4.0)
    assert opened("", "max") == (True, None)
    assert open_source_at("sim:", None, None, defaults).name.startswith("sim:")


@pytest.mark.parametrize("own", [(), ("--port", "0")])
def test_where_the_usual_port_is_taken_the_page_says_how_to_find_its_service(
    own: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look(door: ServiceAddress, *_: Any, task_status: Any, **__: Any) -> None:
        task_status.started(f"http://service-at-{door.port}")
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr("spikewire.apps.dashboard.command.serve_dashboard", look)
    monkeypatch.setattr("spikewire.apps.dashboard.command.free_port", lambda _: 0)
    assert cli.run(["dashboard", "--source", "sim:", *own]) == 0
    said = capsys.readouterr().err
    (port,) = set(re.findall(r"service-at-(\d+)", said))
    told = f"other commands find this one with -c 127.0.0.1:{port}\n"
    assert (told in said) == (not own)
