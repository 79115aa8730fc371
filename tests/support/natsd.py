"""A real nats-server for tests, and a plain nats-py reader beside it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.patience import patience
from tests.support.programs import needed_program


class Server:
    """nats-server on a free port of the loopback; may be killed and started again there."""

    def __init__(self, folder: Path, *options: str, config: str = "") -> None:
        program = needed_program("nats-server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._words = [program, "-a", "127.0.0.1", "-p", str(self.port), *options]
        self._log = folder / f"nats-{self.port}.log"
        if config:
            written = folder / f"nats-{self.port}.conf"
            written.write_text(config)
            self._words += ["-c", str(written)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._words, stdout=log, stderr=log)
        deadline = time.monotonic() + patience(30)
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return self
        pytest.fail(f"nats-server did not start:\n{self._log.read_text()}")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(patience(30))
            self.process = None


class Reader:
    """Takes all messages of a subject with plain nats-py, in a thread of its own."""

    def __init__(self, url: str, subject: str) -> None:
        self.messages: list[tuple[str, bytes, dict[str, str]]] = []
        self._url, self._subject = url, subject
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._done: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(patience(30))

    async def _run(self) -> None:
        import nats

        self._done = asyncio.Event()

        async def take(message: object) -> None:
            self.messages.append((message.subject, message.data, dict(message.headers or {})))

        client = await nats.connect(self._url)
        await client.subscribe(self._subject, cb=take)
        await client.flush()
        self._ready.set()
        await self._done.wait()
        await client.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(patience(30))
        self._loop.close()


def need_nats() -> None:
    """Skip, and say what is missing, where there is no server or no client of Python's."""
    needed_program("nats-server")
    pytest.importorskip("nats", reason="install spikewire[nats] to run this test")


def server_or_skip(folder: Path, *options: str, config: str = "") -> Server:
    """Return a server that runs, or skip and say what is missing."""
    need_nats()
    return Server(folder, *options, config=config).start()
