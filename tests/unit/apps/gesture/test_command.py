"""`spikewire gesture`: on the simulated camera, on recordings, before a service that dies."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from spikewire.apps import commands as cli
from spikewire.apps.gesture.live import spread
from spikewire.apps.gesture.recogniser import Moment, Recogniser, describe_decision
from spikewire.apps.gesture.screen import GestureScreen, draw_moment
from spikewire.apps.terminal.big_text import render
from spikewire.apps.terminal.scene import Scene
from spikewire.runtime import NOTHING, Decision, Rules
from spikewire.sensors import GESTURES, simulate, write_events
from tests.support.patience import patience
from tests.support.wire import SERVICE_HELLO


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def waving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 1.2 s of a simulated person who rolls the arms."""
    path = tmp_path_factory.mktemp("gesture") / "roll.aedat4"
    events = simulate("arm_roll", seed=3, subject=7, seconds=1.2)
    write_events([events], path, (128, 128))
    return path


def test_the_simulated_camera_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    source = "sim:?seed=0&classes=hand_clapping&hold=0.9&pause=0.7&duration=1.6&speed=max"
    assert cli.run(["gesture", "--source", source, "--json"]) == 0
    first, *decisions, last = lines(capsys.readouterr().out)
    assert first["type"] == "listening"
    assert first["classes"] == list(GESTURES)
    assert first["port"] > 0
    names = [line["class"] for line in decisions]
    assert names[0] == names[-1] == NOTHING
    assert "hand_clapping" in names
    found = decisions[names.index("hand_clapping")]
    assert 0 < found["since_us"] < found["t_us"] < 900_000
    assert 50 <= found["confidence"] <= 100
    assert set(found["scores"]) == set(GESTURES)
    assert max(found["scores"], key=found["scores"].__getitem__) == "hand_clapping"
    assert last["reason"] == "source ended"
    assert last["results"] == 160
    assert sum(last["us"].values()) == 1_590_000  # from the first result to the last


