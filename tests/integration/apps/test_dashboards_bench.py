"""The dashboards bench, short: pages read, and the subscriber beside them."""

import json

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli

pytestmark = pytest.mark.slow


def test_pages_read_beside_a_subscriber():
    options = ["--pages", "2", "--for", "3s", "--rate", "20000", "--rounds", "1", "--json"]
    done = CliRunner().invoke(cli.application(), ["bench", "dashboards", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [one["pages"] for one in report["rounds"]] == [0, 2]
    # A picture has a byte or more for each event, of which there are 20,000 a second.
    assert report["rounds"][1]["page_bytes_per_s"] > 20_000
    ages = report["age_us"]
    assert ages["alone"]["p99"] == report["rounds"][0]["p99"]
    assert report["p99_ratio"] == round(ages["open"]["p99"] / ages["alone"]["p99"], 3)
