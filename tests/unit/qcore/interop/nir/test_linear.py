"""Linear nodes composed to one operator compute what they compute one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import ModelError
from spikewire.qcore.interop.nir.graph import Node
from spikewire.qcore.interop.nir.linear import (
    Conv,
    as_dense,
    compose,
    output_shape,
    take_pooling,
)
from tests.support.nir_files import affine, conv2d, pool

SEEDS = st.integers(0, 2**32 - 1)


def _correlate(x: Any, values: dict[str, Any]) -> Any:
    """Compute a convolution from its definition, output by output."""
    w, groups = np.asarray(values["weight"], float), int(values.get("groups", 1))
    (sy, sx), (py, px), (dy, dx) = (
        np.broadcast_to(values[name], 2) for name in ("stride", "padding", "dilation")
    )
    padded = np.pad(x, [(0, 0), (py, py), (px, px)])
    rows = (padded.shape[1] - (w.shape[2] - 1) * dy - 1) // sy + 1
    columns = (padded.shape[2] - (w.shape[3] - 1) * dx - 1) // sx + 1
    out = np.zeros((len(w), rows, columns))
    per = len(w) // groups
    for o, y, x0 in np.ndindex(out.shape):
        first = o // per * w.shape[1]
        for i, ky, kx in np.ndindex(w.shape[1:]):
            out[o, y, x0] += (
                w[o, i, ky, kx] * padded[first + i, y * sy + ky * dy, x0 * sx + kx * dx]
            )
    return out + np.asarray(values["bias"], float).reshape(-1, 1, 1)


def _step(kind: str, values: dict[str, Any], x: Any) -> Any:
    if kind == "Conv2d":
        return _correlate(x, values)
    if kind in ("SumPool2d", "AvgPool2d"):
        (k, _), (s, _) = values["kernel_size"], values["stride"]
        rows, columns = ((n - k) // s + 1 for n in x.shape[1:])
        out = np.zeros((len(x), rows, columns))
        for c, y, x0 in np.ndindex(out.shape):
            window = x[c, y * s : y * s + k, x0 * s : x0 * s + k]
            out[c, y, x0] = window.sum() if kind == "SumPool2d" else window.mean()
        return out
    if kind == "Scale":
        return x * np.asarray(values["scale"]).reshape(-1, *[1] * (x.ndim - 1))
    bias = values.get("bias", 0)
    return values["weight"].astype(float) @ x.reshape(-1) + bias


def _draw(rng: np.random.Generator, shape: tuple[int, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Draw a chain of one to three nodes that fit one another."""
    nodes: list[tuple[str, dict[str, Any]]] = []
    for _ in range(rng.integers(1, 4)):
        kind = rng.choice(["conv", "sum", "mean", "scale", "dense"])
        if len(shape) == 1 or (kind == "dense" and np.prod(shape) < 200):
            weight = rng.normal(size=(int(rng.integers(1, 5)), int(np.prod(shape))))
            nodes.append(affine(weight, rng.normal(size=len(weight))))
            shape = (len(weight),)
        elif kind == "scale":
            nodes.append(("Scale", {"scale": rng.normal(size=shape[0])}))
        elif kind in ("sum", "mean") and min(shape[1:]) >= 3:
            name = "SumPool2d" if kind == "sum" else "AvgPool2d"
            nodes.append(pool(name, int(rng.integers(1, 4)), int(rng.integers(1, 4))))
            shape = _step(*nodes[-1], np.zeros(shape)).shape
        elif min(shape[1:]) >= 5:
            groups = 2 if shape[0] % 2 == 0 and rng.random() < 0.5 else 1
            size = (2 * int(rng.integers(1, 3)), shape[0] // groups, *rng.integers(1, 4, 2))
            values = {
                "bias": rng.normal(size=size[0]),
                "groups": groups,
                "stride": rng.integers(1, 3, 2),
                "padding": rng.integers(0, 2, 2),
                "dilation": rng.integers(1, 3, 2),
            }
            nodes.append(conv2d(rng.normal(size=size), **values))
            shape = _step(*nodes[-1], np.zeros(shape)).shape
    return nodes


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_composed_nodes_compute_what_they_compute_in_turn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, int(rng.integers(5, 9)), int(rng.integers(5, 9)))
    drawn = _draw(rng, shape)
    x = rng.normal(size=shape)
    wanted = x
    for kind, values in drawn:
        wanted = _step(kind, values, wanted)
    linear = compose([Node(str(n), *one) for n, one in enumerate(drawn)], shape)
    dense = as_dense(linear, shape)
    assert int(np.prod(output_shape(linear, shape, "it"))) == wanted.size
    found = dense.weight @ x.reshape(-1) + dense.bias
    np.testing.assert_allclose(found, wanted.reshape(-1), atol=1e-4)


def test_pooling_before_a_convolution_becomes_part_of_it() -> None:
    rng = np.random.default_rng(0)
    nodes = [Node("p", *pool("SumPool2d", 2)), Node("c", *conv2d(rng.normal(size=(3, 2, 3, 3))))]
    linear = compose(nodes, (2, 8, 8))
    assert isinstance(linear, Conv)
    assert (linear.weight.shape, linear.stride) == ((3, 2, 6, 6), (2, 2))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (3, 2), (4, 4)])
def test_same_padding_keeps_the_size(rows: int, columns: int) -> None:
    weight = np.random.default_rng(1).normal(size=(1, 1, rows, columns))
    node = Node("c", *conv2d(weight, padding="same"))
    linear = compose([node], (1, 6, 7))
    assert output_shape(linear, (1, 6, 7), "c") == (1, 6, 7)
    x = np.random.default_rng(2).normal(size=(1, 6, 7))
    # PyTorch pads an even kernel's last side with one more.
    padded = np.pad(x, [(0, 0), ((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)])
    wanted = _correlate(padded, {**dict(conv2d(weight)[1]), "bias": [0.0]})
    dense = as_dense(linear, (1, 6, 7))
    np.testing.assert_allclose(dense.weight @ x.reshape(-1), wanted.reshape(-1), atol=1e-5)


def test_the_layer_before_pools_where_windows_lie_side_by_side() -> None:
    def taken(node: tuple[str, dict[str, Any]], most: int = 1) -> bool:
        return take_pooling([Node("p", *node)], (2, 8, 8), most)[0] is not None

    assert taken(pool("SumPool2d", 2))
    assert taken(pool("AvgPool2d", 3))
    assert not taken(pool("SumPool2d", 3, 2))
    assert not taken(pool("SumPool2d", 9))
    assert not taken(conv2d(np.ones((1, 2, 2, 2))))


def test_what_does_not_fit_is_told_with_its_node() -> None:
    with pytest.raises(ModelError, match=r"'c' \(Conv2d\) the weights are for 3 channels.*2x8x8"):
        compose([Node("c", *conv2d(np.ones((1, 3, 2, 2))))], (2, 8, 8))
    with pytest.raises(ModelError, match="the kernel is larger than its input"):
        compose([Node("c", *conv2d(np.ones((1, 2, 9, 2))))], (2, 8, 8))
    with pytest.raises(ModelError, match=r"'a' \(Linear\) the weights are for 5 inputs, and 2x8x8"):
        compose([Node("a", *affine(np.ones((1, 5))))], (2, 8, 8))
    with pytest.raises(ModelError, match="supported are whole numbers, 'valid', and 'same'"):
        compose([Node("c", *conv2d(np.ones((1, 2, 2, 2)), padding="full"))], (2, 8, 8))
