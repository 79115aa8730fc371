"""`spikewire bridge` as a command: its sentences, and the whole way as processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from spikewire.apps import commands as cli
from tests.support.natsd import Reader, Server, server_or_skip

LIMIT_S = 120
DOCUMENT = (Path(__file__).parents[3] / "docs" / "nats.md").read_text(encoding="utf-8")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = server_or_skip(tmp_path)
    yield started
    started.kill()


def spikewire(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spikewire", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--nats", "http://127.0.0.1"], "no address of a NATS server"),
        (["--nats", "nats://127.0.0.1:99999"], "no address of a NATS server"),
        (["--nats", "nats://host/path"], "ends after the port"),
        (["--nats", "nats://a,tls://b"], "all nats:// or all tls://"),
        (["--nats-ca", "ca.pem"], "tls://HOST:PORT"),
        (["--nats-creds", "/nowhere/user.creds"], "/nowhere/user.creds cannot be read"),
        (["--nats-creds", __file__], "holds no NATS credentials"),
        (["--prefix", "spikewire.*"], "no * and no >"),
        (["--prefix", "two words"], "no spaces"),
        (["--prefix", "a..b"], "names joined by dots"),
        (["--prefix", "$SYS"], "not beginning with $"),
        (["--topics", "result,,status"], "empty name"),
        (["--as", "xml"], "xml"),
    ],
)
def test_wrong_usage_is_one_sentence(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bridge", *words]) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert part in told.err


def test_a_password_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bridge", "--nats", "nats://me:secret@host:port"]) == 2
    assert cli.run(["bridge", "--nats", "nats://me:secret@127.0.0.1:1"]) == 1
    assert "secret" not in capsys.readouterr().err


def test_without_the_extra_it_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    assert cli.run(["bridge"]) == 2
    assert "pip install 'spikewire[nats]'" in capsys.readouterr().err


def test_sides_that_are_not_there(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bridge", "--nats", server.url, "-c", "127.0.0.1:1", "--wait", "0s"]) == 1
    assert "Cannot reach a service at 127.0.0.1:1" in capsys.readouterr().err
    server.kill()
    assert cli.run(["bridge", "--nats", server.url]) == 1
    told = f"spikewire: Cannot reach NATS at 127.0.0.1:{server.port}: Connection refused.\n"
    assert capsys.readouterr().err == told


@pytest.mark.slow
def test_the_simulated_camera_is_read_elsewhere(server: Server) -> None:
    """A service, its bridge and the document's reader, each a process; nothing is missing."""
    (text,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    reader = subprocess.Popen(
        [sys.executable, "-c", text, server.url], stdout=subprocess.PIPE, text=True
    )
    beside = Reader(server.url, "spikewire.>")
    service = spikewire("run", "--json", "--source", "sim:?seed=2", "--port", "0")
    try:
        assert service.stdout is not None
        hello = json.loads(service.stdout.readline())
        bridge = spikewire(
            "bridge", "--json", "--nats", server.url, "-c", f"127.0.0.1:{hello['port']}",
            "--prefix", "spikewire.camera1", "--until-goodbye",
        )  # fmt: skip
        assert reader.stdout is not None
        seen = [reader.stdout.readline().split() for _ in range(20)]
        service.send_signal(signal.SIGINT)
        out, err = bridge.communicate(timeout=LIMIT_S)
        service.communicate(timeout=LIMIT_S)
    finally:
        for one in (reader, service, bridge):
            one.kill()
            one.communicate()
        beside.close()
    assert (bridge.returncode, err) == (0, "")
    assert {subject for subject, _, _ in seen} == {"spikewire.camera1.result"}
    first = int(seen[0][1])
    assert [int(seq) for _, seq, _ in seen] == list(range(first, first + 20))
    *states, summary = lines(out)
    assert [(one["side"], one["state"]) for one in states] == [
        ("nats", "connected"), ("service", "connected"), ("service", "lost"),
    ][: len(states)]  # fmt: skip
    assert summary["type"] == "summary"
    published = [msgpack.unpackb(data) for _, data, _ in beside.messages]
    assert summary["published"] == summary["received"] == len(published)
    results = [m["seq"] for m in published if m["topic"] == "result"]
    assert results == list(range(results[0], results[0] + len(results)))
    assert [m["state"] for m in published if m["topic"] == "status"][-1] == "stopped"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(server: Server, running: Any, how: signal.Signals) -> None:
    bridge = spikewire(
        "bridge", "--json", "--nats", server.url, "-c", running.address, "--topics", "*",
        "--as", "json",
    )  # fmt: skip
    try:
        assert bridge.stdout is not None
        connected = [json.loads(bridge.stdout.readline()) for _ in range(2)][1]
        # HOST is this machine's, the source the service's.
        assert re.fullmatch(r"spikewire\.[\w-]+\.shelf-invented", connected["prefix"])
        bridge.send_signal(how)
        out, err = bridge.communicate(timeout=LIMIT_S)
    finally:
        bridge.kill()
        bridge.communicate()
    assert (bridge.returncode, err) == (0, "")
    summary = lines(out)[-1]
    assert summary["published"] == summary["received"] >= 1


@pytest.mark.slow
def test_a_camera_elsewhere_is_recognised_here(server: Server) -> None:
    """Events leave through one process, and a service in another computes every one of them."""
    service = spikewire(
        "run",
        "--json",
        "--source",
        f"{server.url}/spikewire.c.spif?size=128x128",
        "--port",
        "0",
        "--classes",
        "a,b",
    )
    bridge = None
    try:
        assert service.stdout is not None
        hello = json.loads(service.stdout.readline())
        assert hello["source"] == f"nats://127.0.0.1:{server.port}/spikewire.c.spif"
        bridge = spikewire(
            "bridge", "--json", "--nats", server.url, "--prefix", "spikewire.c",
            "--source", "sim:?seed=2&duration=1&speed=max",
        )  # fmt: skip
        out, err = bridge.communicate(timeout=LIMIT_S)
        service.send_signal(signal.SIGINT)
        told, _ = service.communicate(timeout=LIMIT_S)
    finally:
        for one in filter(None, (service, bridge)):
            one.kill()
            one.communicate()
    assert (bridge.returncode, err) == (0, "")
    sent, heard = lines(out)[-1], lines(told)[-1]
    assert sent["events"] == heard["source"]["events"] > 1000
    assert "messages_missing" not in heard["source"]
    assert heard["events"] + sum(heard["drops"].values()) == sent["events"]
