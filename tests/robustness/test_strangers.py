"""Strangers at the door of a service in a process of its own: memory, places, pages, the log."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress

import pytest

from spikewire.runtime import BlockingClient
from spikewire.runtime.protocol.frames import encode
from tests.support.patience import patience

CONTROL = "control-secret-0123456789"
CROWD = 250
MEBIBYTE = 2**20


@contextmanager
def serving(folder, stderr, **settings):
    """A service that nobody teaches; yields its process and what it announced."""
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    (folder / "config.toml").write_text(f"[service]\n{lines}")
    command = [
        sys.executable, "-m", "spikewire", "run", "--json", "--config", str(folder / "config.toml"),
        "--port", "0", "--http-port", "0", "--source", "sim:?seed=1", "--model", "edge",
        "--labels", "source",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def resident(process):
    """Memory of a process, in bytes."""
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def healthy(hello):
    with urllib.request.urlopen(f"{hello['http']}/healthz", timeout=patience(10)) as answer:
        return answer.status == 200


@pytest.mark.slow
def test_a_crowd_of_strangers_holds_nothing_and_locks_nobody_out(tmp_path):
    with (
        open(tmp_path / "stderr", "wb") as log,
        serving(tmp_path, log, control_token=CONTROL, hello_s=60, refusals_logged=5) as (
            process,
            hello,
        ),
        ExitStack() as crowd,
    ):
        at = hello["host"], hello["port"]
        with BlockingClient(*at, token=CONTROL, timeout_s=patience(20)) as before:
            assert before.status()["ok"]
            began = resident(process)
            for _ in range(2 * CROWD):
                stranger = crowd.enter_context(socket.create_connection(at))
                stranger.settimeout(0.05)
                with suppress(OSError):
                    stranger.sendall(MEBIBYTE.to_bytes(4, "big") + bytes(MEBIBYTE - 1))
            for _ in range(2 * CROWD):
                stranger = crowd.enter_context(socket.create_connection(at))
                stranger.sendall((4096).to_bytes(4, "big") + bytes(4000))
            for _ in range(100):
                page = hello["http"].removeprefix("http://").rpartition(":")
                stranger = crowd.enter_context(socket.create_connection((page[0], int(page[2]))))
                stranger.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
            assert healthy(hello)
            with BlockingClient(*at, token=CONTROL, timeout_s=patience(20)) as late:
                assert late.status()["ok"]
            assert before.status()["ok"]
            grown = resident(process) - began
        assert grown < 40 * MEBIBYTE, f"{grown / MEBIBYTE:.0f} MiB"
    told = (tmp_path / "stderr").read_text().splitlines()
    assert len([line for line in told if "made room" in line]) <= 5


@pytest.mark.slow
def test_a_log_that_nobody_reads_stops_no_service(tmp_path):
    reader, writer = os.pipe()
    with serving(
        tmp_path, writer, control_token=CONTROL, refusals_logged=1_000_000, at_end="stay"
    ) as (process, hello):
        os.close(writer)
        at = hello["host"], hello["port"]
        refused = encode({"type": "hello", "protocol": 1, "client": "x" * 128})
        # Each is a line of some 170 bytes: the pipe's 64 KiB are full after 400.
        for _ in range(1500):
            with socket.create_connection(at) as stranger:
                stranger.sendall(refused)
                with suppress(OSError):
                    stranger.recv(1000)
        with BlockingClient(*at, token=CONTROL, timeout_s=patience(20)) as client:
            assert client.status()["ok"]
        assert healthy(hello)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(patience(30)) == 0
        assert time.monotonic() - began < patience(30)
    os.close(reader)
