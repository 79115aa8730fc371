"""Linear nodes between two layers, composed to one convolution or one dense matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.graph import Floats, Node

Shape = tuple[int, int, int]
"""Channels, rows and columns of a map; a vector has 1 row and 1 column, a line 1 row."""

MOST_WEIGHTS = 2**26
"""Most weights of a layer."""

MOST_UNITS = 2**22
"""Most units of a map."""

MOST_POOLED = 11
"""Longest side of a window that the engine pools over; longer ones become part of the weights."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, as PyTorch computes it (a correlation).

    Attributes
    ----------
    weight
        float64[c_out, c_in / groups, rows, columns].
    bias
        float64[c_out].
    stride, pad, dilation
        Of rows and columns.
    groups
        Groups of channels.
    """

    weight: Floats
    bias: Floats
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix: float64[outputs, inputs], and its bias, float64[outputs]."""

    weight: Floats
    bias: Floats


Linear = Conv | Dense


@dataclass(frozen=True, slots=True)
class Pooling:
    """Sum pooling that the layer before does: spikes of windows of ``size`` squared are counted."""

    size: int
    scale: float


def take_pooling(nodes: list[Node], shape: Shape, most: int) -> tuple[Pooling | None, list[Node]]:
    """Split a first pooling node off that the engine can do after the layer before.

    Parameters
    ----------
    nodes
        Linear nodes, the first one first.
    shape
        Their input.
    most
        Most spikes of a neuron in a tick; counts of a window have 7 bits.
    """
    if not nodes or nodes[0].kind not in ("SumPool2d", "AvgPool2d"):
        return None, nodes
    node = nodes[0]
    rows, columns = node.pair("kernel_size", 1, 1024)
    side = (rows, rows)
    fits = rows * rows * min(most, 8) <= 127 and rows <= min(MOST_POOLED, *shape[1:])
    if (rows, columns) != side or node.pair("stride", 1, 1024) != side or not fits:
        return None, nodes
    if node.pair("padding", 0, 1024) != (0, 0):
        return None, nodes
    scale = 1.0 if node.kind == "SumPool2d" else 1 / (rows * rows)
    return Pooling(rows, scale), nodes[1:]


def compose(nodes: Sequence[Node], shape: Shape) -> Linear:
    """Compose linear nodes to one; without any the result is the identity.

    Raises
    ------
    ModelError
        If a node does not fit its input, or the composed matrix has too many weights.
    """
    whole: Linear | None = None
    start = shape
    for node in nodes:
        if node.kind in ("Flatten", "Delay"):
            continue
        part = _operator(node, shape)
        after = output_shape(part, shape, str(node))
        whole = part if whole is None else _join(whole, part, start, shape)
        shape = after
    if whole is None:
        return Conv(np.ones((shape[0], 1, 1, 1)), np.zeros(shape[0]), groups=shape[0])
    return whole


