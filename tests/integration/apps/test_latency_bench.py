"""The latency bench: real processes, real sockets, every event accounted for."""

from __future__ import annotations

import json

import pytest

from spikewire.apps.commands import run
from tests.support.patience import patience


@pytest.mark.slow
def test_latency_is_measured_and_everything_is_accounted_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--rate", "100000", "--for", "1s", "--overload", "4000000", "--json"]
    assert run(["bench", "latency", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    load, overload = report["load"], report["overload"]
    assert load["sent_events"] == pytest.approx(100_000, rel=0.02)
    assert load["computed"] + sum(load["dropped"].values()) == load["sent_events"]
    assert 90 <= load["results"] <= 110
    assert load["updates"] > 0
    # From an event's sending to its result elsewhere: not before it was sent, and not for ever.
    assert 0 < load["age_us"]["p50"] < patience(1) * 1e6
    # Medians of two samples: on a busy machine nearly all of the age passes inside.
    assert 0 < load["inside_us"]["p50"] <= 1.2 * load["age_us"]["p50"]
    for part in (load, overload):
        assert part["datagrams_accounted_for"]
        assert part["events_accounted_for"]
        assert part["results_lost"] == 0
    assert overload["computed"] + sum(overload["dropped"].values()) >= overload["received_events"]
    assert overload["age_us"]["max"] < patience(2) * 1e6
    assert report["replay"]["events_per_s"] * patience(1) > 100_000
