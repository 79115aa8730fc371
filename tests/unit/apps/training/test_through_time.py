"""Layers learned through time: the engine's spikes are the export's, and what cannot be learned."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps import commands as cli
from spikewire.apps.cli.errors import UsageError
from spikewire.apps.training.through_time.train import _credit, _threads, excerpt_planes
from spikewire.qcore import BinnedEvents, GainSpec, Network, NetworkSpec, bytes_by_kind, load_preset

torch = pytest.importorskip("torch")

from spikewire.apps.training.through_time import export as out  # noqa: E402
from spikewire.apps.training.through_time.layers import FloatNetwork, check_spec  # noqa: E402

# The floats know no gain control.
SMALL = dataclasses.replace(load_preset("edge10"), width=12, height=10, gain=GainSpec())
SHARES = (0.10, 0.11, 0.12, 0.13, 0.14)


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def events(spec: NetworkSpec, ticks: int, share: float = 0.12) -> BinnedEvents:
    rng = np.random.default_rng(8)
    shape = (ticks, spec.polarities, spec.height, spec.width)
    tick, p, y, x = (axis.astype(np.int64) for axis in np.nonzero(rng.random(shape) < share))
    return BinnedEvents(tick, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))


def learned(spec: NetworkSpec, shown: BinnedEvents, ticks: int) -> FloatNetwork:
    torch.manual_seed(3)
    network = FloatNetwork(spec, 3)
    planes = torch.from_numpy(excerpt_planes(spec, shown, 0, ticks))[:, None]
    network.calibrate(planes)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(3):
        scores, _ = network(planes, torch.tensor([ticks - 1]))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(scores[0], torch.tensor([1])).backward()
        optimiser.step()
    return network


def test_the_engines_spikes_are_those_of_the_float_export() -> None:
    ticks = 60
    shown = events(SMALL, ticks)
    network = out.export(learned(SMALL, shown, ticks), SMALL, ("a", "b", "c"), 0)
    plane = torch.from_numpy(excerpt_planes(SMALL, shown, 0, ticks)).double()
    wanted = out.exported_spikes(network, plane)
    found = np.zeros((ticks, len(SMALL.layers)), np.int64)
    for tick in range(ticks):
        i, j = np.searchsorted(shown.tick, (tick, tick + 1))
        network.advance(shown[i:j], tick + 1)
        for n, (layer, spikes) in enumerate(zip(network.layers, wanted, strict=True)):
            engine = layer.spikes
            assert np.array_equal(engine, spikes[tick].permute(1, 2, 0).numpy()), (tick, n)
            found[tick, n] = engine.sum()
    assert (found.sum(0) > 50).all()


def test_an_export_keeps_its_thresholds_and_reads_back(tmp_path: Path) -> None:
    network = out.export(learned(SMALL, events(SMALL, 30), 30), SMALL, ("a", "b", "c"), 0)
    assert network.spec.learning.period == 0
    for layer, spec in zip(network.layers, network.spec.layers, strict=True):
        assert np.abs(layer.weights).reshape(-1, layer.neurons[2]).max(0).tolist() == (
            [127] * layer.neurons[2]
        )
        assert len(set(spec.threshold)) > 1  # type: ignore[arg-type]
    network.save(tmp_path / "m")
    assert Network.load(tmp_path / "m").to_bytes() == network.to_bytes()


def test_gradients_of_shards_add_up_to_those_of_the_whole() -> None:
    torch.manual_seed(2)
    network = FloatNetwork(SMALL, 3)
    planes = torch.stack(
        [torch.from_numpy(excerpt_planes(SMALL, events(SMALL, 30, s), 0, 30)) for s in SHARES], 1
    )
    network.calibrate(planes)
    labels, asked = torch.tensor([0, 1, 2, 1, 0]), torch.tensor([19, 29])
    with _threads(2) as pool:
        told, found = _credit(pool, network, planes, labels, asked)
    scores, rates = network(planes, asked)
    loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.repeat(2))
    assert told[0] == pytest.approx(loss.item(), rel=1e-5)
    assert told[2:] == pytest.approx([rate.item() for rate in rates], rel=1e-5)
    assert max(told[2:]) < 0.10  # above it, activity has a cost that does not add up
    for one, whole in zip(found, torch.autograd.grad(loss, network.parameters()), strict=True):
        assert whole.abs().max() > 0
        assert torch.allclose(one, whole, atol=1e-4 * float(whole.abs().max()))


def test_the_gradient_reaches_the_first_layer_from_the_last_tick() -> None:
    torch.manual_seed(1)
    network = FloatNetwork(SMALL, 3)
    planes = torch.from_numpy(excerpt_planes(SMALL, events(SMALL, 25), 0, 25))[:, None]
    network.calibrate(planes)
    planes[5:] = 0
    planes.requires_grad_()
    scores, _ = network(planes, torch.tensor([24]))
    scores[0, 0, 0].backward()
    assert planes.grad[4].abs().max() > 0  # twenty ticks back


@pytest.mark.parametrize(
    ("setting", "value", "needs"),
    [
        ("reset", "zero", "needs reset = subtract"),
        ("refractory_ticks", 1, "needs refractory_ticks = 0"),
        ("decay_u", 512, "needs decay_u = 4096"),
        ("pool", 2, "needs pool = 1"),
        ("plastic", True, "needs plastic = false"),
    ],
)
def test_other_layers_are_refused(setting: str, value: object, needs: str) -> None:
    layer = dataclasses.replace(SMALL.layers[1], **{setting: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=needs):
        check_spec(dataclasses.replace(SMALL, layers=(SMALL.layers[0], layer)))


def test_the_preset_takes_no_more_memory_than_allowed() -> None:
    network = Network.build(load_preset("edge10"), [str(n) for n in range(11)])
    assert sum(item.size for item in bytes_by_kind(network)) <= 304_828


@pytest.mark.slow
def test_train_learns_the_layers_first_and_repeats_with_any_threads(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--model", "edge10", "--show", "160ms", "--batch", "8", "--passes", "2")
    files = [tmp_path / name for name in ("one", "two")]
    for file, jobs in zip(files, ("1", "3"), strict=True):
        words = ["train", str(digits), "--out", str(file), *more, "--through-time", "--jobs", jobs]
        assert cli.run([*words, "--layer-passes", "2", "--distort", "sensor", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert files[0].read_bytes() == files[1].read_bytes()
    start, *layers = told[:3]
    assert start["layer_passes"] == 2
    assert [(record["type"], record["number"]) for record in layers] == [
        ("layers", 1),
        ("layers", 2),
    ]
    assert all(0 < share < 0.5 for share in layers[-1]["activity"])
    assert Network.load(files[0]).spec.learning.period == 0
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_missing_pytorch_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    words = ["train", str(tmp_path), "--out", str(tmp_path / "m")]
    assert cli.run([*words, "--through-time"]) == 2
    assert "needs PyTorch: pip install 'spikewire[twin]'" in capsys.readouterr().err
    assert cli.run([*words, "--layer-passes", "3"]) == 2
    assert "--layer-passes belongs to --through-time" in capsys.readouterr().err
    assert cli.run([*words, "--jobs", "3"]) == 2
    assert "--jobs belongs to --through-time" in capsys.readouterr().err