def test_a_recording_gives_the_same_at_every_speed_and_a_line_for_a_gesture(
    waving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for speed in ("max", "20"):
        words = ["gesture", "--source", f"file:{waving}", "--speed", speed]
        assert cli.run([*words, "--json"]) == 0
        said.append(capsys.readouterr().out.splitlines()[1:])
    assert said[0] == said[1]
    assert cli.run(["gesture", "--source", f"file:{waving}"]) == 0
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    assert re.fullmatch(r" +\d\.\d\d s +\d\.\d\d s  arm roll  \d+ %", line)
    assert "others see it with: spikewire watch -c 127.0.0.1:" in told.err
    assert "source ended: 1 gesture; arm roll " in told.err


def test_without_smoothing_every_result_counts(
    waving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["gesture", "--source", f"file:{waving}", "--json", "--still", "0"]
    assert cli.run([*words, "--steady", "0ms", "--unknown", "off"]) == 0
    _, *raw, _ = lines(capsys.readouterr().out)
    assert raw[1]["t_us"] == raw[1]["since_us"]
    assert "unknown" not in {line["class"] for line in raw[2:]}
    assert cli.run([*words, "--unknown", "strict"]) == 0
    _, *steady, _ = lines(capsys.readouterr().out)
    assert len(steady) <= len(raw)


@pytest.mark.data
def test_a_real_recording(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = data_dir / "dvs_gesture" / "class_03.bin"
    model = ["gesture", "--source", f"file:{clip}?size=128x128", "--json"]
    assert cli.run(model) == 0
    _, *decisions, last = lines(capsys.readouterr().out)
    assert [line["class"] for line in decisions] == [NOTHING, "left_hand_wave"]
    assert last["us"]["left_hand_wave"] > 1_000_000


def test_a_damaged_recording_is_told_after_what_it_held(
    waving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.aedat4"
    cut.write_bytes(waving.read_bytes()[:-1000])
    assert cli.run(["gesture", "--source", f"file:{cut}", "--json"]) == 1
    told = capsys.readouterr()
    last = lines(told.out)[-1]
    assert last["reason"] == "failed"
    assert last["us"]["arm_roll"] > 500_000
    assert "cut.aedat4" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--steady", "3"], "'3' is not a duration"),
        (["--steady", "1min"], "--steady is 60s; allowed are times from 0ms to 10s"),
        (["--unknown", "maybe"], "'maybe'"),
        (["--still", "-1"], "--still"),
        (["--source", "smoke:signals"], "smoke"),
        (["--model", "huge"], "neither a file nor a preset"),
        (["--model", "edge"], "needs its classes"),
        (["-c", "nowhere"], "not HOST:PORT"),
        (["-c", "127.0.0.1:7462", "--source", "sim:"], "leave one of them out"),
        (["-c", "127.0.0.1:7462", "--filter", "hot"], "leave one of them out"),
        (["-c", "127.0.0.1:7462", "--port", "0"], "leave one of them out"),
        (["--tls"], "--tls is about a running service: give --connect, or leave it out"),
        (["--ca", "some.pem"], "--ca is about a running service"),
        (["--token-file", "secret"], "--token-file is about a running service"),
        (["--pipeline", "left"], "--pipeline is about a running service"),
    ],
)
def test_wrong_usage_is_one_sentence(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["gesture", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert part in told.err
    assert len(told.err.splitlines()) == 1


def test_a_running_service_is_watched_until_it_stops(
    running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def scenario() -> None:
        from spikewire.apps.cli.units import host_port
        from spikewire.runtime import BlockingClient

        while not any("result" in box.topics for box in running.service.first.broker._queues):
            time.sleep(0.005)
        with BlockingClient(*host_port(running.address)) as client:
            client.play("bar.bin")
        running.stop()

    thread = threading.Thread(target=scenario)
    thread.start()
    assert cli.run(["gesture", "-c", running.address, "--json", "--still", "0"]) == 0
    thread.join()
    told = lines(capsys.readouterr().out)
    assert told[0]["type"] == "watching"
    assert told[0]["classes"] == ["left", "right"]
    assert told[-1]["reason"] == "stopped"
    assert told[-1]["results"] > 10


def test_a_unix_socket_is_named_in_a_pipe(
    serving: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"unix:{tmp_path / 's.sock'}"
    with serving(unix_path=path.removeprefix("unix:")):
        assert cli.run(["gesture", "-c", path, "--for", "100ms"]) == 0
        told = capsys.readouterr().err
        assert f"at {path}; others see it with: spikewire watch -c {path}" in told
        assert cli.run(["gesture", "-c", path, "--for", "100ms", "--json"]) == 0
        first = lines(capsys.readouterr().out)[0]
        assert (first["type"], first["unix_path"]) == ("watching", path.removeprefix("unix:"))


def dying(door: socket.socket) -> None:
    """Answer the hello and one request, send a second of results, then break off."""
    peer, _ = door.accept()
    with peer, peer.makefile("rwb") as wire:

        def hear() -> Any:
            return msgpack.unpackb(wire.read(int.from_bytes(wire.read(4), "big")))

        def say(message: dict[str, Any]) -> None:
            body = msgpack.packb(message)
            wire.write(len(body).to_bytes(4, "big") + body)
            wire.flush()

        hear()
        say({**SERVICE_HELLO, "source": "lab", "topics": []})
        asked = hear()
        say({"type": "reply", "to": "subscribe", "id": asked["id"], "ok": True, "tick": 0})
        for number in range(100):
            result = {
                "type": "message", "topic": "result", "seq": number + 1, "tick": 10 * number,
                "t_us": 10_000 * number, "segment": 0, "class": "a", "scores": {"a": 9, "b": 1},
                "spikes": [2000], "truth": None, "label": None, "teaching": False,
                "latency_us": 900,
            }  # fmt: skip
            say(result)


def test_a_service_that_dies_is_told_after_what_it_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=dying, args=(door,))
        thread.start()
        assert cli.run(["gesture", "-c", f"127.0.0.1:{door.getsockname()[1]}"]) == 1
        thread.join()
    told = capsys.readouterr()
    assert told.out.split() == ["0.15", "s", "0.84", "s", "a", "100", "%"]
    assert "failed: 1 gesture; a 0.8 s" in told.err
    assert told.err.splitlines()[-1].startswith("spikewire: The service closed the connection")


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["gesture", "-c", "127.0.0.1:1", "--wait", "0s"]) == 1
    refused = "spikewire: Cannot reach a service at 127.0.0.1:1: Connection refused.\n"
    assert capsys.readouterr().err == refused


def moment(*, gestures: int = 3) -> Moment:
    history = tuple(
        Decision("right_arm_counter_clockwise", 0, n * 1_000_000, 0, 93, n * 1_000_000 + 700_000)
        for n in range(gestures)
    )
    scores = {name: 1000 * n for n, name in enumerate(GESTURES)}
    now = Decision("right_arm_counter_clockwise", 0, 9_000_000, 9_100_000, 87)
    scene = Scene("sim:", scores, now.name, rate=87_000.0, latency_us=1500.0, footer="Ctrl-C ends")
    return Moment(scene, now, 10_500_000, history, {0: 0})


@pytest.mark.parametrize("width", [20, 40, 72, 80, 100, 200])
@pytest.mark.parametrize("height", [8, 12, 24, 30, 60])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    image = Text("\n".join("x" * 32 for _ in range(16)), no_wrap=True)
    for shown in (moment(), moment(gestures=0), Moment(Scene("sim:"), None, 0, (), {})):
        out = Console(file=io.StringIO(), width=width, height=height, record=True)
        out.print(draw_moment(shown, image, width, height))
        drawn = out.export_text().splitlines()
        assert max(cell_len(line) for line in drawn) <= width
        if height >= 12:
            assert len(drawn) <= height


def test_the_picture_is_beside_the_gesture_and_its_history_below() -> None:
    image = Text("\n".join("x" * 32 for _ in range(16)), no_wrap=True)
    out = Console(file=io.StringIO(), width=80, height=30, record=True)
    out.print(draw_moment(moment(), image, 80, 30))
    drawn = out.export_text()
    assert drawn.count("x" * 32) == 16
    assert all(line in drawn for line in render("right arm counter clockwise", 42, 3) or ["none"])
    assert "for 1.5 s, 87 %" in drawn
    assert "  1.00 s  0.70 s  right arm" in drawn


def test_a_source_that_sends_nothing_is_no_gesture() -> None:
    out = Console(file=io.StringIO(), width=80, height=30, record=True)
    out.print(draw_moment(replace(moment(), quiet_s=3.2), None, 80, 30))
    drawn = out.export_text()
    assert "no results for 3 s" in drawn
    assert "for 1.5 s" not in drawn


def test_a_screen_gives_the_terminal_back() -> None:
    out = io.StringIO()
    with GestureScreen(Console(file=out, force_terminal=True, width=80, height=24)) as screen:
        screen.show_moment(moment())
    shown = out.getvalue()
    assert shown.index("\x1b[?1049h") < shown.rindex("\x1b[?1049l")


def test_large_letters() -> None:
    assert render("Hi", 10, 1) == ["█ █ █", "█▀█ █", "▀ ▀ ▀"]
    assert len(render("air guitar", 30, 2) or []) == 6
    assert render("air guitar", 30, 1) is None
    assert render("circumstance", 20, 3) is None
    assert render("größer", 80, 3) is None
    assert render("", 80, 3) is None


def test_pictures_become_events() -> None:
    events = spread(bytes([0, 1, 0, 0, 0, 200]), bytes([0, 0, 0, 2, 0, 0]), 3)
    told = [(int(e["x"]), int(e["y"]), int(e["p"])) for e in events]
    assert told == [(0, 1, 0)] * 2 + [(1, 0, 1)] + [(2, 1, 1)] * 4


def test_a_stream_of_many_segments_keeps_little() -> None:
    seen = Recogniser("sim:", Rules())
    for segment in range(500):
        result = {
            "type": "message", "topic": "result", "segment": segment, "t_us": 10,
            "scores": {"a": 1, "b": 0}, "spikes": [1], "class": "a", "truth": None, "label": None,
            "teaching": False, "latency_us": 1,
        }  # fmt: skip
        seen.take(result)
    assert len(seen.begin_us) < 100
    assert seen.end() is not None


def size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.mark.slow
def test_a_terminal_is_resized_and_ctrl_c_gives_it_back() -> None:
    main, side = os.openpty()
    size(main, 40, 24)
    running = subprocess.Popen(
        [sys.executable, "-m", "spikewire", "gesture", "--source", "sim:?pause=1"],
        stdin=side, stdout=side, stderr=side,
        # The terminal's own size counts, not the one that a test runner may have said.
        env={**{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")},
             "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(side)
    shown, asked = b"", 0
    deadline = time.monotonic() + 60
    try:
        while select.select([main], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                shown += os.read(main, 65536)
            except OSError:
                break  # the other side is closed: it has ended
            if asked == 0 and b"ev/s" in shown:
                size(main, 100, 30)
                running.send_signal(signal.SIGWINCH)
                asked = 1
            elif asked == 1 and "\N{BOX DRAWINGS LIGHT HORIZONTAL}".encode() * 41 in shown:
                running.send_signal(signal.SIGINT)
                asked = 2
        assert running.wait(patience(10)) == 0
    finally:
        running.kill()
        os.close(main)
    assert asked == 2
    assert b"Traceback" not in shown
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"\x1b[?1049h")
    assert b"stopped: " in shown[shown.rindex(b"\x1b[?1049l") :]


@pytest.mark.slow
def test_ctrl_c_leaves_a_service_that_goes_on() -> None:
    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "spikewire", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    service = start("run", "--source", "sim:", "--model", "gestures", "--port", "0", "--json")
    try:
        assert service.stdout is not None
        address = f"127.0.0.1:{json.loads(service.stdout.readline())['port']}"
        watcher = start("gesture", "-c", address, "--json")
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["type"] == "watching"
        # The service's present answer comes at once.
        assert json.loads(watcher.stdout.readline())["type"] == "decision"
        watcher.send_signal(signal.SIGINT)
        out, err = watcher.communicate(timeout=patience(30))
        assert (watcher.returncode, "Traceback" in err) == (0, False)
        assert json.loads(out.splitlines()[-1])["reason"] == "stopped"
        # For a while, and then a service that is killed.
        assert cli.run(["gesture", "-c", address, "--for", "200ms", "--json"]) == 0
        watcher = start("gesture", "-c", address, "--json")
        assert watcher.stdout is not None
        watcher.stdout.readline()
        service.kill()
        service.wait()
        out, err = watcher.communicate(timeout=patience(30))
        assert watcher.returncode == 1
        assert json.loads(out.splitlines()[-1])["reason"] == "failed"
        assert len([line for line in err.splitlines() if "compiling" not in line]) == 1
    finally:
        service.kill()
        service.communicate()


def test_a_gesture_that_went_on_at_the_first_message_starts_at_zero() -> None:
    ended = Decision("arm_roll", 0, 920_000, 1_000_000, 93, 2_000_000)
    assert describe_decision(ended, {0: 1_000_000}) == ("0.00 s", "1.08 s", "arm roll", "93 %")
    assert describe_decision(ended, {0: 500_000})[0] == "0.42 s"
