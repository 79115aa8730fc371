"""Every command that talks to a service finds it by TCP, TLS or a Unix socket, with a token."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from typer.testing import CliRunner

from spikewire.apps import commands as cli
from spikewire.apps.cli.options.address import ServiceAccess
from spikewire.runtime import ConnectionLost, ServiceAddress
from tests.support.certificates import write_certificate
from tests.support.documents import free_port

CONTROL = "control-secret-0123456789"
COMMANDS = (
    ["status", "--json"],
    ["learn", "on"],
    ["checkpoint"],
    ["play", "bar.bin", "--stop", "50ms", "--json"],
    ["teach", "left", "--play", "bar.bin", "--stop", "50ms", "--json"],
)
Serving = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, serving: Serving) -> Iterator[Any]:
    """A service with TLS, a Unix socket and a token, and the options for each way in."""
    folder = tmp_path_factory.mktemp("door")
    files = write_certificate(folder, "good")
    secret, socket = folder / "token", folder / "s.sock"
    secret.write_text(CONTROL + "\n")
    with serving(
        **files, unix_path=str(socket), control_token=CONTROL,
        checkpoint_folder=str(folder / "saved"),
    ) as service:  # fmt: skip
        token = ["--token-file", str(secret)]
        yield {
            "tls": ["-c", service.address, "--ca", files["tls_cert"], *token],
            "unix": ["-c", f"unix:{socket}", *token],
            "untrusted": ["-c", service.address, "--tls", *token],
            "no token": ["-c", f"unix:{socket}"],
        }


@pytest.mark.parametrize("way", ["tls", "unix"])
def test_every_command_gets_in(guarded: Any, capsys: pytest.CaptureFixture[str], way: str) -> None:
    for command in COMMANDS:
        assert cli.run([*command, *guarded[way]]) == 0, command
        assert capsys.readouterr().err == ""


def test_the_environment_has_the_token(
    guarded: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["status", *guarded["no token"]]) == 1
    assert "wants a token" in capsys.readouterr().err
    monkeypatch.setenv("SPIKEWIRE_TOKEN", CONTROL)
    assert cli.run(["status", *guarded["no token"]]) == 0


def test_a_certificate_nobody_vouches_for(guarded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", *guarded["untrusted"]]) == 1
    assert "No secure connection to 127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["watch", "teach", "play", "status", "learn", "checkpoint"])
def test_the_options_are_the_same_everywhere(command: str) -> None:
    told = CliRunner().invoke(cli.application(), [command, "--help"], env={"COLUMNS": "200"}).output
    for option in (
        "--connect",
        "unix:PATH",
        "--tls",
        "--ca",
        "--token-file",
        "SPIKEWIRE_TOKEN",
        "--wait",
    ):
        assert option in told


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["-c", "unix:"], "lacks the path"),
        (["-c", "unix:/s", "--tls"], "a Unix socket has no TLS"),
        (["-c", ":1", "--ca", "/nowhere"], "there is no such file"),
        (["-c", ":1", "--token-file", "/nowhere"], "the token in /nowhere cannot be read"),
        (["-c", "unix/s"], "is not HOST:PORT"),
    ],
)
def test_wrong_usage(words: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", *words]) == 2
    assert part in capsys.readouterr().err


def test_nobody_at_a_unix_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "-c", f"unix:{tmp_path}/none", "--wait", "0s"]) == 1
    assert f"Cannot reach a service at {tmp_path}/none: No such file" in capsys.readouterr().err


def test_a_command_waits_for_a_service_that_starts(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `spikewire run ... &` and the next command start together, and the service loads longer.
    port = free_port()
    told, answered = threading.Event(), threading.Event()

    class Told:
        is_terminal = True

        def print(self, text: str, **_: Any) -> None:
            assert text == f"waiting up to 10 s for a service at 127.0.0.1:{port} ..."
            told.set()

    def scenario() -> None:
        told.wait(30)
        with serving(port=port):
            answered.wait(30)

    monkeypatch.setattr("spikewire.apps.cli.options.address.stderr_console", Told)
    thread = threading.Thread(target=scenario)
    thread.start()
    try:
        assert cli.run(["status", "-c", f"127.0.0.1:{port}"]) == 0
    finally:
        answered.set()
        thread.join()
    assert told.is_set()


async def test_the_time_to_wait_begins_when_a_first_start_has_compiled(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = trio.current_time()

    def age() -> float:
        return trio.current_time() - begun

    @asynccontextmanager
    async def dial(**_: Any) -> AsyncIterator[str]:
        if age() < listens:
            raise ConnectionLost("nobody") from ConnectionRefusedError()
        yield "client"

    where = "spikewire.apps.cli.options.address"
    monkeypatch.setattr("spikewire.runtime.connect", dial, raising=False)
    monkeypatch.setattr(f"{where}.announced_here", lambda: age() < 60)
    access = ServiceAccess(":1", ServiceAddress("localhost", 1), wait_us=10_000_000)
    listens = 69.0
    async with access.connect() as client:
        assert client == "client"
    begun, listens = trio.current_time(), 1000.0
    with pytest.raises(ConnectionLost):
        async with access.connect():
            pass
    assert age() == pytest.approx(70, abs=1)
    begun = trio.current_time()
    with pytest.raises(ConnectionLost):
        async with replace(access, wait_us=0).connect():
            pass
    assert age() == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--json", "for people"])
def test_watch_goes_on_when_the_service_is_restarted(
    serving: Serving, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    first = serving()
    service = first.__enter__()
    port = service.service.addresses[0][1]

    def watched(one: Any) -> None:
        while not one.service.first.broker.subscribers:
            time.sleep(0.005)

    def scenario() -> None:
        watched(service)
        time.sleep(0.2)  # a picture in between
        first.__exit__(None, None, None)
        time.sleep(0.2)
        with serving(port=port) as second:
            watched(second)
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=scenario)
    thread.start()
    words = ["--json"] if how == "--json" else []
    assert cli.run(["watch", *words, "-c", service.address]) == 0
    with suppress(RuntimeError):
        thread.join()
    told = capsys.readouterr().out.splitlines()
    if how == "--json":
        kinds = [json.loads(line)["type"] for line in told]
        lost, back = (json.loads(told[kinds.index(kind)]) for kind in ("lost", "back"))
        assert kinds[0] == "hello"
        assert lost["goodbye"]["reason"] == "stopped"
        assert back["new_run"]
        assert back["hello"]["run"] != json.loads(told[0])["run"]
        assert "message" in kinds[kinds.index("back") :]
    else:
        away = [" is away | " in line for line in told]
        assert away[0] is away[-1] is False
        assert True in away
