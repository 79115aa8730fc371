"""Attacks on one service, with counts: ``python -m tests.robustness.attacks --count 1000``.

Strangers that say no hello, refusals into a log that nobody reads, teachers that are cut off while
they teach, services that share a folder, and recordings with absurd times. Prints a report as JSON,
and writes it to ``--out``; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from spikewire._whole_file import write_whole
from spikewire.runtime import BlockingClient
from spikewire.runtime.protocol.frames import encode
from tests.robustness.test_strangers import CONTROL, healthy, resident

OPEN = 600
MOST_GROWTH = 40 * 2**20
LIMIT_S = 120
RESET = struct.pack("ii", 1, 0)
RUN = [sys.executable, "-m", "spikewire"]


def connect(hello: dict[str, Any]) -> socket.socket:
    return socket.create_connection((hello["host"], hello["port"]), timeout=LIMIT_S)


def client(hello: dict[str, Any]) -> BlockingClient:
    return BlockingClient(hello["host"], hello["port"], token=CONTROL, timeout_s=LIMIT_S)


def strangers(hello: dict[str, Any], count: int, wrong: Counter[str]) -> dict[str, Any]:
    """Open connections that begin a message and never end it; a client and a page look on."""
    crowd: list[socket.socket] = []
    looks = 0
    for number in range(count):
        stranger = connect(hello)
        with suppress(OSError):
            stranger.sendall((4096 if number % 2 else 2**20).to_bytes(4, "big") + bytes(4000))
        crowd.append(stranger)
        if len(crowd) > OPEN:
            crowd.pop(0).close()
        if number % 100 == 99 or number == count - 1:
            looks += 1
            with client(hello) as late:
                wrong["a client was refused"] += not late.status()["ok"]
            wrong["/healthz was not well"] += not healthy(hello)
    for stranger in crowd:
        stranger.close()
    return {"count": count, "clients": looks}


def refusals(hello: dict[str, Any], count: int, wrong: Counter[str]) -> dict[str, Any]:
    """Be refused again and again, each time with a line for the log."""
    said = encode({"type": "hello", "protocol": 1, "client": "x" * 128})
    for _ in range(count):
        with closing(connect(hello)) as stranger, suppress(OSError):
            stranger.sendall(said)
            stranger.recv(1000)
    with client(hello) as late:
        wrong["a client was refused"] += not late.status()["ok"]
    return {"count": count}


def teachers(hello: dict[str, Any], count: int, wrong: Counter[str]) -> dict[str, Any]:
    """Teach and be cut off: by a reset, by a close, or in silence with a lease of a second."""
    longest: Counter[str] = Counter()
    said = encode({"type": "hello", "protocol": 1, "token": CONTROL, "client": "victim"})
    with client(hello) as witness:
        for number in range(count):
            how = "silence" if number % 20 == 0 else ("reset", "close")[number % 2]
            teacher = connect(hello)
            lease = {"lease_s": 1.0} if how == "silence" else {}
            teacher.sendall(said + encode({"type": "teach", "label": "taught", **lease}))
            if not _until(lambda: _taught(witness) == "taught"):
                wrong["a lesson did not begin"] += 1
            began = time.monotonic()
            if how != "silence":
                if how == "reset":
                    teacher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                teacher.close()
            if not _until(lambda: _taught(witness) is None):
                wrong[f"a lesson outlived its teacher ({how})"] += 1
            took = round(1000 * (time.monotonic() - began))
            longest[how] = max(longest[how], took)
            teacher.close()
    return {"count": count, "longest_ms": dict(longest)}


def _taught(witness: BlockingClient) -> Any:
    return witness.status()["status"]["label"]


def _until(condition: Any) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.002)
    return False


def folders(folder: Path, count: int, wrong: Counter[str]) -> dict[str, Any]:
    """Start services on a folder that another one holds, with ``--resume`` and without."""
    before = sorted(folder.iterdir())
    words = ["run", "--source", "sim:", "--model", "edge", "--port", "0"]
    for number in range(count):
        more = ["--checkpoint", str(folder), *(["--resume"] if number % 2 else [])]
        done = subprocess.run([*RUN, *words, *more], capture_output=True, timeout=LIMIT_S)
        wrong["a second service was not refused"] += done.returncode not in (1, 2)
        wrong["a traceback"] += b"Traceback" in done.stderr
    lost = [path for path in before if path.suffix != ".lock" and not path.exists()]
    return {"count": count, "lost": len(lost)}


def absurd_times(folder: Path, count: int, wrong: Counter[str]) -> dict[str, Any]:
    """Replay recordings whose times step by up to 2^60 microseconds."""
    rng = random.Random(0)
    longest = 0.0
    for number in range(count):
        t, lines = 0, ["t,x,y,p"]
        for _ in range(200):
            t = min(t + rng.choice([1, 50, 1000, 10**6, 10**9, 10**12, 2 ** rng.randrange(50)]),
                    4 * 10**17)  # fmt: skip
            lines.append(f"{t},{rng.randrange(100)},{rng.randrange(100)},{rng.randrange(2)}")
        path = folder / f"{number}.csv"
        path.write_text("\n".join(lines) + "\n")
        began = time.monotonic()
        words = ["replay", str(path), "--model", "gestures", "--json"]
        done = subprocess.run([*RUN, *words], capture_output=True, text=True, timeout=LIMIT_S)
        longest = max(longest, time.monotonic() - began)
        if done.returncode != 0 or json.loads(done.stdout.splitlines()[-1])["events"] != 200:
            wrong["a replay failed"] += 1
        path.unlink()
    return {"count": count, "longest_s": round(longest, 1)}


def run(count: int) -> dict[str, Any]:
    """Run all attacks, and the slow ones of processes a hundredth as often."""
    wrong: Counter[str] = Counter()
    few = max(1, count // 100)
    reader, writer = os.pipe()  # nobody reads this log
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = f'control_token = "{CONTROL}"\nrefusals_logged = 1000000\nhello_s = 60\n'
        (folder / "config.toml").write_text(f"[service]\n{lines}")
        words = [
            "run",
            "--json",
            "--config",
            str(folder / "config.toml"),
            "--source",
            "sim:?seed=1",
        ]
        words += ["--model", "edge", "--port", "0", "--http-port", "0"]
        words += ["--checkpoint", str(folder / "saved")]
        process = subprocess.Popen([*RUN, *words], stdout=subprocess.PIPE, stderr=writer, text=True)
        os.close(writer)
        try:
            assert process.stdout is not None
            hello = json.loads(process.stdout.readline())
            strangers(hello, OPEN, wrong)  # buffers grow once
            began, memory = time.monotonic(), resident(process)
            report = {
                "strangers": strangers(hello, count, wrong),
                "refusals": refusals(hello, count, wrong),
                "teachers": teachers(hello, max(2, count // 10), wrong),
                "folders": folders(folder / "saved", few, wrong),
                "absurd_times": absurd_times(folder, few, wrong),
            }
            grown = resident(process) - memory
            wrong["memory grew"] += grown > MOST_GROWTH
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)
            wrong["the exit code was not 0"] += process.returncode != 0
        finally:
            process.kill()
            process.wait()
            os.close(reader)
    return {
        **report, "grown_mb": round(grown / 2**20, 1), "seconds": round(time.monotonic() - began),
        "wrong": +wrong,
    }  # fmt: skip


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--out", type=Path, help="file for the report")
    chosen = parser.parse_args()
    report = run(chosen.count)
    if chosen.out is not None:
        write_whole(chosen.out, json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))
    return int(bool(report["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
