"""Kill a learning service 200 times: `python tests/robustness/crash.py --count 200 --seed 0`.

The service learns at full speed from the simulated camera, and writes a checkpoint every 50 ms.
`kill -9` hits it at seeded random instants. Checkpoints are written in chunks with pauses between
them, as a slow disk would, so that at least a quarter of the kills hit a write. Each time all
checkpoints must load, the newest must be no older than the schedule and one write allow, and the
next start must go on from it. Then the
folder is made unwritable and its disk full (a small tmpfs, or a limit of file sizes where none may
be mounted): both must be reported and stop nothing, and checkpoints must come again once they can.
Prints one JSON line; the exit code is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import builtins
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spikewire.apps import commands as cli
from spikewire.apps.cli.warmup import load_kernels
from spikewire.qcore import Network
from spikewire.runtime import BlockingClient, CheckpointStore

EVERY_S = 0.05
LONGEST_S = 1.8
DUE_S = 1.2
"""From the start until there must be a checkpoint: generous, for a busy machine."""
WRITE_S = 2.0
"""Allowed for one write: capture, both files and their way to the disk, on a busy machine."""
CHUNKS, PAUSE_S = 8, 0.01
"""A file of a checkpoint is written in this many chunks, with this pause after each."""
SHARE = 0.25
"""Least share of kills that hit a write."""
LEAST_KILLS = 20
"""Fewer kills show no share."""
WRITING = "writing"
"""Stands beside the folder while a file in it is written, whatever the file's name."""


class Process:
    """A `spikewire run`, forked off this process, which has loaded the kernels already."""

    def __init__(self, arguments: Sequence[str], complaints: Path) -> None:
        reading, writing = os.pipe()
        context = multiprocessing.get_context("fork")
        self._child = context.Process(target=_run, args=(arguments, writing, complaints))
        self._child.start()
        os.close(writing)
        self.stdout = os.fdopen(reading)
        assert self._child.pid is not None
        self.pid = self._child.pid

    def end(self, how: signal.Signals) -> int | None:
        """Send a signal; returns the exit code."""
        if self._child.is_alive():
            os.kill(self.pid, how)
        self._child.join(60)
        return self._child.exitcode


