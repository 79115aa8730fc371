"""The command as a process: real signals, real pipes, real ports. Each is bounded."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spikewire.qcore import Network
from tests.support.patience import patience

pytestmark = pytest.mark.slow
LIMIT_S = 120


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "spikewire", *words]


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def first_line(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout is not None
    line: dict[str, Any] = json.loads(running.stdout.readline())
    return line


def complaints(told: str) -> str:
    """Standard error without the remark that loading takes long, which a busy machine calls for."""
    return told.replace("compiling kernels (once) ...\n", "")


def status(address: str) -> dict[str, Any]:
    words = command("status", "--json", "-c", address)
    answer = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_service_says_goodbye_and_saves(tmp_path: Path, how: signal.Signals) -> None:
    with process(
        "run", "--json", "--source", "sim:?seed=2", "--labels", "source", "--port", "0",
        "--checkpoint", str(tmp_path),
    ) as server:  # fmt: skip
        hello = first_line(server)
        address = f"{hello['host']}:{hello['port']}"
        with process("watch", "--json", "--once", "-c", address) as watcher:
            assert first_line(watcher)["type"] == "hello"
            while first_line(watcher).get("topic") != "result":
                pass
            server.send_signal(how)
            out, err = server.communicate(timeout=LIMIT_S)
            seen, complaint = watcher.communicate(timeout=LIMIT_S)
    assert (server.returncode, complaints(err)) == (0, "")
    assert (watcher.returncode, complaints(complaint)) == (0, "")
    summary = json.loads(out.splitlines()[-1])
    assert summary["reason"] == "stopped"
    goodbye = json.loads(seen.splitlines()[-1])
    assert (goodbye["type"], goodbye["tick"]) == ("goodbye", summary["tick"])
    assert Network.load(summary["checkpoint"]).tick == summary["tick"]


def test_a_service_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ticks = []
    for words in ([], ["--resume"]):
        with process(
            "run", "--json", "--source", "sim:?seed=2&duration=0.2&speed=max", "--port", "0",
            "--checkpoint", str(tmp_path), *words,
        ) as server:  # fmt: skip
            out, _ = server.communicate(timeout=LIMIT_S)
        assert server.returncode == 0
        ticks.append(json.loads(out.splitlines()[-1])["tick"])
    assert ticks[1] > 2 * ticks[0] > 0


def test_the_demo_without_a_terminal_tells_in_lines() -> None:
    with process("demo", "--untrained", "--lessons", "2", "--for", "1s", "--no-page") as demo:
        out, err = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0
    assert "\x1b" not in out
    assert re.search(r"^teaching .*teaching: ", out, re.MULTILINE)
    assert re.search(r"^live .*shown: ", out, re.MULTILINE)
    assert re.search(r"right \d+ % of the time", out)
    assert "Traceback" not in err


def test_the_demo_opens_with_the_dashboard_and_a_right_class() -> None:
    with process("demo", "--for", "0s") as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        for told in demo.stderr:
            if told.startswith("dashboard at http://127.0.0.1:"):
                break
        began = time.monotonic()
        with urllib.request.urlopen(told.split()[-1], timeout=LIMIT_S) as page:
            assert b"<title>spikewire" in page.read()
        for line in demo.stdout:
            shown = re.search(r"shown: (\w+) .*recognised: (\w+)", line)
            if shown and shown[1] == shown[2]:
                break
        assert time.monotonic() - began < patience(15)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0
    assert re.search(r"right \d+ % of the time", out)
    assert "Traceback" not in err


def test_ctrl_c_in_the_demo_gives_the_terminal_back() -> None:
    main, side = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    demo = subprocess.Popen(
        command("demo", "--untrained", "--lessons", "600"),
        stdout=side, stderr=side, env=environment,
    )  # fmt: skip
    os.close(side)
    try:
        shown = b""
        deadline = time.monotonic() + LIMIT_S
        asked = False
        while select.select([main], [], [], deadline - time.monotonic())[0]:
            try:
                shown += os.read(main, 65536)
            except OSError:
                break  # the other side is closed: the demo has ended
            if not asked and b"recognised" in shown:
                demo.send_signal(signal.SIGINT)
                asked = True
        assert demo.wait(patience(1)) == 0
    finally:
        demo.kill()
        os.close(main)
    assert b"Traceback" not in shown
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"\x1b[?1049h")
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


def test_a_reader_that_leaves_is_no_mistake() -> None:
    words = " ".join(command("replay", "--help")) + " | head -1"
    told = subprocess.run(words, shell=True, capture_output=True, text=True, timeout=LIMIT_S)
    assert (told.returncode, complaints(told.stderr)) == (0, "")


@pytest.mark.data
def test_aestream_sends_a_recording_over_udp(data_dir: Path) -> None:
    recording = data_dir / "recordings" / "davis346.aedat4"
    program = Path(sys.executable).with_name("aestream")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with process(
        "run", "--json", "--source", f"udp://127.0.0.1:{port}?size=346x260", "--classes", "a,b",
        "--port", "0",
    ) as server:  # fmt: skip
        hello = first_line(server)
        subprocess.run(
            [program, "input", "file", recording, "output", "udp", "127.0.0.1", port,
             "--include-timestamp", "true"],
            check=True, capture_output=True, timeout=LIMIT_S,
        )  # fmt: skip
        # What the sender has handed to the kernel is read before the end: ask once, then stop.
        status(f"{hello['host']}:{hello['port']}")
        server.send_signal(signal.SIGINT)
        out, _ = server.communicate(timeout=LIMIT_S)
    summary = json.loads(out.splitlines()[-1])
    counted = summary["source"]
    assert counted["stale_tail"] > 0
    assert summary["events"] == counted["events"]
    # Nothing may be lost on the way without being counted: each datagram holds 32 events.
    lost = 32 * counted.get("kernel_drops", 0)
    assert 117_667 - lost <= counted["events"] <= 117_667


@pytest.mark.data
def test_five_real_gestures_are_learned_over_the_wire(data_dir: Path) -> None:
    words = command("bench", "gestures", str(data_dir / "dvs_gesture"), "--json")
    told = subprocess.run(words, capture_output=True, text=True, timeout=2 * LIMIT_S)
    assert complaints(told.stderr) == ""
    report = json.loads(told.stdout)
    assert (report["right"], report["of"], told.returncode) == (5, 5, 0), report


@pytest.mark.data
def test_wrong_names_are_not_learned_as_right_ones(data_dir: Path) -> None:
    words = command("bench", "gestures", str(data_dir / "dvs_gesture"), "--json")
    told = subprocess.run(
        [*words, "--shuffle-labels"], capture_output=True, text=True, timeout=2 * LIMIT_S
    )
    assert told.returncode == 1
    report = json.loads(told.stdout)
    assert report["right"] < report["of"] == 5, report
