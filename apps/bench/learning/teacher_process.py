"""Teacher of the benchmark: a client in a process of its own, controlled line by line.

It reads JSON lines from standard input and answers each with one on standard output.
`{"learn": false}` switches learning off. `{"label": ..., "play": NAME, "start_us": ..., "stop_us":
...}` sets the label, plays the recording and clears the label.
"""

from __future__ import annotations

import json
import sys

from spikewire.apps.cli.output import print_json
from spikewire.apps.cli.units import host_port


def main(address: str) -> None:
    """Teach the service at HOST:PORT until standard input ends."""
    from spikewire.runtime import BlockingClient

    host, port = host_port(address)
    with BlockingClient(host, port, name="teacher") as client:
        print_json(client.hello)
        for line in sys.stdin:
            wanted = json.loads(line)
            if "learn" in wanted:
                print_json(client.learn(wanted["learn"]))
                continue
            client.teach(wanted["label"])
            answer = client.play(
                wanted["play"], start_us=wanted["start_us"], stop_us=wanted["stop_us"]
            )
            client.teach(None)
            print_json(answer)


if __name__ == "__main__":
    main(sys.argv[1])
