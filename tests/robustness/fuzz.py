"""Damage recordings of every format, in every way, and read them.

Usage: `python -m tests.robustness.fuzz`.

Each file must be read or refused: events within the sensor and in time order, then at most one
SensorError. Anything else is a failure: another exception, more than a second of processor time,
20 s without an answer, a crash, or more than 500 MB resident. A failure is printed with the file
that shows it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from spikewire.sensors import SensorError, open_recording
from tests.reference import formats
from tests.reference.containers import CONTAINERS
from tests.reference.tables import es_colour

SLOWEST_S = 1.0
DEAD_S = 20.0
# Of the 500 MB that are allowed, 80 are the interpreter's and the readers' own.
MOST_BYTES = 420 << 20
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WRITERS = {
    **formats.WRITERS,
    **CONTAINERS,
    "aedat4_stereo": (".aedat4", formats.aedat4_stereo),
    "es_colour": (".es", es_colour),
}
"""By name: how the file's name ends, and its writer."""
REAL = {
    "aedat4": "davis346.aedat4", "es": "dvs.es", "evt2": "gen3_evt2.raw", "dat": "ncars_2d.dat",
    "nmnist": "nmnist.bin",
}  # fmt: skip


def some_events(rng: random.Random, count: int) -> list[formats.Event]:
    """Draw events that every format can hold."""
    t = 0
    events = []
    for _ in range(count):
        t += rng.choice([0, 0, 1, 3, 40, 900, 20_000])
        events.append((t, rng.randrange(34), rng.randrange(34), rng.randrange(2)))
    return events


def seeds(name: str) -> list[bytes]:
    """Return whole recordings of a format: written by hand, and a real one's beginning."""
    writer = WRITERS[name][1]
    rng = random.Random(name)
    whole = [writer(some_events(rng, count)) for count in (1, 7, 60)]
    data = os.environ.get("SPIKEWIRE_DATA")
    if data and name in REAL:
        real = (Path(data) / "recordings" / REAL[name]).read_bytes()
        whole.append(real[:30_000])
    return whole


def mutate(rng: random.Random, whole: Sequence[bytes]) -> bytes:
    """Damage one of some recordings, in one to four ways."""
    data = bytearray(rng.choice(whole))
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
        if not data:
            break
        # Headers are short and matter most.
        at = rng.randrange(min(len(data), 120) if rng.random() < 0.5 else len(data))
        way = rng.randrange(9)
        if way == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at] = rng.choice([0, 0xFF, 0x7F, 0x80, 0x0A, 0x25, 0x23, rng.randrange(256)])
        elif way == 2:
            del data[at:]
        elif way == 3:
            del data[at : at + rng.choice([1, 2, 4, 8, 30])]
        elif way == 4:
            data[at:at] = rng.randbytes(rng.choice([1, 2, 4, 8, 30]))
        elif way == 5:
            end = at + rng.choice([4, 16, 100])
            data[at:at] = data[at:end] * rng.choice([1, 2, 50])
        elif way == 6:
            data[at : at + 4] = struct.pack("<I", rng.choice(EXTREMES))
        elif way == 7:
            data[at : at + 8] = struct.pack("<Q", rng.choice(EXTREMES) << rng.choice([0, 31, 32]))
        else:
            other = rng.choice(whole)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]
    return bytes(data)


def read(path: Path) -> str:
    """Read a recording through; returns how it ended.

    Raises
    ------
    AssertionError
        If an event is outside the sensor or before another.
    """
    try:
        recording = open_recording(path, policy="drop")
        after = -(2**62)
        for chunk in recording.chunks():
            assert len(chunk)
            assert int(chunk["x"].max()) < recording.size[0]
            assert int(chunk["y"].max()) < recording.size[1]
            assert int(chunk["p"].max()) <= 1
            assert int(chunk["t"][0]) >= after
            assert bool((chunk["t"][1:] >= chunk["t"][:-1]).all())
            after = int(chunk["t"][-1])
    except SensorError as error:
        told = str(error)
        if not told.isprintable() or len(told) > 1000:
            raise AssertionError(f"a message of {len(told)} characters: {told[:200]!r}") from error
        return "refused"
    return "read"


def work(
    name: str, seed: int, count: int, folder: str, now: Synchronized[int], out: Callable[..., None]
) -> None:
    """Read ``count`` damaged files; sends what came of it."""
    suffix = WRITERS[name][0]
    whole = seeds(name)
    path = Path(folder) / f"fuzz{os.getpid()}{suffix}"
    ended = {"read": 0, "refused": 0}
    slowest = 0.0
    # A forked process begins with the peak of its parent, which may hold much more.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        now.value = number
        data = mutate(random.Random(f"{name}/{seed}/{number}"), whole)
        path.write_bytes(data)
        began = time.process_time()
        try:
            ended[read(path)] += 1
        except BaseException as error:
            out({"failure": f"{type(error).__name__}: {error}", "number": number})
            return
        slowest = max(slowest, time.process_time() - began)
        if slowest > SLOWEST_S:
            out({"failure": f"{slowest:.1f} s", "number": number})
            return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if (peak - before) * 1024 > MOST_BYTES:
        out({"failure": f"{(peak - before) * 1024 / 1e6:.0f} MB more resident", "number": count})
        return
    out({**ended, "slowest_s": round(slowest, 4), "peak_mb": round(peak * 1024 / 1e6, 1)})


def fuzz(name: str, seed: int, count: int) -> dict[str, object]:
    """Damage and read ``count`` files of a format, in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    now = context.Value("q", 0)
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        child = context.Process(target=work, args=(name, seed, count, inside, now, sender.send))
        child.start()
        sender.close()
        seen, since = -1, time.monotonic()
        result: dict[str, object] = {}
        while not result:
            if receiver.poll(0.05):
                try:
                    result = receiver.recv()
                except EOFError:
                    child.join()
                    result = {"failure": f"died with code {child.exitcode}", "number": now.value}
            elif now.value != seen:
                seen, since = now.value, time.monotonic()
            elif time.monotonic() - since > DEAD_S:
                child.kill()
                result = {"failure": f"over {DEAD_S:.0f} s", "number": now.value}
        child.join()
    result = {"format": name, "seed": seed, "files": count, **result}
    if "failure" in result and int(str(result["number"])) < count:
        number = int(str(result["number"]))
        bad = Path(tempfile.gettempdir()) / f"spikewire-fuzz-{name}-{seed}-{number}"
        bad = bad.with_suffix(WRITERS[name][0])
        bad.write_bytes(mutate(random.Random(f"{name}/{seed}/{number}"), seeds(name)))
        result["file"] = str(bad)
    return result


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", help=f"default: all ({', '.join(WRITERS)})")
    parser.add_argument("--count", type=int, default=100_000, help="files per format")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    unknown = set(chosen.formats) - set(WRITERS)
    if unknown:
        parser.error(f"no format {', '.join(unknown)}; there are {', '.join(WRITERS)}")
    failed = False
    for name in chosen.formats or WRITERS:
        result = fuzz(name, chosen.seed, chosen.count)
        failed |= "failure" in result
        print(json.dumps(result), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
