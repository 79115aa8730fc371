"""Subscriber that measures the age of a result's newest event on arrival.

`python -m spikewire.apps.bench.load.latency_listener HOST PORT` teaches the labels "a" and "b" in
turns, prints one JSON line when it is subscribed, and collects results until the service says
goodbye. Then it prints the low 32 bits of each result's time, and its ages, in microseconds.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from contextlib import suppress

_LESSON_S = 0.75
"""Length of a lesson, as in `bench gestures`. The network learns from errors: of a single label it
makes none after a moment, and learning ends."""


def main(host: str, port: int) -> None:
    """Listen until the goodbye message."""
    from spikewire.runtime import BlockingClient

    ages: list[int] = []
    inside: list[int] = []
    times: list[int] = []
    lost = 0
    over = threading.Event()
    teacher = threading.Thread(target=_teach, args=(host, port, over), daemon=True)
    with BlockingClient(host, port, subscribe=["result"], buffer=100_000) as client:
        teacher.start()
        print(json.dumps({"type": "subscribed"}), flush=True)
        for message in client:
            now = time.monotonic_ns() // 1000
            if message["type"] == "gap":
                lost += int(message["count"])
            elif message["topic"] == "result":
                times.append(int(message["t_us"]) & 0xFFFFFFFF)
                ages.append((now - int(message["t_us"])) & 0xFFFFFFFF)
                inside.append(int(message["latency_us"]))
    over.set()
    teacher.join()
    received = {"times": times, "ages": ages, "inside": inside, "lost": lost}
    print(json.dumps({"type": "heard", **received}), flush=True)


def _teach(host: str, port: int, over: threading.Event) -> None:
    """Teach both labels in turns over a connection of its own, so that no result waits for it."""
    from spikewire.runtime import BlockingClient, ServiceError

    with suppress(ServiceError), BlockingClient(host, port) as client:
        for label in itertools.cycle("ab"):
            client.teach(label)
            if over.wait(_LESSON_S):
                return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
