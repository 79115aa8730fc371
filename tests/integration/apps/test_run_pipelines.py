"""Several pipelines from a settings file, as a process: watched, reloaded, logged as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli
from spikewire.runtime import BlockingClient, RequestRefused, SettingsError, load_settings
from spikewire.runtime import ProtocolError as Broken
from tests.support.patience import patience

LIMIT_S = patience(40)
FILE = """
[service]
port = 0
log_format = "json"
log_level = "info"
checkpoint_folder = "{folder}"
heartbeat_s = {beat}
{more}

[pipelines.left]
source = "sim:?seed=1"
model = "gestures"

[pipelines.right]
source = "file:{recording}?speed=1"
model = "edge"
classes = ["a", "b"]
seed = 3
at_end = "exit"
learn = false
checkpoint_every_s = 5
"""


def test_a_file_names_pipelines_and_what_is_their_own(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(folder="saved", recording="x.bin", beat=5, more=""))
    found = load_settings(path, environment={})
    left, right = found.pipelines
    assert (left.name, left.model, left.classes, left.settings.learn) == (
        "left", "gestures", (), True,
    )  # fmt: skip
    assert (right.seed, right.classes, right.settings.learn) == (3, ("a", "b"), False)
    assert left.settings.checkpoint_folder == str(Path("saved") / "left")
    assert right.settings.checkpoint_folder == str(Path("saved") / "right")
    assert right.own >= {"learn", "checkpoint_every_s", "at_end"}
    assert left.settings.heartbeat_s == 5
    # What is said for this start counts for all of them.
    found = load_settings(
        path, environment={"SPIKEWIRE_CHECKPOINT_EVERY_S": "9"}, flags={"learn": True}
    )
    assert [one.settings.learn for one in found.pipelines] == [True, True]
    assert [one.settings.checkpoint_every_s for one in found.pipelines] == [9, 9]


def test_config_shows_pipelines(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(folder="saved", recording="x.bin", beat=5, more=""))
    done = CliRunner().invoke(cli.application(), ["config", "--config", str(path), "--json"])
    told = json.loads(done.stdout)
    assert told["heartbeat_s"] == {"value": 5, "from": str(path)}
    assert list(told["pipelines"]) == ["left", "right"]
    assert told["pipelines"]["right"]["classes"] == ["a", "b"]
    assert told["pipelines"]["right"]["learn"] is False
    assert "learn" not in told["pipelines"]["left"]
    done = CliRunner().invoke(cli.application(), ["config", "--config", str(path)])
    assert "pipeline right: source file:x.bin?speed=1, model edge" in done.stdout


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[pipelines.x]\nmodel = 'edge'", "missing required field `source`"),
        ("[pipelines.x]\nsource = 'sim:'\nsorce = 1", "unknown field `sorce`"),
        ("[pipelines.x]\nsource = 'sim:'\nport = 1", "unknown field `port`"),
        ("[pipelines.x]\nsource = 'sim:'\nlearn = 1", "learn is 1; allowed is False or True"),
        ("[pipelines.'a b']\nsource = 'sim:'", "a name of up to 64"),
        ("pipelines = 3", r"the tables \[service\] and \[pipelines.NAME\]"),
        ("[pipelines]\nx = 3", "a table"),
    ],
)
def test_mistakes_in_a_pipeline_are_named(table: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(table)
    with pytest.raises(SettingsError, match=says):
        load_settings(path, environment={})


def test_what_runs_has_to_be_said_once(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text("[service]\nport = 0\n")
    done = CliRunner().invoke(cli.application(), ["run", "--config", str(path)])
    assert "[pipelines.NAME]" in str(done.exception)
    path.write_text("[pipelines.x]\nsource = 'sim:'\n")
    done = CliRunner().invoke(cli.application(), ["run", "--config", str(path), "--source", "sim:"])
    assert "not both" in str(done.exception)


@pytest.mark.slow
def test_two_pipelines_of_one_service(tmp_path: Path) -> None:
    recording = tmp_path / "cut.bin"
    # One event a millisecond, and at the end half of one: the source dies after a second.
    recording.write_bytes(
        b"".join(bytes([n % 34, n % 30]) + n.to_bytes(3) for n in range(0, 1_000_000, 1000))[:-2]
    )
    path = tmp_path / "s.toml"
    told = {"folder": tmp_path / "saved", "recording": recording}
    path.write_text(FILE.format(**told, beat=5, more=""))
    with (
        open(tmp_path / "log", "w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "spikewire", "run", "--config", str(path), "--json"],
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        ) as server,
    ):  # fmt: skip
        try:
            assert server.stdout is not None
            hello = json.loads(server.stdout.readline())
            assert [one["pipeline"] for one in hello["pipelines"]] == ["left", "right"]
            port = int(hello["port"])
            with BlockingClient(port=port, pipeline="right", timeout_s=LIMIT_S) as right:
                assert right.hello["classes"] == ["a", "b"]
                right.subscribe("status")
                for message in right:
                    if message["source"]["state"] == "failed":
                        break
                assert "byte" in message["source"]["error"]
            # The other one goes on, and takes what is asked of it.
            with BlockingClient(port=port, subscribe=["result"], timeout_s=LIMIT_S) as left:
                assert left.hello["pipeline"] == "left"
                assert len(left.hello["classes"]) == 11
                assert [m["topic"] for m, _ in zip(left, range(20), strict=False)] == [
                    "result"
                ] * 20
                left.teach("arm_roll")
                with pytest.raises(RequestRefused, match="cannot be told"):
                    left.replay(paused=True)
            token = "control_token = 'a secret of more than 16'"
            path.write_text(FILE.format(**told, beat=1, more=token))
            server.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + LIMIT_S
            while True:
                refused = ""
                try:
                    with BlockingClient(port=port, timeout_s=LIMIT_S):
                        pass
                except Broken as error:
                    refused = error.code
                if refused:
                    break
                assert time.monotonic() < deadline
            assert refused == "wrong_token"
            with BlockingClient(
                port=port, token="a secret of more than 16", timeout_s=LIMIT_S
            ) as left:
                assert left.hello["limits"]["heartbeat_s"] == 1
            server.send_signal(signal.SIGTERM)
            out, _ = server.communicate(timeout=LIMIT_S)
        finally:
            server.kill()
    # One of the pipelines has failed, and that is said.
    assert server.returncode == 1
    summaries = [json.loads(line) for line in out.splitlines()]
    assert [(one["pipeline"], one["reason"]) for one in summaries] == [
        ("left", "stopped"), ("right", "source ended"),
    ]  # fmt: skip
    assert summaries[1]["events"] == 999
    for name in ("left", "right"):
        assert list((tmp_path / "saved" / name).glob("checkpoint-*.safetensors"))
    log = [
        json.loads(line)
        for line in (tmp_path / "log").read_text().splitlines()
        if line.startswith("{")
    ]
    assert all({"time", "level", "logger", "pipeline", "message"} <= set(one) for one in log)
    failed = [one for one in log if one["message"].startswith("the source failed")]
    assert [one["pipeline"] for one in failed] == ["right"]
    assert any(
        "read the settings anew: control_token, heartbeat_s" in one["message"] for one in log
    )
    assert any("no token" in one["message"] and one["level"] == "warning" for one in log)
