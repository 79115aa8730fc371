"""The picture bench, short: both scenes pass through a service, with pictures and without."""

import json

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli

pytestmark = pytest.mark.slow


def test_pictures_of_both_scenes_are_measured():
    options = ["--rate", "1000000", "--seconds", "0.4", "--rounds", "1", "--json"]
    done = CliRunner().invoke(cli.application(), ["bench", "picture", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [one["scene"] for one in report["rounds"]] == ["edges", "noise"]
    for one in report["rounds"]:
        assert one["pictures"] >= 3
        assert sum(one["scales"].values()) == one["pictures"]
    assert set(report["share_of_a_core"]) == {"edges", "noise"}
