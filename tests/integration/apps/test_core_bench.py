"""`bench core`: what it shows, how it compares, and one small run from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli
from spikewire.apps.bench.core import command as core
from spikewire.apps.bench.core.integer import interleave, line, run, settled, train
from spikewire.apps.bench.core.stream import Stream
from spikewire.qcore import BinnedEvents, NetworkSpec

SPEC = NetworkSpec.from_dict(
    {
        "name": "tiny", "width": 8, "height": 8,
        "layers": [
            {"kind": "conv", "channels": 4, "kernel": 3, "pad": 1, "threshold": 9000},
            {"kind": "conv", "channels": 4, "kernel": 3, "pad": 1, "pool": 2, "threshold": 20000},
        ],
        "learning": {"burn_in": 5},
    }
)  # fmt: skip


def part(seed: int, count: int = 300, ticks: int = 40) -> BinnedEvents:
    rng = np.random.default_rng(seed)
    return BinnedEvents(
        np.sort(rng.integers(0, ticks, count)),
        rng.integers(0, 8, count).astype(np.uint16),
        rng.integers(0, 8, count).astype(np.uint16),
        rng.integers(0, 2, count).astype(np.uint8),
    )


def stream(parts: int = 3, count: int = 300) -> Stream:
    shown = tuple(part(n, count) for n in range(parts))
    return Stream(shown, tuple(n % 2 for n in range(parts)), ("a", "b"), 40)


def test_chunks_are_the_whole_stream_in_order() -> None:
    shown = stream()
    chunks = shown.chunks()
    tick = np.concatenate([events.tick for events, _, _ in chunks])
    assert tick.tolist() == [int(t) + 40 * n for n in range(3) for t in shown.parts[n].tick]
    stops = [until for _, until, _ in chunks]
    assert stops == list(range(10, 121, 10))
    assert [label for _, _, label in chunks] == [0] * 4 + [1] * 4 + [0] * 4
    for (events, until, _), since in zip(chunks, [0, *stops], strict=False):
        assert all(since <= t < until for t in events.tick)


def test_both_sides_see_the_same_spikes() -> None:
    shown = stream()
    planes = shown.planes(SPEC, 120)
    assert int(planes.sum()) == shown.spikes()
    t, p, y, x, _ = (column[0] for column in np.nonzero(planes))
    assert any(
        (a, b, c, d) == (t, x, y, p)
        for a, b, c, d in zip(
            shown.parts[0].tick, shown.parts[0].x, shown.parts[0].y, shown.parts[0].p, strict=True
        )
    )
    assert shown.planes(SPEC, 50).sum() == planes[:50].sum()


def test_a_stream_thins_and_thickens() -> None:
    shown = stream()
    whole = sum(len(one) for one in shown.parts)
    thin = sum(len(one) for one in shown.thinned(0.25, 1).parts)
    assert 0.15 * whole < thin < 0.35 * whole
    thick = shown.overlaid(3)
    assert sum(len(one) for one in thick.parts) == 3 * whole
    for one in thick.parts:
        assert (np.diff(one.tick) >= 0).all()


def test_lower_thresholds_fire_more_and_cost_more_operations() -> None:
    shown = stream()
    network = train(SPEC, shown, 0, lambda n: None)
    calm, wild = (run(settled(network, factor=f), shown, learn=False) for f in (2.0, 0.25))
    assert wild.activity[0] > calm.activity[0]
    assert wild.synaptic_ops > calm.synaptic_ops
    assert calm.updates == 0


def test_a_settled_copy_keeps_what_was_learned_and_its_thresholds() -> None:
    shown = stream()
    network = train(SPEC, shown, 0, lambda n: None)
    copy = settled(network)
    before = [copy.layers[n].table.copy() for n in range(2)]
    for n in range(2):
        assert (copy.layers[n].table == network.layers[n].table).all()
        assert (copy.layers[n].store == network.layers[n].store).all()
    for events, until, label in shown.chunks():
        copy.advance(events, until, label=label, learn=True)
    assert copy.updates > 0
    assert all((copy.layers[n].table == was).all() for n, was in enumerate(before))
    often = run(settled(network, cadence=1), shown, learn=True).updates
    assert often > run(settled(network), shown, learn=True).updates > 0


def test_sides_take_turns_and_the_best_round_counts() -> None:
    told: list[str] = []
    values = {"a": iter([3.0, 1.0, 2.0]), "b": iter([5.0, 6.0, 4.0])}
    found = interleave({n: (lambda n=n: next(values[n])) for n in values}, 3, told.append)
    assert found["a"] == {"best_ms": 1000.0, "median_ms": 2000.0, "worst_ms": 3000.0}
    assert found["b"]["best_ms"] == 4000.0
    assert [word[-1] for word in told] == ["a", "b"] * 3


def test_a_line_is_told_from_a_curve() -> None:
    x = [0.0, 1.0, 2.0, 3.0, 4.0]
    fit = line(x, [2 + 3 * v for v in x])
    assert fit["slope"] == pytest.approx(3)
    assert fit["at_rest"] == pytest.approx(2)
    assert fit["r2"] == pytest.approx(1)
    assert line(x, [v**4 for v in x])["r2"] < 0.9


def test_figures_are_judged_by_what_they_should_be() -> None:
    sides = {
        "forward": 0.1, "learning": 0.2, "learning_every_tick": 1.0, "edge_forward": 0.02,
        "edge_learning": 0.05, "twin_forward": 1.9, "twin_learning": 2.5,
        "twin_learning_same_cadence": 2.0,
    }  # fmt: skip
    timed = {name: {"best_ms": value} for name, value in sides.items()}
    report: dict[str, Any] = {
        **core.ratios(timed, 1.0),
        "scatter": {"fraction": 0.5},
        "by_rate": {"fit": {"r2": 0.97}},
    }
    found = core.check_targets(report)
    assert {name: one["met"] for name, one in found.items()} == {
        "forward_ratio": False, "learning_ratio": True, "learning_real_time": True,
        "edge_learning_real_time": False, "scatter_fraction": True, "rate_r2": False,
    }  # fmt: skip
    assert found["forward_ratio"]["measured"] == pytest.approx(19)
    alone = core.ratios({n: one for n, one in timed.items() if "twin" not in n}, 1.0)
    assert core.check_targets({**report, **alone})["forward_ratio"]["met"] is None


@pytest.mark.slow
def test_the_command_measures_and_draws(tmp_path: Path) -> None:
    plot, out = tmp_path / "core.png", tmp_path / "core.json"
    words = ["bench", "core", "--lessons", "11", "--parts", "11", "--ticks", "130", "--rounds", "1",
             "--twin-ticks", "5", "--threads", "1", "--json", "--out", str(out)]  # fmt: skip
    told = CliRunner().invoke(cli.application(), [*words, "--plot", str(plot)])
    assert told.exit_code == 0, told.output
    report = json.loads(out.read_text())
    assert json.loads(told.stdout.splitlines()[-1]) == report
    best = {name: found["best_ms"] for name, found in report["sides"].items()}
    assert report["learning_real_time"] == pytest.approx(1 / best["learning"])
    assert report["edge_updates"] > 0
    assert 0 < report["scatter"]["fraction"] < 1
    assert len(report["by_activity"]) == len(core.FACTORS)
    assert report["by_activity"][-1]["synaptic_ops_per_tick"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", "core", "--out", str(tmp_path / "no" / "core.json")]) == 2
    assert "no folder" in capsys.readouterr().err
