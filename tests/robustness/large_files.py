"""Read recordings larger than the memory that they may take: 2 GB of HDF5, 1 GB of a ROS bag.

Usage: `python -m tests.robustness.large_files`. Each file is written to a temporary folder, read
through by ``describe_recording`` in a process of its own, and removed. The result is printed as a
line of JSON for each; the exit code is 1 if one took 400 MB resident or more.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.reference.bags import ARRAY, EVENT_1, HEADER_1, fields, record

MOST_BYTES = 400_000_000
PIECE = 1 << 18
SIZE = (640, 480)

_CHILD = """
import json, resource, sys, time
from spikewire.sensors import describe_recording
began = time.perf_counter()
facts = describe_recording(sys.argv[1], size=(640, 480))
taken = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"format": facts.format, "bytes": facts.bytes, "events": facts.events,
                  "damage": facts.damage, "seconds": round(taken, 1), "peak_bytes": peak}))
"""


def columns(first: int, count: int) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Make events whose values follow from their number."""
    n = np.arange(first, first + count, dtype=np.int64)
    return {"t": n * 3, "x": n * 7 % SIZE[0], "y": n // 5 % SIZE[1], "p": n & 1}


def write_hdf5(path: Path, size: int) -> int:
    """Write DSEC's layout, uncompressed; returns the number of events."""
    import h5py

    kinds = {"t": "<u4", "x": "<u2", "y": "<u2", "p": "u1"}
    count = size // sum(np.dtype(kind).itemsize for kind in kinds.values())
    with h5py.File(path, "w") as file:
        for name, kind in kinds.items():
            file.create_dataset(f"events/{name}", (count,), kind, chunks=(1 << 16,))
        for first in range(0, count, PIECE):
            part = columns(first, min(PIECE, count - first))
            for name, values in part.items():
                file[f"events/{name}"][first : first + len(values)] = values
        file["ms_to_idx"] = (np.arange(0, count * 3, 1000) + 2) // 3
        file["t_offset"] = np.int64(10**9)
    return count


def write_bag(path: Path, size: int) -> int:
    """Write ``dvs_msgs/EventArray`` of 10,000 events into a bag of ROS 1; returns the events."""
    per, count = 10_000, size // 13 // 10_000 * 10_000
    text = ARRAY.format("dvs_msgs") + HEADER_1 + EVENT_1.format("dvs_msgs")
    number = struct.pack("<I", 0)
    one = [("x", "<u2"), ("y", "<u2"), ("sec", "<u4"), ("nsec", "<u4"), ("p", "u1")]
    described = fields(topic=b"/dvs/events", type=b"dvs_msgs/EventArray", md5sum=b"*",
                       message_definition=text.encode())  # fmt: skip
    connection = record(described, op=b"\7", conn=number, topic=b"/dvs/events")
    infos: list[bytes] = []

    def front(index: int) -> bytes:
        head = fields(op=b"\3", index_pos=struct.pack("<Q", index), conn_count=struct.pack("<I", 1),
                      chunk_count=struct.pack("<I", len(infos)))  # fmt: skip
        padding = 4096 - 8 - len(head)
        return (b"#ROSBAG V2.0\n" + struct.pack("<I", len(head)) + head
                + struct.pack("<I", padding) + b" " * padding)  # fmt: skip

    with open(path, "wb") as file:
        file.write(front(0))
        for first in range(0, count, per):
            part = columns(first, per)
            rows = np.zeros(per, one)
            rows["x"], rows["y"], rows["p"] = part["x"], part["y"], part["p"]
            rows["sec"], rows["nsec"] = part["t"] // 10**6, part["t"] % 10**6 * 1000
            last = int(part["t"][-1])
            stamp = struct.pack("<II", last // 10**6, last % 10**6 * 1000)
            head = struct.pack("<IIIIIII", 0, 0, 0, 0, SIZE[1], SIZE[0], per)
            inside = b"" if first else connection
            entry = stamp + struct.pack("<I", len(inside))
            inside += record(head + rows.tobytes(), op=b"\2", conn=number, time=stamp)
            place, size_of = struct.pack("<Q", file.tell()), struct.pack("<I", len(inside))
            file.write(record(inside, op=b"\5", compression=b"none", size=size_of))
            one_each = struct.pack("<I", 1)
            file.write(record(entry, op=b"\4", ver=one_each, conn=number, count=one_each))
            infos.append(
                record(number + one_each, op=b"\6", ver=one_each, chunk_pos=place,
                       start_time=stamp, end_time=stamp, count=one_each)
            )  # fmt: skip
        index = file.tell()
        file.write(connection + b"".join(infos))
        file.seek(0)
        file.write(front(index))
    return count


FILES: dict[str, tuple[str, int, Callable[[Path, int], int]]] = {
    "hdf5": (".h5", 2_000_000_000, write_hdf5),
    "bag": (".bag", 1_000_000_000, write_bag),
}
"""By name: how the file's name ends, its bytes, and its writer."""


def measure(name: str, size: int | None = None) -> dict[str, object]:
    """Write a file, and read it in a process of its own."""
    suffix, usual, write = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"large{suffix}"
        count = write(path, size or usual)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True
        )
    result: dict[str, object] = json.loads(done.stdout)
    result["whole"] = result["events"] == count and result["damage"] is None
    result["met"] = bool(result["whole"]) and int(str(result["peak_bytes"])) < MOST_BYTES
    return result


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"default: all ({', '.join(FILES)})")
    chosen = parser.parse_args()
    failed = False
    for name in chosen.names or FILES:
        result = measure(name)
        failed |= not result["met"]
        print(json.dumps(result), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
