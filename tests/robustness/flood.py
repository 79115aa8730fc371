"""Throw a million hostile datagrams at a UDP source.

Usage: `python -m tests.robustness.flood --count 1000000`.

Another process sends them over the loopback: noise, whole and cut words, places outside, clocks
that jump, wrap and run backwards, empty ones and ones of 64 KiB. Every event that comes out must
lie within the sensor and in order, and every datagram must be accounted for. Prints one JSON line;
the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import trio

from spikewire.sensors import Packet, UdpSource

SIZE = (346, 260)


def hostile(rng: random.Random, number: int) -> bytes:
    """Draw a datagram."""
    way = rng.randrange(10)
    if way == 0:
        return rng.randbytes(rng.choice([1, 3, 4, 8, 63, 256, 1400]))
    if way == 1:
        return b""
    if way == 2 and number % 50 == 0:
        return rng.randbytes(65_000)
    out = bytearray()
    now = number * 10
    for _ in range(rng.choice([1, 2, 32])):
        t = now + rng.choice([0, 1, 5, -1, -2_000_000, 2**31, 2**32 - 1, 10**6])
        x, y = rng.choice([0, 345, 346, 0x7FFF]), rng.choice([0, 259, 260, 0x7FFF])
        if way < 6:
            out += struct.pack("<II", x << 16 | y, (now if way < 5 else t) & 0xFFFFFFFF)
        else:
            out += struct.pack("<I", 1 << 31 | x << 16 | 1 << 15 | y)
    if way == 9:
        del out[rng.randrange(len(out)) :]
    return bytes(out)


def send(port: int, count: int, seed: int) -> None:
    """Send hostile datagrams; then good ones until somebody ends this process."""
    rng = random.Random(seed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        some = [hostile(rng, number) for number in range(min(count, 20_000))]
        for number in range(count):
            out.sendto(some[number % len(some)], ("127.0.0.1", port))
            if number % 64 == 63:
                time.sleep(0.0005)  # so that the loopback keeps up
        print(count, flush=True)
        sys.stdin.readline()


async def receive(count: int, seed: int) -> dict[str, object]:
    """Receive all of it; returns the account."""
    source = UdpSource(port=0, size=SIZE)
    wrong: list[str] = []
    last: dict[int, int] = {}
    events = packets = 0

    async def take(packet: Packet) -> None:
        nonlocal events, packets
        packets += 1
        got = packet.events
        events += len(got)
        if int(got["x"].max()) >= SIZE[0] or int(got["y"].max()) >= SIZE[1] or got["p"].max() > 1:
            wrong.append("an event outside the sensor")
        if (np.diff(got["t"]) < 0).any() or int(got["t"][0]) < last.get(packet.segment, -(2**62)):
            wrong.append("an event before another")
        last[packet.segment] = int(got["t"][-1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, take)
        child = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "tests.robustness.flood", "--send", str(source.port),
             "--count", str(count), "--seed", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        await trio.to_thread.run_sync(child.stdout.readline)
        seen = -1
        while seen != source.counters.get("datagrams", 0):
            seen = source.counters.get("datagrams", 0)
            await trio.sleep(0.3)
        nursery.cancel_scope.cancel()
    child.communicate(b"\n")
    counters = dict(source.counters)
    if counters["datagrams"] + counters.get("kernel_drops", 0) != count:
        wrong.append("datagrams are missing")
    if counters["events"] != events:
        wrong.append("events are missing")
    return {
        "sent": count, "packets": packets, "segments": len(last), "counters": counters,
        "wrong": sorted(set(wrong)),
    }  # fmt: skip


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.send is not None:
        send(chosen.send, chosen.count, chosen.seed)
        return 0
    report = trio.run(receive, chosen.count, chosen.seed)
    print(json.dumps(report))
    return int(bool(report["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
