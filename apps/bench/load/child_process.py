"""Child processes of this installation that communicate in JSON lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import trio

import spikewire
from spikewire.apps.cli.errors import CommandError

# A child that was asked to stop gets this long before it is killed.
_GRACE_S = 20.0


class Child:
    """A running child process whose standard output is JSON lines."""

    def __init__(self, name: str, process: trio.Process) -> None:
        assert process.stdout is not None
        self.name = name
        self._process = process
        self._stdout = process.stdout
        self._buffer = bytearray()

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines of the child, until it closes its output."""
        while True:
            record = await self._next()
            if record is None:
                return
            yield record

    async def read(self) -> dict[str, Any]:
        """Read the next line of the child.

        Raises
        ------
        CommandError
            If the child ended instead; its own message is on standard error.
        """
        record = await self._next()
        if record is None:
            code = await self._process.wait()
            raise CommandError(f"the {self.name} ended early, with exit code {code}")
        return record

    async def write(self, record: dict[str, Any]) -> None:
        """Send one line to the child."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps(record).encode() + b"\n")

    async def ask(self, record: dict[str, Any]) -> dict[str, Any]:
        """Send one line and return the answer."""
        await self.write(record)
        return await self.read()

    def interrupt(self) -> None:
        """Send SIGINT to the child."""
        self._process.send_signal(signal.SIGINT)

    async def wait(self) -> int:
        """Wait for the end of the child and return its exit code."""
        return await self._process.wait()

    async def _next(self) -> dict[str, Any] | None:
        while (end := self._buffer.find(b"\n")) < 0:
            chunk = await self._stdout.receive_some()
            if not chunk:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        record = json.loads(line)
        assert isinstance(record, dict)
        return record


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def descriptors(pid: int) -> int:
    """Count the open files and sockets of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@asynccontextmanager
async def udp_service() -> AsyncGenerator[tuple[Child, tuple[str, str], str]]:
    """Run `edge` on free ports; yield the child, its address, and its port for SPIF datagrams."""
    async with child(
        "server", spikewire, "run", "--json", "--source", "udp://127.0.0.1:0?size=128x128",
        "--model", "edge", "--classes", "a,b", "--port", "0",
    ) as server:  # fmt: skip
        hello = await server.read()
        port = str(hello["source"]).rpartition(":")[2]
        yield server, (str(hello["host"]), str(hello["port"])), port


@asynccontextmanager
async def child(name: str, module: ModuleType, *arguments: str) -> AsyncGenerator[Child]:
    """Run `python -m MODULE ARGUMENTS` in an interpreter of its own until the block ends.

    Parameters
    ----------
    name
        Name of the child in messages.
    module
        The module to run; the package `spikewire` is the command of that name.
    arguments
        Arguments of the module.
    """
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", module.__name__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Child(name, process)
    finally:
        with trio.CancelScope(shield=True):
            if process.stdin is not None:
                await process.stdin.aclose()
            # A child that reads its input ends with it; others get a signal, and then are killed.
            with trio.move_on_after(_GRACE_S / 10):
                await process.wait()
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with trio.move_on_after(_GRACE_S):
                    await process.wait()
            if process.poll() is None:
                process.kill()
                await process.wait()
