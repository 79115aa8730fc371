"""Networks of lava-dl from files: every kind of layer, every option, every refusal."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import ModelError, from_lava_dl
from tests.support.net_files import NEURON, small_layers, spikes_of, tick_by_tick, write_net


class Cuba:
    """Layers of lava-dl from their equations, with arrays [channel, row, column]."""

    def __init__(self, layer: dict[str, Any], weighted: Any) -> None:
        self.weighted, self.layer = weighted, layer
        self.u = self.v = 0

    def step(self, spikes: Any) -> Any:
        neuron = self.layer["neuron"]
        bias = np.reshape(self.layer.get("bias", 0.0), (-1, 1, 1)) * 64
        self.u = np.trunc(self.u * (4096 - neuron["iDecay"]) / 4096) + 64 * self.weighted(spikes)
        self.v = np.trunc(self.v * (4096 - neuron["vDecay"]) / 4096) + self.u + bias
        fired = self.v > neuron["vThMant"] * 64
        self.v = np.where(fired, 0, self.v)
        return fired


def pooled(weight: Any) -> Any:
    return lambda s: weight[0, 0, 0, 0, 0] * s.reshape(2, 3, 2, 4, 2).sum((2, 4))


def convolved(weight: Any) -> Any:
    def apply(s: Any) -> Any:
        padded = np.pad(s, ((0, 0), (1, 1), (0, 0)))
        out = np.zeros((4, 3, 2))
        for o, y, x in np.ndindex(out.shape):
            out[o, y, x] = (
                weight[o, 0, :, :, 0] * padded[o // 2, y : y + 3, 2 * x : 2 * x + 2]
            ).sum()
        return out

    return apply


def test_every_kind_of_layer_computes_as_lava_dl_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    layers = small_layers(rng)
    path = write_net(tmp_path / "small.net", layers)
    network, report = from_lava_dl(path, classes=("a", "b"), window=0)
    assert [layer.kind for layer in network.spec.layers] == ["conv", "conv", "dense", "membranes"]
    assert [layer.name for layer in report.layers] == [
        "layer 1 (pool)", "layer 2 (conv)", "layer 4 (dense)", "layer 5 (average)"
    ]  # fmt: skip
    pool, conv, _, dense = layers[1:5]
    twins = [
        Cuba(pool, pooled(pool["weight"])),
        Cuba(conv, convolved(conv["weight"])),
        Cuba(dense, lambda s: (dense["weight"] @ s.reshape(-1))[:, None, None]),
    ]
    planes = rng.random((6, 8, 2, 40)) < 0.2
    past = deque([np.zeros((4, 3, 2))] * 6, 6)
    counts = np.zeros(2)
    given = np.zeros((2, 6, 8))
    sent: list[Any] = [given, np.zeros((2, 3, 4)), np.zeros((4, 3, 2)), np.zeros((6, 1, 1))]
    delays = [0, 3, 1, 2]
    seen = 0
    for tick in tick_by_tick(network, spikes_of(planes), 40):
        last = sent[3]
        late = np.stack([past[-1 - d][c] for c, d in enumerate(delays)])
        sent = [planes[..., tick].transpose(2, 0, 1), twins[0].step(sent[0]),
                twins[1].step(sent[1]), twins[2].step(late)]  # fmt: skip
        past.append(sent[2])
        for view, fired in zip(network.layers, sent[1:], strict=False):
            assert (view.spikes == fired.transpose(1, 2, 0)).all()
            seen += int(fired.sum())
        counts += last.reshape(2, 3).sum(1)
        assert (network.layers[3].membrane.reshape(-1) == 256 * counts).all()
    assert seen > 200


def test_reports_say_what_was_assumed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = small_layers(rng)
    path = write_net(tmp_path / "small.net", layers)
    _, report = from_lava_dl(path, classes=("a", "b"), reset_every=50, reset_at=7, window=200)
    text = "\n".join(report.lines())
    for words in ("1,000 us", "act 1 steps later", "ticks 7 + k modulo 50", "in 200 ticks",
                  "readout of layer 2 (conv)"):  # fmt: skip
        assert words in text
    layers[0] = {**layers[0], "neuron": NEURON, "weight": 10.0, "bias": 20.0}
    path = write_net(tmp_path / "image.net", layers)
    assert "turn images into spikes" in str(from_lava_dl(path, classes=("a", "b"))[1].lines())
    network, report = from_lava_dl(path, classes=("a", "b"), input_layer="neurons")
    assert len(network.layers) == 5
    # 2 w for an event, b - w without one.
    assert set(network.layers[0].weights.reshape(-1).tolist()) == {5}
    assert network.spec.layers[0].exponent == 8
    assert network.spec.layers[0].bias == (640,)


def test_weights_of_training_are_rounded_on_request(tmp_path: Path) -> None:
    layers = small_layers(np.random.default_rng(1))
    layers[4]["weight"] = layers[4]["weight"] / 64 + 0.003
    path = write_net(tmp_path / "float.net", layers)
    with pytest.raises(ModelError, match="the option scale"):
        from_lava_dl(path, classes=("a", "b"))
    network, report = from_lava_dl(path, classes=("a", "b"), scale=64.0)
    assert 0 < report.layers[2].weight_error < 0.02
    assert network.spec.layers[2].exponent == 7


def test_a_layer_that_never_fires_answers_by_its_membranes(tmp_path: Path) -> None:
    layers = small_layers(np.random.default_rng(2))[:5]
    layers[4]["neuron"] = {**NEURON, "vThMant": 131_071}
    path = write_net(tmp_path / "silent.net", layers)
    classes = [str(k) for k in range(6)]
    assert from_lava_dl(path, classes=classes)[0].spec.layers[-1].kind == "membranes"
    counted, _ = from_lava_dl(path, classes=classes, readout="counts")
    assert [layer.kind for layer in counted.spec.layers][-2:] == ["dense", "counts"]
    del layers[4]["neuron"]
    path = write_net(tmp_path / "bare.net", layers)
    assert from_lava_dl(path, classes=classes)[0].spec.layers[-1].decay_v == 0


@pytest.mark.parametrize(
    ("n", "changes", "words"),
    [
        (1, {"type": "unpool"}, "layer 1 is of the type 'unpool'; supported are input, conv"),
        (2, {"neuron": {**NEURON, "type": b"SDNN"}}, "'SDNN'; CUBA and LOIHI"),
        (2, {"neuron": {**NEURON, "iDecay": 5000}}, "iDecay is 5000; allowed are 0 to 4096"),
        (2, {"neuron": {"type": b"CUBA"}}, "without iDecay"),
        (2, {"neuron": {**NEURON, "messageBits": 8}}, "graded spikes"),
        (2, {"weight": np.zeros((4, 2, 3, 2))}, "weights for 4 channels"),
        (2, {"weight": np.zeros(5)}, "no convolution"),
        (1, {"weight": np.zeros((1, 1, 3, 3, 1))}, "9 weights: no pool"),
        (1, {"kernelSize": [0, 0]}, "kernel of 0 and 0; allowed are 1 to 64"),
        (2, {"stride": [1, 0]}, "stride of 1 and 0"),
        (2, {"shape": [4, 9, 9]}, r"its weights make \(4, 3, 2\)"),
        (2, {"delay": np.full(4, 64.0)}, "allowed are 0 to 63"),
        (2, {"delay": np.zeros(3)}, "takes 1, 4 or 24"),
        (2, {"bias": np.full(4, 0.5)}, "not all whole numbers"),
        (2, {"bias": np.full(4, 1e9)}, "beyond 24 bits"),
        (4, {"weight": np.zeros((6, 23))}, "24"),
        (4, {"weight": np.full((6, 24), 255.0)}, "8 bits"),
        (4, {"weight": np.full((6, 24), np.nan)}, "not all numbers"),
        (5, {"shape": [4]}, "averages 6 outputs in 4 groups"),
        (5, {"type": "input", "shape": [2, 6, 8]}, "not the first layer"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(
    tmp_path: Path, n: int, changes: dict[str, Any], words: str
) -> None:
    layers = small_layers(np.random.default_rng(0))
    layers[n] = {**layers[n], **changes}
    path = write_net(tmp_path / "bad.net", layers)
    with pytest.raises(ModelError, match=words):
        from_lava_dl(path, classes=("a", "b"))


def test_what_a_file_does_not_say_is_asked_for(tmp_path: Path) -> None:
    layers = small_layers(np.random.default_rng(0))
    path = write_net(tmp_path / "a.net", layers, step=None)
    with pytest.raises(ModelError, match="the option tick_us"):
        from_lava_dl(path, classes=("a", "b"))
    assert from_lava_dl(path, classes=("a", "b"), tick_us=500)[0].tick_us == 500
    path = write_net(tmp_path / "b.net", layers[1:])
    with pytest.raises(ModelError, match="the option input_shape"):
        from_lava_dl(path, classes=("a", "b"))
    assert from_lava_dl(path, classes=("a", "b"), input_shape=(2, 6, 8))[0].input_size == (8, 6)
    with pytest.raises(ModelError, match="2 outputs"):
        from_lava_dl(path, classes=("a",), input_shape=(2, 6, 8))
    with pytest.raises(ModelError, match="2 outputs, and 3 names"):
        from_lava_dl(path, classes=("a", "b", "c"), input_shape=(2, 6, 8))
    for options, words in (
        ({"readout": "votes"}, "allowed are 'counts' and 'membranes'"),
        ({"window": -1}, "window is -1"),
        ({"layer_delay": 64}, "layer_delay is 64"),
    ):
        with pytest.raises(ModelError, match=words):
            from_lava_dl(path, classes=("a", "b"), input_shape=(2, 6, 8), **options)  # type: ignore[arg-type]


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, data, words in (
        ("text.net", b"no network", "no .net file"),
        ("empty.net", b"", "no .net file"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ModelError, match=words):
            from_lava_dl(path, classes=("a",))
    with pytest.raises(ModelError, match="cannot be read"):
        from_lava_dl(tmp_path / "none.net", classes=("a",))
    path = write_net(tmp_path / "no_layers.net", [])
    with pytest.raises(ModelError, match="no group 'layer'"):
        from_lava_dl(path, classes=("a",))


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_net(tmp_path / "a.net", small_layers(np.random.default_rng(0)))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match=r"pip install 'spikewire\[nir\]'"):
        from_lava_dl(path, classes=("a", "b"))