def _run(arguments: Sequence[str], out: int, complaints: Path) -> None:
    write_slowly(complaints.with_name("saved"))
    os.dup2(out, 1)
    os.dup2(os.open(complaints, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    cli.application()(args=list(arguments))


def write_slowly(folder: Path) -> None:
    """Write every new file in ``folder`` in chunks with pauses, in this process from now on."""
    usual = builtins.open
    marker = folder.with_name(WRITING)

    def slow(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = usual(path, mode, *rest, **more)
        inside = isinstance(path, str | os.PathLike) and Path(path).parent == folder
        if not inside or mode not in ("wb", "xb"):
            return file
        return _Slow(file, marker)

    builtins.open = io.open = slow  # type: ignore[assignment]


class _Slow:
    """A file whose bytes reach the disk in chunks."""

    def __init__(self, file: Any, marker: Path) -> None:
        self._file, self._marker = file, marker

    def write(self, data: Any, /) -> int:
        self._marker.touch()
        try:
            step = -(-len(data) // CHUNKS) or 1
            for first in range(0, len(data), step):
                self._file.write(data[first : first + step])
                self._file.flush()
                time.sleep(PAUSE_S)
        finally:
            self._marker.unlink(missing_ok=True)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Running:
    """A service process that learns, its checkpoints' folder, and where it listens."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.hello: dict[str, Any] = json.loads(process.stdout.readline())
        self.since = time.time()

    def client(self, **how: Any) -> BlockingClient:
        """Converse with it."""
        return BlockingClient(port=self.hello["port"], timeout_s=30, **how)

    def page(self, name: str) -> tuple[int, str]:
        """Fetch one of its pages: the code and the text."""
        try:
            with urllib.request.urlopen(f"{self.hello['http']}/{name}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def learner(inside: Path, folder: Path, seed: int) -> Iterator[Running]:
    """Run a service that goes on from the newest checkpoint in ``folder``."""
    config = inside / "config.toml"
    config.write_text(f"[service]\ncheckpoint_every_s = {EVERY_S}\n")
    arguments = [
        "run", "--json", "--config", str(config), "--port", "0", "--http-port", "0",
        "--source", f"sim:?seed={seed}&speed=max&hold=0.3", "--model", "edge",
        "--labels", "source", "--filter", "hot", "--checkpoint", str(folder), "--resume",
    ]  # fmt: skip
    process = Process(arguments, inside / "stderr")
    with process.stdout:
        try:
            yield Running(process, folder)
        finally:
            process.end(signal.SIGKILL)


def newest(folder: Path) -> tuple[Path, int, float] | None:
    """Load every checkpoint in a folder; returns the newest one, its tick and its time of writing.

    Raises
    ------
    Exception
        One is not whole, or lacks what the source remembers.
    """
    store = CheckpointStore(folder)
    found = None
    for path in store.paths():
        assert store.beside(path) is not None, f"{path} lacks what the source remembers"
        found = path, Network.from_bytes(path.read_bytes()).tick, path.stat().st_mtime
    return found


def kill_often(inside: Path, count: int, seed: int) -> dict[str, Any]:
    """Start, kill, look, and again; returns the account."""
    rng = random.Random(seed)
    folder = inside / "saved"
    ages: list[float] = []
    wrong: list[str] = []
    during = cut_short = most_left = tick = 0
    before: tuple[Path, int, float] | None = None
    began = time.monotonic()
    for number in range(count):
        wait_s = rng.uniform(0.0, LONGEST_S)
        with learner(inside, folder, seed + number) as running:
            time.sleep(wait_s)
            killed = time.time()
            running.process.end(signal.SIGKILL)
        said = (inside / "stderr").read_text()
        left = sum(1 for _ in folder.glob(".checkpoint-*")) if folder.exists() else 0
        cut_short, most_left = cut_short + (left > 0), max(most_left, left)
        during += (inside / WRITING).exists()
        (inside / WRITING).unlink(missing_ok=True)
        if before is not None and f"going on from {before[0]}" not in said:
            wrong.append(f"kill {number}: did not go on from {before[0].name}: {said[-300:]}")
        try:
            found = newest(folder)
        except Exception as error:
            wrong.append(f"kill {number}: {type(error).__name__}: {error}")
            continue
        due = wait_s > DUE_S
        if due or (found is not None and found != before):
            if found is None or found[2] < running.since - EVERY_S - WRITE_S:
                wrong.append(f"kill {number}, {wait_s:.2f} s after the start: no checkpoint of it")
                continue
            ages.append(killed - found[2])
            if ages[-1] > EVERY_S + WRITE_S:
                wrong.append(f"kill {number}: the newest checkpoint was {ages[-1]:.2f} s old")
            if found[1] <= tick:
                wrong.append(f"kill {number}: tick {found[1]} after tick {tick}")
            tick = found[1]
        before = found
        if left > 1:
            wrong.append(f"kill {number}: {left} temporary files")
    if count >= LEAST_KILLS and during < SHARE * count:
        wrong.append(f"{during} of {count} kills hit a write; at least {SHARE:.0%} have to")
    ranked = sorted(ages) or [0.0]
    return {
        "kills": count, "with_new_checkpoint": len(ages), "during_a_write": during,
        "temporary_files_left": cut_short, "most_temporary_files": most_left, "tick": tick,
        "age_s": {"p50": round(ranked[len(ranked) // 2], 3), "max": round(ranked[-1], 3)},
        "allowed_s": EVERY_S + WRITE_S, "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
    }  # fmt: skip


@contextmanager
def unwritable(running: Running) -> Iterator[None]:
    """Put a file where the folder is: that stops root as well."""
    aside = running.folder.with_name("aside")
    running.folder.rename(aside)
    while True:
        try:
            running.folder.write_text("")
            break
        except IsADirectoryError:
            shutil.rmtree(running.folder)  # a write was quicker, and made it again
    yield
    running.folder.unlink()
    aside.rename(running.folder)


@contextmanager
def full(running: Running) -> Iterator[None]:
    """Fill the disk, if it is small; otherwise limit the size of files."""
    pid = running.process.pid
    ballast = running.folder.parent / "ballast"
    if not running.folder.parent.is_mount():
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (5_000, hard))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        return
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    ballast.unlink()


def trouble(running: Running, how: Any, says: str) -> dict[str, Any]:
    """Make checkpoints impossible for a while; returns what was reported and what went on."""
    with running.client(subscribe=["status", "result"], buffer=100_000) as client:

        def heard(failing: bool) -> dict[str, Any]:
            deadline = time.monotonic() + 30
            for message in client:
                saved = message.get("checkpoint", {})
                if message["topic"] != "status" or saved["path"] is None:
                    continue
                if bool(saved["error"]) == failing:
                    return dict(saved)
                assert time.monotonic() < deadline, f"no status with failing {failing}"
            raise AssertionError("the service has ended")

        heard(False)
        with how(running):
            failed = heard(True)
            code, page = running.page("healthz")
            metrics = running.page("metrics")[1]
            messages = iter(client)
            results = 0
            while results < 20:
                results += next(messages)["topic"] == "result"
        saved = heard(False)
    number = next(
        float(line.split()[1]) for line in metrics.splitlines()
        if line.startswith("spikewire_checkpoint_failures_total")
    )  # fmt: skip
    wrong = []
    if says not in failed["error"] or says not in page or code != 503:
        wrong.append(f"status says {failed['error']!r}, /healthz {code} {page}")
    if number < 1:
        wrong.append(f"/metrics counts {number:g} failures")
    if saved["tick"] <= (failed["tick"] or 0):
        wrong.append(f"the checkpoint after it is of tick {saved['tick']}")
    time.sleep(0.2)
    if (code := running.page("healthz")[0]) != 200:
        wrong.append(f"/healthz answers {code} after it")
    return {"error": failed["error"], "failures": saved["failures"], "wrong": wrong}


@contextmanager
def small_disk(inside: Path) -> Iterator[Path]:
    """Mount a tmpfs of 8 MiB where that is allowed; a plain folder otherwise."""
    folder = inside / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def disturb(inside: Path, seed: int) -> dict[str, Any]:
    """Take the folder away, then fill the disk; returns the account."""
    with small_disk(inside) as disk, learner(inside, disk / "saved", seed) as running:
        says = "No space left" if disk.is_mount() else "File too large"
        account = {
            "unwritable": trouble(running, unwritable, "File exists"),
            "full": trouble(running, full, says),
        }
        code = running.process.end(signal.SIGTERM)
        tick = json.loads(running.process.stdout.read().splitlines()[-1])["tick"]
        found = newest(disk / "saved")
        wrong = [] if code == 0 else [f"the exit code was {code}"]
        if found is None or found[1] != tick:
            wrong.append(f"the last checkpoint is not of the last tick, {tick}")
        if left := list((disk / "saved").glob(".checkpoint-*")):
            wrong.append(f"{len(left)} temporary files are left")
        said = (inside / "stderr").read_text()
        for one in account.values():
            wrong += one.pop("wrong")
            if one["error"] not in said.replace("\n", " ").replace("  ", " "):
                wrong.append(f"the log does not say {one['error']!r}")
    return {**account, "wrong": wrong}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    load_kernels()
    with tempfile.TemporaryDirectory() as inside:
        report = {"seed": chosen.seed, **kill_often(Path(inside), chosen.count, chosen.seed)}
        report["disk"] = disturb(Path(inside), chosen.seed)
    report["wrong"] += report["disk"].pop("wrong")
    print(json.dumps(report))
    return int(bool(report["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
