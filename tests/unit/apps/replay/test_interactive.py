"""Replaying by hand: what keys do, and a terminal that is given back."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import sys
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from spikewire.apps import commands as cli
from spikewire.apps.replay.interactive import SPEEDS, InteractiveView, handle_key, run_interactive
from spikewire.apps.replay.recording import Playback
from spikewire.apps.replay.runner import ResultSink
from spikewire.apps.replay.score import ReplayScore
from spikewire.qcore import Network, load_preset
from spikewire.sensors import Excerpt
from tests.support.bars import bar


class Told:
    """A source that notes what it is told."""

    def __init__(self, **state: Any) -> None:
        self.replay = {
            "file": "a.bin", "paused": False, "loop": False, "speed": 1.0,
            "position_us": 4_000_000, "duration_us": 9_000_000, **state,
        }  # fmt: skip
        self.changes: dict[str, Any] = {}

    async def control(self, **changes: Any) -> None:
        self.changes |= changes


@pytest.mark.parametrize(
    ("key", "state", "changes"),
    [
        ("space", {}, {"paused": True}),
        ("space", {"paused": True}, {"paused": False}),
        ("l", {}, {"loop": True}),
        ("right", {}, {"position_us": 5_000_000}),
        ("left", {}, {"position_us": 3_000_000}),
        ("up", {}, {"position_us": 9_000_000}),
        ("up", {"duration_us": None}, {"position_us": 14_000_000}),
        ("shift-left", {}, {"position_us": 0}),
        ("+", {}, {"speed": 2.0}),
        ("=", {"speed": 16.0}, {"speed": None}),
        ("+", {"speed": None}, {"speed": None}),
        ("-", {"speed": None}, {"speed": 16.0}),
        ("-", {"speed": 0.3}, {"speed": 0.25}),
        ("-", {"speed": 0.1}, {"speed": SPEEDS[0]}),
        ("x", {}, {}),
    ],
)
async def test_keys_change_the_replay(
    key: str, state: dict[str, Any], changes: dict[str, Any]
) -> None:
    source = Told(**state)
    await handle_key(source, key)
    assert source.changes == changes


class Fingers:
    """A keyboard that presses keys whenever the recording has come to its end."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.hands: InteractiveView
        self.out: io.StringIO | None = None
        self.left = False

    def __enter__(self) -> Fingers:
        return self

    def __exit__(self, *how: object) -> None:
        self.left = True

    async def listen(self, press: Callable[[str], Awaitable[None]]) -> None:
        source: Any = self.hands._source
        for key in self.keys:
            for _ in range(5_000):
                drawn = self.out is None or source.replay["file"] in self.out.getvalue()
                if source.replay["paused"] and drawn:
                    break
                await trio.sleep(0.002)
            await press(key)
            if key in ("left", "right"):
                assert self.hands._note == ""
                await press("space")


def test_each_stretch_is_told_apart(tmp_path: Path) -> None:
    paths = [bar(tmp_path / "one.bin"), bar(tmp_path / "two.bin", milliseconds=60)]
    excerpts = [Excerpt(path, label="a") for path in paths]
    network = Network.build(load_preset("edge"), ("a", "b"), 0)
    score = ReplayScore()
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40)
    fingers = Fingers("left", "q")
    fingers.out = out
    hands = InteractiveView(score, 2, console, fingers)  # type: ignore[arg-type]
    fingers.hands = hands
    with hands:
        playback = Playback(speed=None, wait=True)
        assert not run_interactive(
            network, excerpts, playback, ResultSink(score, None, as_json=False), hands
        )
    assert hands.left
    assert fingers.left
    told = [(Path(one.file).name, one.segment) for one in score.played]
    assert told == [("one.bin", 0), ("two.bin", 1), ("two.bin", 2)]
    first, second, third = (one.counts.results for one in score.played)
    assert first > second == third
    assert score.counts.labelled == score.counts.results
    seen = out.getvalue()
    assert "two.bin" in seen
    assert "full speed, paused" in seen


def test_it_needs_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(bar(tmp_path / "a.bin"))
    assert cli.run(["replay", path, "--interactive"]) == 2
    assert "--interactive needs a terminal" in capsys.readouterr().err
    assert cli.run(["replay", path, "--interactive", "--json"]) == 2
    assert "--interactive is for a person" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("how", ["q", "signal"])
def test_the_terminal_is_given_back(how: str, tmp_path: Path) -> None:
    path = bar(tmp_path / "a.bin", milliseconds=2000)
    words = ["replay", str(path), "--classes", "a,b", "--interactive"]
    person, program = pty.openpty()
    before = termios.tcgetattr(program)
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-m", "spikewire", *words], os.environ | {"TERM": "xterm"},
        file_actions=[(os.POSIX_SPAWN_DUP2, program, n) for n in (0, 1, 2)],
    )  # fmt: skip
    seen, ended = b"", 0
    try:
        while not ended:
            if select.select([person], [], [], 0.05)[0]:
                seen += os.read(person, 65536)
            # Keys count from the first picture that tells the time on.
            if b" ms of " in seen and how:
                if how == "q":
                    os.write(person, b"q")
                else:
                    os.kill(child, signal.SIGTERM)
                how = ""
            ended, status = os.waitpid(child, os.WNOHANG)
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    while select.select([person], [], [], 0.05)[0]:
        seen += os.read(person, 65536)
    assert code == (1 if b"interrupted" in seen else 0)
    assert termios.tcgetattr(program) == before
    assert b"\x1b[?1049l" in seen
    assert b" results" in seen
    os.close(person)
    os.close(program)
