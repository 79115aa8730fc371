"""Layers of networks trained elsewhere, from their equations, in plain Python integers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from spikewire.qcore import LayerSpec, Network
from spikewire.qcore.kernels import layout as at

RAIL = 2**23 - 1


def clipped(value: int, low: int = -RAIL, high: int = RAIL) -> int:
    return min(max(value, low), high)


def faded(value: int, decay: int, bits: int) -> int:
    """``value * (1 - decay / 2**bits)``, cut towards zero."""
    size = abs(value) * (2**bits - decay) // 2**bits
    return size if value >= 0 else -size


def shifted(total: int, shift: int) -> int:
    most = 2**25 >> shift
    return clipped(total, -most, most) << shift


def cycled(setting: Any, channel: int) -> int:
    return int(setting[channel % len(setting)] if isinstance(setting, tuple) else setting)


def reached(spec: LayerSpec, shape: Any, source: Any, inputs: int) -> Any:
    """Yield what a spike of the source (row, column, channel) reaches: neuron, tap of its weight.

    ``shape`` is (rows, columns) of the neurons, and then the kernel's.
    """
    rows, columns, kernel_y, kernel_x = shape
    y, x, c = source
    conv = spec.kind == "conv"
    groups = inputs if spec.kind == "counts" else spec.groups
    stride = (spec.stride, spec.stride_x or spec.stride) if conv else (1, 1)
    dilation = (spec.dilation, spec.dilation_x or spec.dilation) if conv else (1, 1)
    pad = (spec.pad, spec.pad if spec.pad_x < 0 else spec.pad_x) if conv else (0, 0)
    for oy in range(rows):
        for ox in range(columns):
            for ky in range(kernel_y):
                for kx in range(kernel_x):
                    if oy * stride[0] + ky * dilation[0] - pad[0] != y:
                        continue
                    if ox * stride[1] + kx * dilation[1] - pad[1] != x:
                        continue
                    for o in range(spec.channels):
                        if o // (spec.channels // groups) == c // (inputs // groups):
                            yield (oy, ox, o), (c % (inputs // groups), ky, kx, o)


def integrated(spec: LayerSpec, c: int, u: int, v: int, drive: tuple[int, int], bias: int,
               before: int) -> tuple[int, int]:  # fmt: skip
    """Return current and membrane after a tick's drive, and the reset of ``before`` spikes."""
    u = faded(u, cycled(spec.decay_u, c), spec.decay_bits) + shifted(drive[0], spec.exponent)
    u += shifted(drive[1], spec.recurrent_exponent)
    bias += cycled(spec.bias, c)
    if spec.bias_to == "current":
        u, bias = u + bias, 0
    u = clipped(u)
    v = faded(v, cycled(spec.decay_v, c), spec.decay_bits) + u + bias
    if spec.reset_late and spec.reset == "subtract":
        v -= before * cycled(spec.threshold, c)
    elif spec.reset_late and before and spec.reset == "zero":
        v = cycled(spec.reset_value, c)
    return u, max(clipped(v), cycled(spec.floor, c))


def fired(spec: LayerSpec, c: int, v: int, wait: int) -> tuple[int, int, int]:
    """Return spikes, the membrane after them, and the refractory ticks left."""
    threshold, value = cycled(spec.threshold, c), cycled(spec.reset_value, c)
    if wait > 0:
        return 0, value, wait - 1
    n = 0
    while n < spec.most_spikes:
        needed = (n + 1) * threshold + (spec.fires == "above")
        if v < needed:
            break
        n += 1
    if n and not spec.reset_late:
        if spec.reset == "subtract":
            v = clipped(v - n * threshold)
        elif spec.reset == "zero":
            v = value
    return n, v, spec.refractory_ticks if n else 0


