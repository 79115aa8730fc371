"""A service on a source without an end, in a process of its own.

It prints its port, and at its end a summary as a JSON list.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import trio

from tests.support.patience import patience

ROOT = Path(__file__).parents[2]
LIMIT_S = patience(60)


def start(port: int = 0, folder: Path | None = None) -> tuple[subprocess.Popen[str], int]:
    """Start one; returns the process and its port.

    Parameters
    ----------
    port
        Where it listens; 0 takes a free port.
    folder
        Of its checkpoints.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(port), *([] if folder is None else [str(folder)])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    alarm = threading.Timer(LIMIT_S, process.kill)
    alarm.daemon = True
    alarm.start()
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def end(process: subprocess.Popen[str], how: str) -> tuple[str, str]:
    """End one by a method of the process; returns what it printed."""
    getattr(process, how)()
    return process.communicate()


async def _serve(port: int, folder: str | None) -> None:
    from spikewire.runtime import Settings, serve
    from tests.support.fakes import FakeNetwork, FakeSource, make_packet

    class Endless(FakeSource):
        async def run(self, deliver: Any) -> None:
            for start in range(0, 10**13, 10_000):
                await deliver(make_packet(range(start, start + 9_999, 100), start + 9_999))
                await trio.sleep(0.002)

    settings = Settings(port=port, heartbeat_s=0.2, checkpoint_folder=folder)

    async def run(task_status: Any) -> None:
        summary = await serve(Endless(), FakeNetwork(), settings, task_status=task_status)
        print(json.dumps([summary.tick, summary.events, summary.reason, summary.checkpoint]))

    async with trio.open_nursery() as nursery:
        service = await nursery.start(run)
        print(service.addresses[0][1], flush=True)


if __name__ == "__main__":
    trio.run(_serve, int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
