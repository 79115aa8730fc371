"""Percentiles by their names."""

from spikewire.apps.bench.load.percentiles import percentiles


def test_percentiles():
    assert percentiles(range(100, 0, -1), ("p50", "p90", "p99")) == {
        "p50": 51, "p90": 91, "p99": 100,
    }  # fmt: skip
    assert percentiles([7]) == {"p50": 7, "p99": 7}
    assert percentiles([]) == {"p50": 0, "p99": 0}
