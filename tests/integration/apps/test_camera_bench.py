"""The bench of a large camera's file, short: both scenes, frozen and learning."""

import json

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli
from spikewire.apps.bench.formats.camera_file import SIZE, make_scene
from spikewire.sensors import check_events

pytestmark = pytest.mark.slow


def test_both_scenes_are_replayed_frozen_and_learning():
    options = ["--events", "400000", "--rate", "1000000", "--rounds", "1", "--json"]
    done = CliRunner().invoke(cli.application(), ["bench", "camera", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [one["scene"] for one in report["scenes"]] == ["edges", "noise"]
    for one in report["scenes"]:
        assert one["frozen_results"] == one["learning_results"] == 40
        assert one["frozen_updates"] == 0
        assert one["learning_updates"] > 0


def test_a_scene_is_what_a_camera_gives():
    for scene in ("edges", "noise"):
        events = make_scene(scene, 20_000, 50e6)
        assert len(check_events(events, SIZE)) == 20_000
        assert int(events["t"][-1]) == 399
