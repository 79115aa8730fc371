"""Recorded sessions: a replay gives the results and the weights of the live run, bit for bit."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.commands import run
from spikewire.apps.service.in_process import run_in_process
from spikewire.apps.service.session import SessionWriter, load_session
from spikewire.qcore import Network, load_preset
from spikewire.runtime import WALL_CLOCK_FIELDS, Service, Settings, converse
from spikewire.sensors import (
    EVENT_DTYPE,
    FileSource,
    Filtered,
    Packet,
    SimSource,
    no_events,
    open_recording,
)

IGNORED = WALL_CLOCK_FIELDS | {"type", "topic", "seq", "truth"}


def network() -> Network:
    return Network.build(load_preset("edge"), ("x", "y"), 5)


class Jumpy:
    """A source with quiet stretches, in two segments."""

    name, live, size = "jumpy", False, (128, 128)
    counters: dict[str, int] = {}  # noqa: RUF012

    async def run(self, deliver: Any) -> None:
        rng = np.random.default_rng(2)
        for segment in (0, 1):
            now = 7_000_000 * (segment + 1)
            for _ in range(40):
                events = np.empty(rng.integers(1, 400), EVENT_DTYPE)
                events["t"] = now + np.sort(rng.integers(0, 9_000, len(events)))
                events["x"], events["y"] = rng.integers(30, 70, (2, len(events)))
                events["p"] = 1
                now += int(rng.choice([10_000, 10_000, 47_000, 600_000]))
                await deliver(Packet(events, self.size, now, 0, segment))
            await deliver(Packet(no_events(), self.size, now, 0, segment, last=True))


class Changing(Filtered):
    """A source whose filters change after some packets, one of them the size of the events."""

    changes: dict[int, dict[str, Any]] = {  # noqa: RUF012
        20: {"add": "background:5ms"}, 60: {"add": "crop:20,10,90x100"},
        140: {"number": 2, "remove": True},
    }  # fmt: skip

    def __init__(self, source: Any) -> None:
        super().__init__(source, [])
        self.packets = 0

    async def on_packet(self, packet: Packet, deliver: Any) -> None:
        self.packets += 1
        if (change := self.changes.get(self.packets)) is not None:
            await self.change_filters(**change)
        await super().on_packet(packet, deliver)


async def live(
    source: Any, net: Network, session: SessionWriter, lessons: dict[int, str | None]
) -> list[dict[str, Any]]:
    """Run a service and teach it at given results; returns all results."""
    ours, theirs = (trio.SocketStream(end) for end in trio.socket.socketpair())
    service = Service(source, net, Settings(subscriber_messages=100_000), record=session)
    results: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.converse, theirs)
        async with converse(ours, buffer=100_000) as client:
            await client.subscribe("result")
            nursery.start_soon(partial(service.serve, listen=False, signals=False))
            async for message in client:
                results.append(message)
                if len(results) in lessons:
                    label = lessons[len(results)]
                    await client.teach(label)
    return results


def answers(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.items() if k not in IGNORED} for one in results]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["simulated", "jumpy", "filtered"])
def test_a_replayed_session_gives_the_same_results_and_weights(kind: str, tmp_path: Path) -> None:
    source: Any = SimSource(seed=4, speed=None, duration=3.0, hold=1.0)
    lessons: dict[int, str | None] = {40: "x", 90: "new", 130: None, 170: "y", 200: "x"}
    if kind == "filtered":
        # Filters change during lessons, one of them the size of what the network sees.
        source = Changing(source)
    if kind == "jumpy":
        source = Jumpy()
        lessons = {10: "x", 40: "new", 55: None, 70: "y", 100: "x", 140: None, 150: "new"}
    session = SessionWriter(tmp_path / "live.aedat4", {"classes": ["x", "y"], "seed": 5})
    before = network()
    was = trio.run(live, source, before, session, lessons)
    path = session.close()
    assert before.updates > 50
    assert len(session.parts) == {"simulated": 1, "jumpy": 2, "filtered": 3}[kind]

    excerpts, facts = load_session(path)
    assert facts["classes"] == ["x", "y"]
    after = network()
    now: list[dict[str, Any]] = []
    trio.run(
        partial(
            run_in_process, FileSource(excerpts), after, now.append, learn=True, labels="source"
        )  # type: ignore[arg-type]
    )
    assert len(now) == len(was)
    assert answers(now) == answers(was)
    assert after.to_bytes() == before.to_bytes()
    # And they are what other programs read: the same events, twice over.
    ours = np.concatenate(list(open_recording(excerpts[0].path).chunks()))
    theirs = np.concatenate(list(open_recording(excerpts[0].path, reader="faery").chunks()))
    assert (ours == theirs).all()


def test_record_and_replay_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.aedat4"
    uri = "sim:?seed=1&duration=0.5&speed=max"
    assert run(["record", str(target), "--source", uri, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["events"] == summary["source"]["events"] > 10_000
    assert run(["info", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == summary["events"]
    assert run(["record", str(target), "--source", uri]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["record", str(tmp_path / "a.raw"), "--source", uri]) == 2
    assert "ends in .aedat4" in capsys.readouterr().err

    live = tmp_path / "live.aedat4"
    command = ["record", str(live), "--source", uri, "--classes", "a,b", "--port", "0", "--json"]
    assert run([*command, "--seed", "7"]) == 0
    recorded = json.loads(capsys.readouterr().out.splitlines()[-1])
    again = ["replay", "--session", recorded["recorded"]["session"], "--learn", "--json"]
    assert run(again) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["events"] == recorded["events"]
    assert summary["results"] == recorded["results"]
    assert summary["tick"] == recorded["tick"]
    # The network is the session's own, unless another one is named.
    told = {}
    for seed in ("", "7", "8"):
        assert run([*again, *(["--seed", seed, "--model", "edge"] if seed else [])]) == 0
        told[seed] = capsys.readouterr().out
    assert told[""] == told["7"] != told["8"]


@pytest.mark.parametrize("learning", [True, False])
def test_the_summary_names_the_command_that_repeats_the_run(
    learning: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = ["run", "--source", "sim:?duration=0.1&speed=max", "--port", "0", "--classes", "a,b"]
    switch = "--learn" if learning else "--no-learn"
    assert run([*live, switch, "--record", f"{tmp_path}/a.aedat4"]) == 0
    command = f"spikewire replay --session {tmp_path}/a.session.json"
    told = capsys.readouterr().err.partition("the same again: ")[2].splitlines()[0]
    assert told == command + " --learn" * learning


def test_what_is_no_session_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.session.json"
    with pytest.raises(UsageError, match="cannot be read"):
        load_session(path)
    for text in ("{", "[]", '{"kind": "else"}', '{"kind": "spikewire session 1", "parts": [{}]}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no session"):
            load_session(path)
    part = {"file": "gone.aedat4", "size": [4, 4], "end_us": 1, "labels": []}
    path.write_text(json.dumps({"kind": "spikewire session 1", "parts": [part]}))
    with pytest.raises(CommandError, match="which does not lie beside it"):
        load_session(path)
    assert run(["replay"]) == 2
    assert run(["replay", "x.bin", "--session", str(path)]) == 2
