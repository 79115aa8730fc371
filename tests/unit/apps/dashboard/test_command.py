"""`spikewire dashboard`: wrong usage, and a service and its page in one."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from spikewire.apps import commands as cli
from spikewire.apps.cli.sources import open_source_at
from spikewire.runtime import ServiceAddress
from tests.support.patience import patience


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "say --public"),
        (["--source", "sim:", "--connect", "127.0.0.1:1"], "leave out --connect"),
        (["--connect", "here"], "HOST:PORT"),
        (["--port", "0"], "--port is for a service that the dashboard runs: give --source"),
        (["--model", "edge"], "--model is for a service"),
        (["--classes", "a,b"], "--classes is for a service"),
        (["--filter", "hot"], "--filter is for a service"),
        (["--speed", "1"], "--speed is for a service"),
        (["--checkpoint", "there"], "--checkpoint is for a service"),
        (["--record-folder", "there"], "--record-folder is for a service"),
        (["--control-token", "there"], "--control-token is for a service"),
        (["--seed", "0"], "--seed is for a service"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["dashboard", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "starlette.applications", None)
    assert cli.run(["dashboard", "--http-port", "0"]) == 2
    assert "spikewire[http]" in capsys.readouterr().err


def test_a_service_and_its_page_in_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found: list[Any] = []

    # The service stays for those who look, so the test ends it.
    async def look(door: ServiceAddress, *_: Any, task_status: Any, **__: Any) -> None:
        from spikewire.runtime import connect

        task_status.started("http://127.0.0.1:1")
        async with connect(door.host, door.port) as client:
            await trio.sleep(0.1)  # several times as long as the recording
            found.append((await client.status())["status"]["source"])
            await client.replay(position_us=0, paused=True)
            with trio.fail_after(patience(20)):
                while True:
                    now = (await client.status())["status"]["source"]["replay"]
                    if now["position_us"] == 0:
                        break
                    await trio.sleep(0.01)
                found.append(now)
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr("spikewire.apps.dashboard.command.serve_dashboard", look)
    file = tmp_path / "bar.csv"
    file.write_text("".join(f"{t},{t // 1000 % 30},5,1\n" for t in range(0, 20_000, 100)))
    arguments = ["dashboard", "--source", f"file:{file}?size=32x32", "--port", "0", "--json"]
    assert cli.run(arguments) == 0
    (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told["type"] == "serving"
    source, sought = found
    # At the speed of life, and waiting: what the page's buttons ask for is done.
    assert source["state"] == "running"
    assert source["replay"]["speed"] == 1.0
    assert sought["paused"]


def test_what_a_source_says_of_itself_goes_before_what_files_get(tmp_path: Path) -> None:
    file = tmp_path / "bar.csv"
    file.write_text("0,1,5,1\n100,2,5,1\n")
    defaults = {"wait": True, "speed": 1.0}

    def opened(more: str, speed: str | None = None) -> tuple[Any, Any]:
        source: Any = open_source_at(f"file:{file}?size=32x32{more}", speed, None, defaults)
        return source._wait, source.speed

    assert opened("") == (True, 1.0)
    assert opened("&wait=0&speed=max") == (False, None)
    assert opened("&speed=2", "4") == (True, 4.0)
    assert opened("", "max") == (True, None)
    assert open_source_at("sim:", None, None, defaults).name.startswith("sim:")


@pytest.mark.parametrize("own", [(), ("--port", "0")])
def test_where_the_usual_port_is_taken_the_page_says_how_to_find_its_service(
    own: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look(door: ServiceAddress, *_: Any, task_status: Any, **__: Any) -> None:
        task_status.started(f"http://service-at-{door.port}")
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    monkeypatch.setattr("spikewire.apps.dashboard.command.serve_dashboard", look)
    monkeypatch.setattr("spikewire.apps.dashboard.command.free_port", lambda _: 0)
    assert cli.run(["dashboard", "--source", "sim:", *own]) == 0
    said = capsys.readouterr().err
    (port,) = set(re.findall(r"service-at-(\d+)", said))
    told = f"other commands find this one with -c 127.0.0.1:{port}\n"
    assert (told in said) == (not own)
