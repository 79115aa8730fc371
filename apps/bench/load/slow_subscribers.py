"""Many subscribers in one process, some of which stall until the end.

`python -m spikewire.apps.bench.load.slow_subscribers HOST PORT HEALTHY STALLED` prints a line when
all are subscribed and takes results until a line arrives on standard input. Then it reads the
results that wait for the stalled subscribers, and prints a report.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from typing import Any

import msgspec
import trio

from spikewire.runtime import connect


class SlowSubscriber:
    """A subscriber that does not read until the end."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket()
        # A small buffer, so that messages wait in the service.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((host, port))
        for message in (
            {"type": "hello", "protocol": 1, "client": "stalled"},
            {"type": "subscribe", "topics": ["result"]},
        ):
            body = msgspec.msgpack.encode(message)
            self._socket.sendall(struct.pack(">I", len(body)) + body)

    def read_out(self, last: int) -> dict[str, int]:
        """Read up to the result ``last``; count received results, and lost ones by gap messages."""
        file = self._socket.makefile("rb")
        got = lost = 0
        while True:
            head = file.read(4)
            if len(head) < 4:
                break
            message: dict[str, Any] = msgspec.msgpack.decode(
                file.read(struct.unpack(">I", head)[0])
            )
            if message["type"] == "gap":
                lost += int(message["count"])
            elif message["type"] == "message":
                got += 1
                if int(message["seq"]) >= last:
                    break
        self._socket.close()
        return {"got": got, "lost": lost}


async def _healthy(host: str, port: int, ready: trio.Event, mine: dict[str, Any]) -> None:
    async with connect(host, port, subscribe=["result"]) as client:
        ready.set()
        async for message in client:
            now = time.monotonic_ns() // 1000
            if message["type"] == "gap":
                mine["lost"] += int(message["count"])
            else:
                mine["first"] = mine["first"] or int(message["seq"])
                mine["last"] = int(message["seq"])
                mine["got"] += 1
                mine["ages"].append((now - int(message["t_us"])) & 0xFFFFFFFF)


async def main(host: str, port: int, healthy: int, stalled: int) -> None:
    """Subscribe all, and print a report at the end."""
    people: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        for _ in range(healthy):
            mine: dict[str, Any] = {"got": 0, "lost": 0, "first": 0, "last": 0, "ages": []}
            people.append(mine)
            ready = trio.Event()
            nursery.start_soon(_healthy, host, port, ready, mine)
            await ready.wait()
        slow = [await trio.to_thread.run_sync(SlowSubscriber, host, port) for _ in range(stalled)]
        print(json.dumps({"type": "subscribed"}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        nursery.cancel_scope.cancel()
    last = max(mine["last"] for mine in people)
    ends = [await trio.to_thread.run_sync(subscriber.read_out, last) for subscriber in slow]
    ages = sorted(age for mine in people for age in mine.pop("ages"))
    whole = sum(mine["got"] == mine["last"] - mine["first"] + 1 for mine in people)
    report = {
        "healthy": healthy, "whole": whole, "lost": sum(mine["lost"] for mine in people),
        "last": last, "deaf": ends,
        "age_us": {"p50": ages[len(ages) // 2], "p99": ages[int(0.99 * (len(ages) - 1))]},
    }  # fmt: skip
    print(json.dumps({"type": "heard", **report}), flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
