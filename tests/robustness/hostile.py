"""Throw 100,000 hostile messages at a running service.

Usage: `python -m tests.robustness.hostile --count 100000`.

The service is a process of its own: `edge`, which learns from the simulated camera. A subscriber
must miss nothing and hear as soon as before, a control client's requests must all be answered, and
each attempt (``hostile_kinds``) must end with its own error. Memory, descriptors, threads and
connections must be what they were before. A second service, with TLS, gets a twentieth more, a
page of /metrics some hostile requests. Prints one JSON line; the exit code is 1 if anything is
wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from spikewire.runtime import BlockingClient
from spikewire.runtime.net.tls import client_context
from tests.robustness import hostile_kinds, hostile_peers
from tests.support.certificates import write_certificate

# Whatever the count: with 1,250 the heap has not reached its size yet.
WARM_UP = 3_000
CROWD = 64
QUIET_S = 10.0
MOST_GROWTH = 0.02
HTTP = (
    b"\0" * 100, b"GET /metrics", b"GET / HTTP/9.9\r\n\r\n", b"\xff\xfe\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nhello",
    b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n" * 500, hostile_kinds.HELLO, b"",
    hostile_kinds.UPGRADE, hostile_kinds.UPGRADE + b"\xff" * 40,
    hostile_kinds.UPGRADE + b"\x81\xfe\xff\xff" + b"\0" * 9_000,
    hostile_kinds.UPGRADE.replace(b"13", b"99"),
)  # fmt: skip


@contextmanager
def service(folder: Path, **more: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run a service with the limits of the attempts; yields its process and what it announced."""
    settings = {**hostile_kinds.LIMITS, "unix_path": str(folder / "socket"), **more}
    config = folder / "config.toml"
    config.write_text(
        "[service]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())
    )
    with (
        open(folder / "stderr", "w") as complaints,
        subprocess.Popen(
            [sys.executable, "-m", "spikewire", "run", "--json", "--config", str(config),
             "--port", "0", "--http-port", "0", "--source", "sim:?seed=1",
             "--model", "edge", "--labels", "source"],
            stdout=subprocess.PIPE, stderr=complaints, text=True,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


class Neighbours:
    """A subscriber and a control client, in threads of their own."""

    def __init__(self, **how: Any) -> None:
        self._how = how
        self._over = threading.Event()
        self.latencies: list[tuple[float, float]] = []
        self.answers: list[tuple[float, float]] = []
        self.missed = self.results = self.refused = 0
        self.faults: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(what,)) for what in
                         (self._listen, self._ask)]  # fmt: skip
        for thread in self._threads:
            thread.start()

    def _run(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:
            self.faults.append(f"a healthy client: {type(error).__name__}: {error}")

    def _listen(self) -> None:
        seq = None
        with BlockingClient(subscribe=["result"], buffer=100_000, timeout_s=20, **self._how) as at:
            for message in at:
                if message["type"] != "message" or (seq is not None and message["seq"] != seq + 1):
                    self.missed += 1
                seq = message.get("seq", seq)
                self.results += 1
                self.latencies.append((time.monotonic(), message.get("latency_us", 0) / 1e3))
                if self._over.is_set():
                    break

    def _ask(self) -> None:
        with BlockingClient(timeout_s=20, **self._how) as client:
            while not self._over.wait(0.02):
                began = time.monotonic()
                answer = client.status() if len(self.answers) % 2 else client.learn(True)
                self.answers.append((began, (time.monotonic() - began) * 1e3))
                self.refused += not answer["ok"]

    def end(self) -> None:
        """Let both leave."""
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def between(self, begin: float, end: float) -> dict[str, dict[str, float]]:
        """Give percentiles of the results' latencies and of the answers, in milliseconds."""
        return {
            name: _percentiles([value for at, value in kept if begin <= at < end])
            for name, kept in (("latency_ms", self.latencies), ("answer_ms", self.answers))
        }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ranked = sorted(values) or [0.0]
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    chosen = {name: ranked[min(len(ranked) - 1, int(q * len(ranked)))] for name, q in at.items()}
    return {name: round(value, 2) for name, value in chosen.items()}


def state(pid: int, http: str) -> dict[str, float]:
    """Measure a service from outside: memory, descriptors, threads, connections."""
    with urllib.request.urlopen(f"{http}/metrics", timeout=20) as page:
        text = page.read().decode()
    time.sleep(0.5)  # until the page's own connection is closed
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] not in ("#", ""))
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "resident_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 2),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "connections": float(told["spikewire_connections"]),
        "subscribers": float(told['spikewire_subscribers{pipeline="main"}']),
    }


def settled(pid: int, http: str, connections: int) -> dict[str, float]:
    """Measure once all but so many connections are closed, or after 10 s."""
    deadline = time.monotonic() + 10
    while True:
        time.sleep(0.5)
        found = state(pid, http)
        if found["connections"] == connections or time.monotonic() > deadline:
            return found


