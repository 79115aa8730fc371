"""Clients that come and go, until the input of this process ends.

Usage: `python -m spikewire.apps.bench.load.client_churn HOST PORT SEED`.

Some clients subscribe for a while and leave in order. Others disconnect abruptly, send requests or
violate the protocol. One JSON line at the end gives the number of each kind.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from typing import Any

import trio

_EVERY_S = 0.25
_LONGEST_S = 4.0


async def _subscriber(host: str, port: int, rng: random.Random) -> str:
    from spikewire.runtime import connect

    topics = rng.sample(["result", "stats", "status", "learning", "events", "spikes"], 2)
    stay = rng.uniform(0.05, _LONGEST_S)
    async with connect(host, port, name="passer-by", subscribe=topics) as client:
        with trio.move_on_after(stay):
            async for _ in client:
                pass
    return "subscribers"


async def _asker(host: str, port: int, rng: random.Random) -> str:
    from spikewire.runtime import connect

    async with connect(host, port, name="asker") as client:
        for _ in range(rng.randint(1, 5)):
            await client.status()
    return "askers"


async def _vandal(host: str, port: int, rng: random.Random) -> str:
    stream = await trio.open_tcp_stream(host, port)
    async with stream:
        await stream.send_all(rng.randbytes(rng.randint(1, 200)))
        if rng.random() < 0.5:
            with trio.move_on_after(1):
                await stream.receive_some(4096)
    return "vandals"


async def main(host: str, port: int, seed: int) -> None:
    """Start clients until the input ends."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()

    async def one(kind: Any, its: random.Random) -> None:
        try:
            counts[await kind(host, port, its)] += 1
        except Exception as error:
            counts[type(error).__name__] += 1

    async def come(nursery: trio.Nursery) -> None:
        while True:
            kind = rng.choices([_subscriber, _asker, _vandal], [6, 2, 2])[0]
            nursery.start_soon(one, kind, random.Random(rng.random()))
            await trio.sleep(_EVERY_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come, nursery)
        print(json.dumps({"type": "ready"}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    print(json.dumps({"type": "gone", "clients": dict(counts)}), flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
