"""Subscriber that measures the age of a result's newest event on arrival.

`python -m spikewire.apps.bench.load.latency_listener HOST PORT` teaches the label "a", prints one
JSON line when it is subscribed, and collects results until the service says goodbye. Then it prints
the low 32 bits of each result's time, and its ages, in microseconds.
"""

from __future__ import annotations

import json
import sys
import time


def main(host: str, port: int) -> None:
    """Listen until the goodbye message."""
    from spikewire.runtime import BlockingClient

    ages: list[int] = []
    inside: list[int] = []
    times: list[int] = []
    lost = 0
    with BlockingClient(host, port, subscribe=["result"], buffer=100_000) as client:
        client.teach("a")
        print(json.dumps({"type": "subscribed"}), flush=True)
        for message in client:
            now = time.monotonic_ns() // 1000
            if message["type"] == "gap":
                lost += int(message["count"])
            elif message["topic"] == "result":
                times.append(int(message["t_us"]) & 0xFFFFFFFF)
                ages.append((now - int(message["t_us"])) & 0xFFFFFFFF)
                inside.append(int(message["latency_us"]))
    received = {"times": times, "ages": ages, "inside": inside, "lost": lost}
    print(json.dumps({"type": "heard", **received}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
