"""Float baseline: its hand-written gradient, its seeds, and the recordings of the integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip(
    "torch",
    reason="the float baseline needs PyTorch, the extra twin: pip install 'spikewire[twin]'",
)

from spikewire.apps.bench.baseline.data import Recordings, load  # noqa: E402
from spikewire.apps.bench.baseline.decolle import Conv, FloatBaseline, Layer  # noqa: E402
from spikewire.apps.bench.baseline.learning import Adamax, Rule  # noqa: E402
from spikewire.apps.bench.baseline.training import BaselinePlan, Session, evaluate, fit  # noqa: E402
from spikewire.apps.training.split import epoch_order, nmnist_split, split  # noqa: E402
from spikewire.sensors import open_dataset  # noqa: E402

SHAPES = {
    "plain": Conv(3, 3, 1, 1, 1),
    "strided": Conv(3, 3, 2, 1, 1),
    "pooled": Conv(3, 3, 1, 1, 2),
    "pooled, a rest cut off": Conv(2, 2, 1, 0, 2),
}


class _Spike(torch.autograd.Function):
    """A step whose derivative is one's own choice."""

    @staticmethod
    def forward(ctx: Any, u: Any, slope: Any) -> Any:
        ctx.save_for_backward(slope)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, given: Any) -> Any:
        (slope,) = ctx.saved_tensors
        return given * slope, None


