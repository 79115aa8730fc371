"""The soak bench, short: what it says is what happened."""

import json

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli

pytestmark = pytest.mark.slow


def test_a_short_soak(tmp_path):
    plot = tmp_path / "soak.png"
    options = ["--for", "9s", "--rate", "20000", "--json", "--plot", str(plot)]
    done = CliRunner().invoke(cli.application(), ["bench", "soak", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["sent_events"] == pytest.approx(180_000, rel=0.05)
    assert report["computed"] + sum(report["drops"].values()) > 0.9 * report["sent_events"]
    # 35 for a second of events: a busy machine drops events, and the results with them.
    assert report["results"] > 35 * report["computed"] / 20_000
    assert report["clients"]["subscribers"] > 0
    assert set(report["clients"]) <= {"subscribers", "askers", "vandals", "BrokenResourceError"}
    # The first passers-by were there already when it was looked at before.
    assert report["descriptors"]["after"] <= report["descriptors"]["before"]
    assert len(report["latency_us"]) == 20
    assert all(one["resident"] > 5e7 for one in report["samples"])
    assert plot.read_bytes().startswith(b"\x89PNG")
