"""Sender of SPIF datagrams over UDP at a fixed rate, with their send times.

`python -m spikewire.apps.bench.load.udp_sender PORT RATE SECONDS` sends the simulated camera's
events repeatedly. The time of an event is the due time of its datagram, in microseconds of the
monotonic clock, so that a receiver of results can compute their age. One JSON line is printed at
the end.
"""

from __future__ import annotations

import json
import socket
import sys
import time

import numpy as np

# What a datagram of 1,400 bytes holds; at low rates fewer, so that one is due each 200 us.
_MOST = 175


def main(port: int, rate: float, seconds: float) -> None:
    """Send for the given time."""
    from spikewire.sensors import simulate

    events = simulate("air_drums", seconds=1)
    each = int(max(1, min(_MOST, rate * 200e-6)))
    count = len(events) // each
    places = (
        events["x"].astype(np.uint32) << 16
        | events["p"].astype(np.uint32) << 15
        | events["y"].astype(np.uint32)
    )[: count * each].reshape(count, each)
    words = np.empty((count, each, 2), "<u4")
    words[:, :, 0] = places
    gap_ns = each / rate * 1e9
    steps = (np.arange(each) * (gap_ns / each / 1000)).astype(np.uint32)
    print(json.dumps({"type": "ready"}), flush=True)
    sys.stdin.readline()
    late = sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", port))
        began = time.monotonic_ns()
        due = float(began)
        while due - began < seconds * 1e9:
            due += gap_ns
            now = time.monotonic_ns()
            if due - now > 100_000:
                time.sleep((due - now - 50_000) / 1e9)
            elif now - due > 5_000_000:
                late += 1
            datagram = words[sent % count]
            # Times end with this datagram's own: it leaves when its last event has happened.
            datagram[:, 1] = np.uint32(int((due - gap_ns) // 1000) & 0xFFFFFFFF) + steps
            out.send(datagram.tobytes())
            sent += 1
        took = (time.monotonic_ns() - began) / 1e9
    last = int(due // 1000) & 0xFFFFFFFF
    report = {"last": last, "datagrams": sent, "events": sent * each, "took_s": took, "late": late}
    print(json.dumps({"type": "sent", **report}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