def _driven(conv: Conv, rule: Rule, batch: int, graded: bool) -> Any:
    generator = torch.Generator().manual_seed(3)
    layer = Layer(conv, (2, 6, 7), 4, rule, generator, graded)
    layer.weight.mul_(3.0)
    layer.bias.uniform_(-0.3, 0.3, generator=generator)
    layer.start(batch)
    for _ in range(12):
        layer.forward((torch.rand(2, 6, 7, batch, generator=generator) < 0.4).float())
    return layer


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("loss", ["smooth_l1", "cross_entropy"])
@pytest.mark.parametrize("surrogate", ["boxcar", "sigmoid"])
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_autograds(
    shape: str, graded: bool, surrogate: str, loss: str, batch: int
) -> None:
    conv = SHAPES[shape]
    rule = Rule(surrogate=surrogate, loss=loss, dropout=0.5)
    layer = _driven(conv, rule, batch, graded)
    target = torch.nn.functional.one_hot(torch.arange(batch) % 4, 4).t().float()
    read = layer.read(drop=True)
    error = torch.softmax(read, 0) - target if loss == "cross_entropy" else None
    if error is None:
        error = (read - target).clamp(-1, 1)
    weight, bias = layer.gradient(error)

    w = layer.weight.clone().requires_grad_()
    b = layer.bias.clone().requires_grad_()
    planes = layer.p.permute(3, 0, 1, 2)
    u = torch.nn.functional.conv2d(
        planes, w.view(conv.channels, 2, conv.kernel, conv.kernel), b[:, 0], conv.stride
    ) - layer.r.permute(3, 0, 1, 2)
    u = torch.nn.functional.max_pool2d(u, conv.pool)
    gate = torch.sigmoid(u.detach())
    slope = (u.detach().abs() <= 0.5).float() if surrogate == "boxcar" else gate * (1 - gate)
    active = torch.sigmoid(u) if graded else _Spike.apply(u, slope)
    assert layer._dropout_mask is not None
    flat = (active * layer._dropout_mask.permute(3, 0, 1, 2)).reshape(batch, -1)
    again = flat @ layer.readout.t()
    if loss == "cross_entropy":
        total = torch.nn.functional.cross_entropy(again, target.argmax(0), reduction="sum")
    else:
        total = torch.nn.functional.smooth_l1_loss(again, target.t(), reduction="sum")
    (total / batch).backward()

    torch.testing.assert_close(again.detach().t(), read)
    assert float(w.grad.abs().max()) > 1e-3
    torch.testing.assert_close(weight, w.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(bias, b.grad, rtol=1e-4, atol=1e-6)


def test_adamax_is_pytorchs() -> None:
    generator = torch.Generator().manual_seed(1)
    value = torch.randn(3, 4, generator=generator)
    own = Adamax(value.clone(), 0.01, (0.5, 0.9))
    theirs = value.clone().requires_grad_()
    optimiser = torch.optim.Adamax([theirs], 0.01, (0.5, 0.9))
    for _ in range(5):
        theirs.grad = torch.randn(3, 4, generator=generator)
        optimiser.step()
        own.step(theirs.grad)
    torch.testing.assert_close(own.value, theirs.detach(), rtol=1e-4, atol=1e-6)


def _planes(seed: int, ticks: int = 30, batch: int = 6) -> Any:
    drawn = torch.rand(ticks, 2, 10, 10, batch, generator=torch.Generator().manual_seed(seed))
    return (drawn < 0.1).to(torch.uint8)


def _trained(seed: int) -> dict[str, Any]:
    layers = (Conv(4, 3, 2, 1), Conv(4, 3, 1, 1, 2))
    rule = Rule(burn_in=10, dropout=0.5, last="sigmoid", rate=0.01)
    session = Session(FloatBaseline(layers, (2, 10, 10), 3, rule, seed))
    with torch.no_grad():
        session.network.calibrate(_planes(1))
        session.run(_planes(2), torch.arange(6) % 3, learn=True)
    return session.network.state()


def test_a_seed_decides_everything() -> None:
    first, again, other = _trained(5), _trained(5), _trained(6)
    for name, value in first.items():
        assert torch.equal(value, again[name]), name
    assert not torch.equal(first["0.weight"], other["0.weight"])
    assert not torch.equal(first["1.readout"], other["1.readout"])


def test_calibration_gives_each_layer_the_wished_drive() -> None:
    layers = (Conv(4, 3, 2, 1), Conv(4, 3, 1, 1))
    rule = Rule(burn_in=10, mean=-0.25, deviation=0.5)
    twin = FloatBaseline(layers, (2, 10, 10), 3, rule, 0)
    with torch.no_grad():
        twin.calibrate(_planes(1))
        for depth in range(2):
            mean, deviation = twin._drives(_planes(1), depth)
            assert mean == pytest.approx(-0.25, abs=1e-3)
            assert deviation == pytest.approx(0.5, rel=1e-3)


def _invented(count: int, seed: int) -> Recordings:
    """Two classes: spikes in the upper half of the plane, or in the lower."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    spikes = []
    for label in labels:
        n = 1500
        rows = rng.integers(0, 17, n) + 17 * label
        made = np.stack(
            [rng.integers(0, 300, n), rng.integers(0, 2, n), rows, rng.integers(0, 34, n)], axis=1
        )
        spikes.append(np.unique(made, axis=0).astype(np.int16))
    return Recordings(tuple(spikes), labels.astype(np.int64))


@pytest.mark.slow
def test_it_learns_what_is_easy() -> None:
    layers = (Conv(4, 5, 4, 2), Conv(8, 3, 2, 1))
    session = Session(FloatBaseline(layers, (2, 34, 34), 10, Rule(rate=3e-3), 0))
    train, validation = _invented(24, 1), _invented(20, 2)
    heard: list[dict[str, Any]] = []
    with torch.no_grad():
        before = evaluate(session, validation)["accuracy"]["layer2"]
        records = fit(session, train, validation, BaselinePlan(passes=2, batch=8), heard.append)
    assert records == heard
    assert [record["pass"] for record in records] == [1, 2]
    assert before < 0.8
    assert records[-1]["validation"]["accuracy"]["layer2"] >= 0.95


def test_recordings_come_in_the_order_asked_for() -> None:
    data = _invented(6, 3)
    order = epoch_order(0, 0, 6)
    planes, labels = data.dense(order[:3], np.array([[0, 0], [40, 0], [1, -2]]))
    assert labels.tolist() == data.labels[order[:3]].tolist()
    assert int(planes[..., 0].sum()) == len(data.spikes[order[0]])
    assert int(planes[..., 1].sum()) == 0
    tick, p, y, x = data.spikes[order[2]].T
    inside = (x + 1 < 34) & (y - 2 >= 0)
    assert int(planes[..., 2].sum()) == int(inside.sum())
    assert bool((planes[tick[inside], p[inside], y[inside] - 2, x[inside] + 1, 2] == 1).all())


@pytest.mark.data
def test_the_split_is_the_integer_networks(data_dir: Path) -> None:
    learn, hold = nmnist_split(data_dir / "nmnist")
    dataset = open_dataset(data_dir / "nmnist" / "Train")
    learned, held = split([sample.label for sample in dataset.samples])
    for own, indices in ((learn, learned), (hold, held)):
        theirs = [dataset.samples[n] for n in indices]
        assert [(path, str(digit)) for path, digit in own] == [
            (sample.path, sample.label) for sample in theirs
        ]
    assert (len(learn), len(hold)) == (800, 200)
    assert not {path for path, _ in learn} & {path for path, _ in hold}


@pytest.mark.data
def test_the_spikes_are_the_recordings_own(data_dir: Path) -> None:
    (path, digit), *_ = nmnist_split(data_dir / "nmnist")[1]
    recording = load([(path, digit)])
    dataset = open_dataset(data_dir / "nmnist" / "Train")
    sample = next(sample for sample in dataset.samples if sample.path == path)
    events = dataset.load(sample)
    events = events[events["t"] < 300_000]
    told = {(int(e["t"]) // 1000, int(e["p"]), int(e["y"]), int(e["x"])) for e in events}
    assert {tuple(row) for row in recording.spikes[0].tolist()} == told
