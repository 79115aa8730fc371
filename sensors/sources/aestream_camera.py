"""A camera through the ``aestream`` program: a process of its own that sends SPIF to a local port.

It is started again when it dies, ever later, and given up when that is of no use: when it was built
without the camera's driver, or never sends anything.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence

import trio

from spikewire._children import supervised
from spikewire._tasks import background_tasks
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Deliver, Packet
from spikewire.sensors.recordings.aestream_reader import complaint, find_program
from spikewire.sensors.sources.udp import UdpSource

MAKERS: Mapping[str, str] = {"inivation": "libcaer", "prophesee": "Metavision SDK"}
"""Makers of cameras that the program knows, and the driver it needs for each."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
TRIES = 6
"""Starts in a row without one event, after which it is given up."""

_STDERR = 4096


class AestreamCamera:
    """Events of a camera that an ``aestream input MAKER output udp`` process sends.

    Parameters
    ----------
    maker
        ``"inivation"`` or ``"prophesee"``.
    size
        (width, height) of the sensor.
    program
        The command to start, for instance another build; None for ``aestream`` where it is found.

    Raises
    ------
    SourceError
        If there is no such maker, or no such program.
    """

    live = True

    def __init__(
        self, maker: str, *, size: tuple[int, int], program: Sequence[str] | None = None
    ) -> None:
        if maker not in MAKERS:
            raise SourceError(f"aestream:{maker} is no camera; allowed are {', '.join(MAKERS)}.")
        self.maker = maker
        self.size = size
        self.name = f"aestream:{maker}"
        self._program = list(program) if program is not None else [find_program()]
        self._udp: UdpSource | None = None
        self._restarts = 0

    @property
    def counters(self) -> Mapping[str, int]:
        """Counters of the socket, and ``camera_restarts``."""
        counts = Counter(self._udp.counters if self._udp is not None else {})
        if self._restarts:
            counts["camera_restarts"] = self._restarts
        return counts

    async def run(self, deliver: Deliver) -> None:
        """Deliver events until cancelled; raises SourceError when the camera is given up."""
        self._udp = udp = UdpSource(port=0, size=self.size)

        async def pass_on(packet: Packet) -> None:
            # A process that was started again has a clock of its own.
            await deliver(
                dataclasses.replace(packet, segment=packet.segment + self._restarts)
            )  # fmt: skip

        async with background_tasks() as nursery:
            nursery.start_soon(udp.run, pass_on)
            await self._supervise(udp)

    async def _supervise(self, udp: UdpSource) -> None:
        """Start the program again and again; returns by SourceError only."""
        command = [
            *self._program, "input", self.maker, "output", "udp", "127.0.0.1", str(udp.port),
            "--include-timestamp", "true",
        ]  # fmt: skip
        wait, fruitless = FIRST_WAIT_S, 0
        while True:
            before = udp.counters.get("events", 0)
            code, output = await _run(command)
            if udp.counters.get("events", 0) > before:
                wait, fruitless = FIRST_WAIT_S, 0
            else:
                fruitless += 1
            if "unavailable" in output or "recompile" in output:
                raise SourceError(
                    f"aestream was built without the driver of {self.maker} cameras "
                    f"({MAKERS[self.maker]}); build it from source with that, or use a camera: "
                    "source, which needs spikewire[camera] only."
                )
            if fruitless >= TRIES:
                ended = f"signal {-code}" if code < 0 else f"code {code}"
                raise SourceError(
                    f"{self.name} gave no events in {TRIES} starts; aestream ended with {ended}"
                    + (f", saying: {output}" if output else "")
                    + "."
                )
            self._restarts += 1
            await trio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)


async def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end, and return its code and the last line it complained with."""
    if shutil.which(command[0]) is None:
        reason = errno.EACCES if os.path.exists(command[0]) else errno.ENOENT  # noqa: ASYNC240
        raise SourceError(f"{command[0]} cannot be started: {os.strerror(reason)}.")
    process = await trio.lowlevel.open_process(
        supervised(command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    tail = b""
    try:
        assert process.stderr is not None
        async for piece in process.stderr:
            tail = (tail + piece)[-_STDERR:]
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            with trio.CancelScope(shield=True):
                with trio.move_on_after(2):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        await trio.aclose_forcefully(process.stderr)  # type: ignore[arg-type]
        await trio.aclose_forcefully(process.stdin)  # type: ignore[arg-type]
    return int(process.returncode or 0), complaint(tail)
