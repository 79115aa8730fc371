"""The crowd's bench: who reads gets everything, who does not is told exactly what was lost."""

from __future__ import annotations

import json

import pytest

from spikewire.apps.commands import run


@pytest.mark.slow
def test_a_crowd_is_counted_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--healthy", "5", "--deaf", "3", "--for", "13s", "--rate", "20000", "--json"]
    assert run(["bench", "subscribers", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["everything_received"]
    assert report["counted_exactly"]
    assert report["alone"]["lost"] == report["crowd"]["lost"] == 0
    for one in report["crowd"]["deaf"]:
        assert one["got"] + one["lost"] == report["crowd"]["last"]
    assert report["p99_ratio"] > 0