class GeneralLayer:
    """One layer, tick by tick."""

    def __init__(self, network: Network, n: int) -> None:
        view = network.layers[n]
        self.spec = network.spec.layers[n]
        self.weights = view.weights.astype(int)
        self.recurrent = view.recurrent.astype(int)
        self.delays = view.delays.astype(int)
        self.bias = view.neuron_bias.astype(int)
        self.inputs, self.shape, self.units = view.inputs, view.neurons, view.units
        self.exponent = int(network.state.layers[n, at.EXPONENT])
        self.drive: dict[int, Any] = defaultdict(lambda: np.zeros(self.shape, object))
        self.u, self.v, self.r, self.fired = (np.zeros(self.shape, object) for _ in range(4))

    def step(self, image: Any, now: int) -> Any:
        spec = self.spec
        if spec.reset_every and (now - spec.reset_at) % spec.reset_every == 0:
            for state in (self.u, self.v, self.r, self.fired):
                state[...] = 0
        where = (*self.shape[:2], *self.weights.shape[1:3])
        for source in zip(*np.nonzero(image), strict=True):
            for neuron, tap in reached(spec, where, source, self.inputs[2]):
                later = 0
                if spec.delays:
                    later = self.delays[source if spec.delays_by == "input" else tap]
                due = now + spec.delay + later
                self.drive[due][neuron] += int(self.weights[tap]) * int(image[source])
        drive = self.drive.pop(now, np.zeros(self.shape, object))
        back = np.zeros(self.shape, object)
        if spec.recurrent:
            back = self.fired.reshape(-1).dot(self.recurrent).reshape(self.shape)
        for i in np.ndindex(self.shape):
            bias = int(self.bias[i]) if spec.neuron_bias else 0
            self.u[i], self.v[i] = integrated(
                spec, i[2], self.u[i], self.v[i], (drive[i], back[i]), bias, self.fired[i]
            )
            if not spec.answers:
                self.fired[i], self.v[i], self.r[i] = fired(spec, i[2], self.v[i], self.r[i])
        return self.pooled()

    def pooled(self) -> Any:
        size = self.spec.pool
        out = np.zeros(self.units, int)
        for y, x, c in np.ndindex(self.units):
            window = self.fired[y * size : (y + 1) * size, x * size : (x + 1) * size, c]
            out[y, x, c] = window.sum() if self.spec.pool_kind == "sum" else window.max()
        return out


def front_event(spec: Any, x: int, y: int, p: int) -> tuple[int, int, int] | None:
    """Return column, row and channel of an event behind the front end; None if it is cut off."""
    front = spec.front
    width, height = (spec.height, spec.width) if front.swap_xy else (spec.width, spec.height)
    y, x = y // front.pool - front.top, x // (front.pool_x or front.pool) - front.left
    if not (0 <= x < width and 0 <= y < height):
        return None
    x = width - 1 - x if front.flip_x else x
    y = height - 1 - y if front.flip_y else y
    x, y = (y, x) if front.swap_xy else (x, y)
    return x, y, 0 if front.merge or spec.polarities == 1 else p


class GeneralNetwork:
    """A network of general layers only."""

    def __init__(self, network: Network) -> None:
        self.spec = network.spec
        self.layers = [GeneralLayer(network, n) for n in range(len(network.layers))]
        self.now = 0

    def step(self, events: list[tuple[int, int, int]]) -> None:
        """Compute a tick with its events, (column, row, channel) each."""
        image = np.zeros((self.spec.height, self.spec.width, self.spec.polarities), int)
        for event in events:
            place = front_event(self.spec, *event)
            if place is not None:
                x, y, c = place
                image[y, x, c] = min(image[y, x, c] + 1, self.spec.front.most)
        for layer in self.layers:
            image = layer.step(image, self.now)
        self.now += 1


def shared_scores(v: list[int], target: int) -> list[int]:
    """Shares of ``target`` of membranes, each less the lowest of them."""
    low = min(v)
    total = sum(one - low for one in v)
    return [(one - low) * target // total if total else 0 for one in v]
