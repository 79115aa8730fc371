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
from spikewire.apps.bench.core.opponents import sides
from spikewire.apps.bench.core.opponents.layers import dense_layers, samples
from spikewire.apps.bench.core.opponents.sides import PACKAGES
from spikewire.apps.bench.core.stream import Stream
from spikewire.apps.bench.core.versus import CLASSES, busy, crossover, versus
from spikewire.apps.cli.errors import CommandError
from spikewire.qcore import BinnedEvents, Network, NetworkSpec, load_preset

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
        "float32_stream_ratio": 40.0, "bfloat16_stream_ratio": 21.0, "edge_library_ratio": None,
        "scatter": {"fraction": 0.5},
        "by_rate": {"fit": {"r2": 0.97}},
    }  # fmt: skip
    found = core.check_targets(report)
    assert {name: one["met"] for name, one in found.items()} == {
        "float32_stream_ratio": True, "bfloat16_stream_ratio": False, "edge_library_ratio": None,
        "forward_ratio": False, "learning_ratio": True, "learning_real_time": True,
        "edge_learning_real_time": False, "scatter_fraction": True, "rate_r2": False,
    }  # fmt: skip
    assert found["forward_ratio"]["measured"] == pytest.approx(19)
    alone = core.ratios({n: one for n, one in timed.items() if "twin" not in n}, 1.0)
    assert core.check_targets({**report, **alone})["forward_ratio"]["met"] is None


def test_a_stream_is_crowded_until_it_has_the_spikes() -> None:
    shown = stream()
    assert busy(shown, 1).spikes() == shown.spikes()
    wanted = 1.5 * shown.spikes() / 120
    assert busy(shown, wanted).spikes() >= 1.5 * shown.spikes()
    assert busy(shown, 1e9).spikes() == shown.overlaid(3).spikes()


def test_samples_of_a_batch_are_the_stream_at_later_ticks() -> None:
    shown = stream()
    batch = samples(shown, SPEC, 8, 4)
    assert batch.shape == (8, 4, 2, 8, 8)
    alone = shown.planes(SPEC, 8)[..., 0]
    assert (batch[:, 0] == alone).all()
    assert (batch[0, 3] == alone[6]).all()


def test_a_dense_opponent_is_even_where_the_line_meets_it() -> None:
    curve = [{"activity": [share, share], "forward_ms": 1 + 10 * share} for share in (0.1, 0.2)]
    sides = {
        "torch_float32_stream_1t": {"best_ms": 6.0},
        "torch_float32_stream_2t": {"best_ms": 7.0},
        "torch_bfloat16_stream_1t": {"best_ms": 30.0},
        "onnxruntime_int8_stream_1t": {"best_ms": 0.5},
    }
    even = crossover(curve, sides)
    assert even == {
        "float32_stream": pytest.approx(0.5), "bfloat16_stream": None, "int8_stream": 0.0
    }  # fmt: skip


def test_without_other_libraries_ours_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "missing", lambda: list(PACKAGES))
    shown = stream()
    alone = versus(Network.build(SPEC, ("a", "b"), 0), shown, 4, 2, 1, lambda told: None)
    assert list(alone["sides"]) == ["spikewire"]
    assert alone["strongest"] == alone["ratios"] == {}
    curve = [{"activity": [share], "forward_ms": 1 + share} for share in (0.1, 0.2)]
    assert crossover(curve, alone["sides"]) == {}


def test_layers_without_a_counterpart_are_refused() -> None:
    with pytest.raises(CommandError, match="layer 1 of paper has no counterpart"):
        dense_layers(Network.build(load_preset("paper"), ("a", "b"), 0))


@pytest.mark.parametrize("reset", ["subtract", "refractory"])
def test_dense_convolutions_fire_as_the_network_does(reset: str) -> None:
    pytest.importorskip("torch")
    from spikewire.apps.bench.core.opponents.convolutions import Convolutions

    plain = SPEC.to_dict()
    for layer in plain["layers"]:
        layer["reset"] = reset
    spec = NetworkSpec.from_dict({**plain, "widths": {"refractory": 24}})
    network = settled(train(spec, stream(), 0, lambda n: None))
    planes = samples(stream(), spec, 60, 1)
    dense = Convolutions(dense_layers(network), planes, "float32", 1)
    ours = [0] * 2
    for tick, plane in enumerate(planes[:, 0]):
        p, y, x = np.nonzero(plane)
        network.advance(
            BinnedEvents(np.full(len(p), tick), x.astype(np.uint16), y.astype(np.uint16),
                         p.astype(np.uint8)), tick + 1,
        )  # fmt: skip
        ours = [one + int(network.layers[n].spikes.sum()) for n, one in enumerate(ours)]
    fired = [share * 60 * 4 * size for share, size in zip(dense.activity(), (64, 16), strict=True)]
    assert fired == pytest.approx(ours, rel=0.03)
    assert min(ours) > 20


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
    # Of one round, and with other programs beside it, a share of the fastest loop may be above one.
    found = report["scatter"]
    assert found["fraction"] == pytest.approx(found["per_s"] / found["accumulate_per_s"])
    assert found["fraction"] > 0
    assert len(report["by_activity"]) == len(core.FACTORS)
    for which, spikes in (("opponents", 0), ("edge_opponents", core.BUSY_SPIKES)):
        found = report[which]
        assert found["spikes_per_tick"] > spikes
        wanted = {name for name in PACKAGES if name not in report["not_installed"]}
        assert {"spikewire", *(name.split("_")[0] for name in found["sides"])} - wanted == {
            "spikewire"
        }
        assert set(found["strongest"]) <= set(CLASSES)
    assert report["by_activity"][-1]["synaptic_ops_per_tick"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", "core", "--out", str(tmp_path / "no" / "core.json")]) == 2
    assert "no folder" in capsys.readouterr().err
