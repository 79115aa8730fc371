"""The commands that talk to a running service, against a real one."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from spikewire.apps import commands as cli


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_play_tells_what_was_recognised(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["play", "bar.bin", "--stop", "100ms", "-c", running.address, "--json"]) == 0
    (told,) = lines(capsys.readouterr().out)
    assert told["events"] == 2000
    assert told["results"] > 0
    assert told["class"] in ("left", "right", None)


def test_a_recording_that_is_not_there(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["play", "nothing.bin", "-c", running.address]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "spikewire: There is no nothing.bin on this shelf.\n"


def test_teach_an_excerpt_then_nothing(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = running.service.first.network.updates
    assert cli.run(["teach", "up", "--play", "bar.bin", "-c", running.address, "--json"]) == 0
    (told,) = lines(capsys.readouterr().out)
    assert told["label"] == "up"
    assert running.service.first.network.updates > before
    # The new name became a class, and the lesson is over.
    assert running.service.first.network.classes == ("left", "right", "up")
    assert running.service.first.network_task.teaching.taught is None


def test_a_lasting_lesson_ends_when_it_is_told_to(
    running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    teaching = running.service.first.network_task.teaching
    assert cli.run(["teach", "up", "--lasting", "-c", running.address]) == 0
    assert "spikewire teach --end" in capsys.readouterr().out
    assert teaching.taught == "up"
    assert cli.run(["teach", "--end", "-c", running.address, "--json"]) == 0
    assert lines(capsys.readouterr().out)[0]["label"] is None
    assert teaching.taught is None


@pytest.mark.parametrize(
    "words", [["up", "--lasting", "--end"], ["--lasting"], ["up", "--end"], []], ids=str
)
def test_a_lesson_that_lasts_is_asked_for_in_one_way(
    running: Any, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert cli.run(["teach", *words, "-c", running.address]) == 2


def test_teaching_on_a_quiet_source_says_so(
    running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["teach", "left", "--for", "10ms", "-c", running.address]) == 1
    assert "showed no events" in capsys.readouterr().err
    assert running.service.first.network_task.teaching.taught is None


def test_nothing_is_taught_while_learning_is_off(
    running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["learn", "off", "-c", running.address]) == 0
    assert cli.run(["teach", "left", "--for", "10ms", "-c", running.address]) == 1
    assert "switch it on with: spikewire learn on" in capsys.readouterr().err
    assert cli.run(["status", "--json", "-c", running.address]) == 0
    (told,) = lines(capsys.readouterr().out)
    assert told["learn"] is False


def test_status_for_people(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "-c", running.address]) == 0
    told = capsys.readouterr().out
    assert "shelf:invented (running)" in told
    assert "left, right" in told


def test_a_checkpoint_on_request(running: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["play", "bar.bin", "-c", running.address]) == 0
    capsys.readouterr()
    assert cli.run(["checkpoint", "-c", running.address]) == 0
    assert capsys.readouterr().out.strip().endswith("checkpoint-00000001.safetensors")


@pytest.mark.slow
def test_watch_prints_every_result_until_the_goodbye(
    running: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def scenario() -> None:
        # A hello is not yet a subscription: results between the two are rightly not sent.
        while not running.service.first.broker.wanted("result"):
            time.sleep(0.005)
        play_once(running.address)
        running.stop()

    thread = threading.Thread(target=scenario)
    thread.start()
    assert cli.run(["watch", "--json", "--once", "-c", running.address]) == 0
    thread.join()
    told = lines(capsys.readouterr().out)
    assert told[0]["type"] == "hello"
    assert told[-1]["type"] == "goodbye"
    results = [message for message in told if message.get("topic") == "result"]
    assert [message["seq"] for message in results] == list(range(1, len(results) + 1))
    assert results


def play_once(address: str) -> None:
    """Play from a thread, where signals cannot be listened to: with the blocking client."""
    from spikewire.apps.cli.units import host_port
    from spikewire.runtime import BlockingClient

    host, port = host_port(address)
    with BlockingClient(host, port) as client:
        client.play("bar.bin")


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    # Port 1 needs privileges to listen on; nobody does.
    for command in (["watch"], ["status"], ["play", "x"], ["teach", "x"]):
        assert cli.run([*command, "-c", "127.0.0.1:1", "--wait", "0s"]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert "127.0.0.1" in told.err
        assert len(told.err.splitlines()) == 1


def test_a_time_for_watching_does_not_count_while_nobody_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["watch", "--for", "1ms", "-c", "127.0.0.1:1", "--wait", "20ms"]
    assert cli.run(words) == 1
    [told] = capsys.readouterr().err.splitlines()
    assert told == "spikewire: Cannot reach a service at 127.0.0.1:1: Connection refused."
