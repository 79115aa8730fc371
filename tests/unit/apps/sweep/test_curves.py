"""Curves of a sweep: means, intervals, the figure and the report."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from spikewire.apps.sweep.curves import Curve, CurvePoint, report, table
from spikewire.apps.sweep.plot import plot_sweep


def curves() -> list[Curve]:
    def point(value: str, bits: int, *accuracies: float) -> CurvePoint:
        return CurvePoint(value, bits, 3200, accuracies, tuple((None, 0.5 * a) for a in accuracies))

    return [
        Curve("a", "base", [point("", 800, 0.8, 0.9, 1.0)]),
        Curve("a", "weight", [point("8", 800, 0.8, 0.9, 1.0), point("2", 200, 0.5)]),
        Curve("a", "without", [point("gain", 800, 0.7), point("learning", 800, 0.0, 0.0)]),
        Curve("b", "base", [CurvePoint("", 900, 3600, (0.6,))]),
    ]


def test_means_and_intervals() -> None:
    point = curves()[0].points[0]
    assert point.mean == pytest.approx(0.9)
    assert point.margin == pytest.approx(4.30 * 0.1 / 3**0.5)
    assert point.local_means() == [None, pytest.approx(0.45)]
    assert curves()[1].points[1].margin is None
    assert curves()[2].points[1].local_means() == [None, 0]
    assert curves()[3].points[0].local_means() == []


def test_the_table_has_a_row_per_network() -> None:
    console = Console(width=120, file=io.StringIO())
    console.print(table(curves()))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    [row] = [line for line in lines if "weight=8" in line]
    assert "0.9000 \N{PLUS-MINUS SIGN}0.248" in row
    assert "0.800-1.000" in row
    assert "- 0.450" in row
    assert len(lines) == 4 + 6


def test_a_report_names_networks_and_seeds() -> None:
    found = report(curves(), 0.91)
    assert found["no_network"] == 0.91
    assert [base["model"] for base in found["bases"]] == ["a", "b"]
    assert found["base"] == found["bases"][0]
    assert [(one["setting"], one["value"], one["seeds"]) for one in found["settings"]] == [
        ("weight", "8", 3), ("weight", "2", 1), ("without", "gain", 1), ("without", "learning", 2),
    ]  # fmt: skip
    assert found["settings"][0]["margin"] == pytest.approx(0.2483, abs=1e-3)
    assert found["settings"][1] == {
        "model": "a", "setting": "weight", "value": "2", "bits": 200, "mean": 0.5, "low": 0.5,
        "high": 0.5, "seeds": 1, "margin": None, "local": [None, 0.25],
    }  # fmt: skip


@pytest.mark.parametrize("chosen", [slice(0, 4), slice(0, 1), slice(1, 2), slice(3, 4)])
def test_a_figure_of_what_is_known(chosen: slice, tmp_path: Path) -> None:
    """A sweep that is not finished lacks curves, bases, or both."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.png"
    plot_sweep(curves()[chosen], 0.91, "title", path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