def output_shape(linear: Linear, shape: Shape, where: str) -> Shape:
    """Return the shape of what a linear operator makes of a map.

    Raises
    ------
    ModelError
        If the map does not fit; the message names ``where``.
    """
    if isinstance(linear, Dense):
        inputs = shape[0] * shape[1] * shape[2]
        if linear.weight.shape[1] != inputs:
            raise ModelError(
                f"In {where} the weights are for {linear.weight.shape[1]:,} inputs, and "
                f"{_text(shape)} = {inputs:,} come in."
            )
        return linear.weight.shape[0], 1, 1
    if linear.weight.shape[1] * linear.groups != shape[0]:
        raise ModelError(
            f"In {where} the weights are for {linear.weight.shape[1] * linear.groups} channels, "
            f"and {_text(shape)} comes in."
        )
    sides = []
    for n in (0, 1):
        reach = (linear.weight.shape[2 + n] - 1) * linear.dilation[n] + 1
        room = shape[1 + n] + 2 * linear.pad[n] - reach
        if room < 0:
            raise ModelError(f"In {where} the kernel is larger than its input, {_text(shape)}.")
        sides.append(room // linear.stride[n] + 1)
    outputs = linear.weight.shape[0] * sides[0] * sides[1]
    if outputs > MOST_UNITS:
        raise ModelError(f"In {where} there are {outputs:,} outputs; allowed are {MOST_UNITS:,}.")
    return linear.weight.shape[0], sides[0], sides[1]


def as_dense(linear: Linear, shape: Shape, where: str = "a layer") -> Dense:
    """Write an operator on a map as a matrix, inputs and outputs by channel, row, column.

    Raises
    ------
    ModelError
        If it has too many weights.
    """
    if isinstance(linear, Dense):
        return linear
    out = output_shape(linear, shape, where)
    inputs, outputs = int(np.prod(shape)), int(np.prod(out))
    if inputs * outputs > MOST_WEIGHTS:
        raise ModelError(
            f"Written as a matrix, which its neighbours need, {where} has {inputs * outputs:,} "
            f"weights; allowed are {MOST_WEIGHTS:,}."
        )
    matrix = np.zeros((*out, *shape))
    weight = _full(linear)
    rows, columns = np.arange(out[1]), np.arange(out[2])
    for ky, kx in np.ndindex(weight.shape[2:]):
        y = rows * linear.stride[0] - linear.pad[0] + ky * linear.dilation[0]
        x = columns * linear.stride[1] - linear.pad[1] + kx * linear.dilation[1]
        oy = np.flatnonzero((y >= 0) & (y < shape[1]))[:, None]
        ox = np.flatnonzero((x >= 0) & (x < shape[2]))[None]
        # Two taps of a window never meet the same input.
        matrix[:, oy, ox, :, y[oy], x[ox]] = weight[:, :, ky, kx]
    bias = np.repeat(linear.bias, out[1] * out[2])
    return Dense(matrix.reshape(outputs, inputs), bias)


def _operator(node: Node, shape: Shape) -> Linear:
    """Return what one node computes on a map of that shape."""
    if node.kind in ("Affine", "Linear"):
        return _matrix(node, shape)
    if node.kind in ("Conv1d", "Conv2d"):
        return _convolution(node, shape)
    if node.kind == "Scale":
        return _scale(node, shape)
    rows, columns = node.pair("kernel_size", 1, 1024)
    weight = np.ones((shape[0], 1, rows, columns))
    if node.kind == "AvgPool2d":
        weight /= rows * columns
    return Conv(
        weight, np.zeros(shape[0]), node.pair("stride", 1, 1024),
        node.pair("padding", 0, 1024), groups=shape[0],
    )  # fmt: skip


def _matrix(node: Node, shape: Shape) -> Dense:
    weight = node.array("weight")
    if weight.ndim != 2 or weight.size == 0:
        raise ModelError(f"In {node} the weights have {weight.ndim} dimensions, not 2.")
    _check_size(node, weight)
    bias = node.array("bias") if node.kind == "Affine" else np.zeros(1)
    return Dense(weight, _spread(node, bias, weight.shape[0]))


def _convolution(node: Node, shape: Shape) -> Conv:
    flat = node.kind == "Conv1d"
    weight = node.array("weight")
    if weight.ndim != 4 - flat or weight.size == 0:
        raise ModelError(f"In {node} the weights have {weight.ndim} dimensions, not {4 - flat}.")
    _check_size(node, weight)
    if flat:
        weight = weight[:, :, None]
    groups = node.whole("groups", 1, 4096)[0] if "groups" in node.values else 1
    if weight.shape[0] % groups:
        raise ModelError(
            f"In {node} {weight.shape[0]} channels do not divide into {groups} groups."
        )
    bias = _spread(node, node.optional("bias", 0), weight.shape[0])
    stride = _sides(node, "stride", flat, (1, 64))
    dilation = _sides(node, "dilation", flat, (1, 64))
    conv = Conv(weight, bias, stride, (0, 0), dilation, groups)
    padding = node.values.get("padding", 0)
    if isinstance(padding, str | bytes):
        return _padded_by_name(node, conv, padding)
    return replace(conv, pad=_sides(node, "padding", flat, (0, 1024)))


def _sides(node: Node, name: str, flat: bool, allowed: tuple[int, int]) -> tuple[int, int]:
    """Return a parameter of rows and columns; a convolution of lines has one for its columns."""
    if name not in node.values:
        return 1, 1
    pair = node.pair(name, *allowed)
    return (min(allowed[0], 1), pair[1]) if flat else pair


def _padded_by_name(node: Node, conv: Conv, padding: str | bytes) -> Conv:
    name = padding.decode("utf-8", "replace") if isinstance(padding, bytes) else padding
    if name == "valid":
        return conv
    if name != "same" or conv.stride != (1, 1):
        raise ModelError(
            f"In {node} the padding is {name!r:.80}; supported are whole numbers, 'valid', and "
            "'same' with a stride of 1."
        )
    # An even reach has one more row or column at the end: the kernel begins with zeros instead.
    weight, pads = conv.weight, []
    for n in (0, 1):
        reach = (weight.shape[2 + n] - 1) * conv.dilation[n]
        if reach % 2:
            weight = _dilated(replace(conv, weight=weight)).weight
            conv = replace(conv, weight=weight, dilation=(1, 1))
            weight = np.pad(
                weight, [(0, 0), (0, 0), *[((1, 0) if k == n else (0, 0)) for k in (0, 1)]]
            )
            reach += 1
        pads.append(reach // 2)
    return replace(conv, weight=weight, pad=(pads[0], pads[1]))


def _scale(node: Node, shape: Shape) -> Linear:
    scale = node.array("scale")
    if scale.size == 1:
        scale = np.full(shape, scale.reshape(()))
    elif scale.size == np.prod(shape):
        scale = scale.reshape(shape)
    elif scale.size == shape[0]:
        scale = np.broadcast_to(scale.reshape(-1, 1, 1), shape)
    else:
        raise ModelError(f"In {node} the scale has {scale.size} numbers for {_text(shape)}.")
    if np.ptp(scale, (1, 2)).max() == 0:
        first = np.ascontiguousarray(scale[:, 0, 0])
        return Conv(first.reshape(-1, 1, 1, 1), np.zeros(shape[0]), groups=shape[0])
    if scale.size**2 > MOST_WEIGHTS:
        raise ModelError(f"In {node} the scale differs from place to place of a large map.")
    return Dense(np.diag(scale.reshape(-1)), np.zeros(scale.size))


def _join(first: Linear, second: Linear, start: Shape, between: Shape) -> Linear:
    """Compose two operators: on maps of shape ``start`` the first, then the second."""
    if isinstance(first, Conv) and isinstance(second, Conv):
        joined = _join_convs(first, second, start, between)
        if joined is not None:
            return joined
    a, b = as_dense(first, start), as_dense(second, between)
    if b.weight.shape[0] * a.weight.shape[1] > MOST_WEIGHTS:
        raise ModelError(f"Composed, linear nodes have more than {MOST_WEIGHTS:,} weights.")
    return Dense(b.weight @ a.weight, b.weight @ a.bias + b.bias)


def _join_convs(first: Conv, second: Conv, start: Shape, between: Shape) -> Conv | None:
    """Compose two convolutions to one, where that is exact; else return None."""
    if second.pad != (0, 0) and not _tiles(first, start):
        return None
    if second.pad != (0, 0) and first.bias.any():
        return None
    a, b = _full(_dilated(first)), _full(_dilated(second))
    rows, columns = (
        a.shape[2 + n] + (b.shape[2 + n] - 1) * first.stride[n] for n in (0, 1)
    )  # fmt: skip
    if max(rows, columns) > 64 or b.shape[0] * a.shape[1] * rows * columns > MOST_WEIGHTS:
        return None
    weight = np.zeros((b.shape[0], a.shape[1], rows, columns))
    for ky, kx in np.ndindex(b.shape[2:]):
        y, x = ky * first.stride[0], kx * first.stride[1]
        part = np.einsum("om,miyx->oiyx", b[:, :, ky, kx], a)
        weight[:, :, y : y + a.shape[2], x : x + a.shape[3]] += part
    bias = b.sum((2, 3)) @ first.bias + second.bias
    pad = tuple(first.pad[n] + second.pad[n] * first.stride[n] for n in (0, 1))
    stride = tuple(first.stride[n] * second.stride[n] for n in (0, 1))
    return Conv(weight, bias, (stride[0], stride[1]), (pad[0], pad[1]))


def _tiles(conv: Conv, shape: Shape) -> bool:
    """Tell whether the windows lie side by side and cover the map: zeros around it stay zeros."""
    return all(
        conv.weight.shape[2 + n] == conv.stride[n]
        and conv.pad[n] == 0
        and conv.dilation[n] == 1
        and shape[1 + n] % conv.stride[n] == 0
        for n in (0, 1)
    )


def _dilated(conv: Conv) -> Conv:
    """Write dilation as zeros of the kernel."""
    if conv.dilation == (1, 1):
        return conv
    outs, ins, rows, columns = conv.weight.shape
    dy, dx = conv.dilation
    weight = np.zeros((outs, ins, (rows - 1) * dy + 1, (columns - 1) * dx + 1))
    weight[:, :, ::dy, ::dx] = conv.weight
    return replace(conv, weight=weight, dilation=(1, 1))


def _full(conv: Conv) -> Floats:
    """Return the weights between all channels, with zeros between groups."""
    if conv.groups == 1:
        return conv.weight
    outs, ins, rows, columns = conv.weight.shape
    weight = np.zeros((outs, ins * conv.groups, rows, columns))
    per = outs // conv.groups
    for g in range(conv.groups):
        own = slice(g * per, (g + 1) * per)
        weight[own, g * ins : (g + 1) * ins] = conv.weight[own]
    return weight


def _spread(node: Node, bias: Floats, outputs: int) -> Floats:
    if bias.size not in (1, outputs):
        raise ModelError(f"In {node} there are {bias.size} biases for {outputs} outputs.")
    return np.broadcast_to(bias.reshape(-1), outputs).copy()


def _check_size(node: Node, weight: Floats) -> None:
    if weight.size > MOST_WEIGHTS:
        raise ModelError(
            f"In {node} there are {weight.size:,} weights; allowed are {MOST_WEIGHTS:,}."
        )


def _text(shape: Shape) -> str:
    return "x".join(str(n) for n in shape)