def attack(ways: Sequence[str | int], first: int, count: int, chosen: argparse.Namespace,
           ca: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Attack from another process; returns its account."""
    order = {"ways": list(ways), "first": first, "count": count, "seed": chosen.seed, "ca": ca,
             "per_s": chosen.per_s}  # fmt: skip
    done = subprocess.run(
        ["nice", sys.executable, "-m", "tests.robustness.hostile", "--attack", json.dumps(order)],
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def pester(http: str) -> int:
    """Send hostile requests to the pages, many at a time; returns how many were not closed."""
    host, port = http.removeprefix("http://").split(":")
    peers = []
    for number in range(10 * len(HTTP)):
        peer = socket.create_connection((host, int(port)), timeout=15)
        peers.append(peer)
        try:
            peer.sendall(HTTP[number % len(HTTP)])
        except OSError:
            continue
    open_still = 0
    for peer in peers:
        with peer:
            try:
                while peer.recv(65536):
                    pass
            except TimeoutError:
                open_still += 1
            except OSError:
                continue
    return open_still


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Attack both services; returns the account."""
    with tempfile.TemporaryDirectory() as inside:
        (plain := Path(inside) / "plain").mkdir()
        (secure := Path(inside) / "secure").mkdir()
        report = attack_plain(plain, chosen)
        report["tls"] = attack_tls(secure, chosen)
    report["wrong"] += report["tls"].pop("wrong")
    return report


def attack_plain(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Attack TCP, the Unix socket and the pages."""
    with service(folder) as (process, told):
        ways = [told["port"], told["port"], told["port"], str(folder / "socket")]
        neighbours = Neighbours(port=told["port"])
        times = [time.monotonic()]
        time.sleep(QUIET_S)
        times.append(time.monotonic())
        wrong = attack(ways, chosen.count, WARM_UP, chosen)["wrong"]
        before = settled(process.pid, told["http"], 2)
        times.append(time.monotonic())
        report = attack(ways, 0, chosen.count, chosen)
        times.append(time.monotonic())
        after = settled(process.pid, told["http"], 2)
        open_still = pester(told["http"])
        times.append(time.monotonic())
        time.sleep(QUIET_S)
        times.append(time.monotonic())
        after_http = settled(process.pid, told["http"], 2)
        neighbours.end()
        gone = settled(process.pid, told["http"], 0)
        with urllib.request.urlopen(f"{told['http']}/healthz", timeout=20) as page:
            healthy = json.load(page)
        wrong += _end(process, folder)
    took = times[3] - times[2]
    wrong += report["wrong"] + neighbours.faults
    wrong += _differences(before, after) + _differences(before, after_http)
    quiet, meanwhile = neighbours.between(*times[:2]), neighbours.between(*times[2:4])
    usual, now = quiet["latency_ms"], meanwhile["latency_ms"]
    harmed = now["p50"] > 1.5 * usual["p50"] + 1 or now["p99"] > chosen.most_ms
    for what, is_so in {
        f"{report['wrongs']} attempts without their error": report["wrongs"],
        f"{neighbours.missed} results were missed": neighbours.missed,
        f"{neighbours.refused} control requests were refused": neighbours.refused,
        f"{open_still} hostile HTTP requests were left open": open_still,
        f"{gone['connections']:g} connections are left": gone["connections"],
        f"/healthz says {healthy['faults']}": healthy["faults"],
        f"latency {meanwhile}": harmed,
    }.items():
        wrong += [what] if is_so else []
    return {
        "count": chosen.count, "seed": chosen.seed, "seconds": round(took, 1),
        "per_s": round(chosen.count / took, 1), "kinds": report["kinds"],
        "results": neighbours.results, "missed": neighbours.missed,
        "control_requests": len(neighbours.answers), "quiet": quiet, "under_attack": meanwhile,
        "quiet_again": neighbours.between(*times[4:6]),
        "before": before, "after": after, "after_http": after_http, "wrong": wrong,
    }  # fmt: skip


def attack_tls(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Attack a port that speaks TLS, with TLS and without."""
    files = write_certificate(folder, "tls")
    count = max(100, chosen.count // 20)
    with service(folder, **files) as (process, told):
        neighbours = Neighbours(port=told["port"], tls=True, ca=files["tls_cert"])
        warm = attack([told["port"]], count, WARM_UP, chosen, files["tls_cert"])
        before = settled(process.pid, told["http"], 2)
        report = attack([told["port"]], 0, count, chosen, files["tls_cert"])
        after = settled(process.pid, told["http"], 2)
        neighbours.end()
        wrong = _end(process, folder) + warm["wrong"] + report["wrong"] + neighbours.faults
    wrong += _differences(before, after)
    wrong += [f"{neighbours.missed} results were missed over TLS"] if neighbours.missed else []
    return {"count": count, "before": before, "after": after, "results": neighbours.results,
            "control_requests": len(neighbours.answers), "wrong": wrong}  # fmt: skip


def _differences(before: dict[str, float], after: dict[str, float]) -> list[str]:
    wrong = [
        f"{name} went from {before[name]:g} to {after[name]:g}"
        for name in ("descriptors", "connections", "subscribers")
        if after[name] != before[name]
    ]
    if after["resident_mb"] > before["resident_mb"] * (1 + MOST_GROWTH):
        wrong.append(f"memory went from {before['resident_mb']} to {after['resident_mb']} MB")
    return wrong


def _end(process: subprocess.Popen[str], folder: Path) -> list[str]:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    said = (folder / "stderr").read_text()
    wrong = [] if process.returncode == 0 else [f"the exit code was {process.returncode}"]
    for sign in ("Traceback", "unforeseen"):
        if (at := said.find(sign)) >= 0:
            wrong.append("a traceback: " + said[max(0, at - 200) : at + 2000])
            break
    return wrong


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-s", type=float, default=250.0, help="most attempts in a second")
    parser.add_argument("--most-ms", type=float, default=100.0, help="allowed p99 of the latency")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.attack is not None:
        order = json.loads(chosen.attack)
        ca = order.pop("ca")
        tls = None if ca is None else client_context(ca)
        given = [order[name] for name in ("ways", "first", "count", "seed")]
        print(json.dumps(trio.run(hostile_peers.assault, *given, CROWD, order["per_s"], tls)))
        return 0
    report = run(chosen)
    print(json.dumps(report))
    return int(bool(report["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
