"""Float baseline: DECOLLE in PyTorch, written from the equations, for comparison with integers.

Deep Continuous Local Learning (Kaiser, Mostafa and Neftci 2020). In every tick, for every layer:

    P <- alpha P + (1 - alpha) Q        second-order trace of the input spikes
    Q <- beta Q + (1 - beta) S_in
    R <- rho R + S                      refractory trace of the layer's own last spikes
    U  = W * P + b - R                  membrane;  S = [U >= 0]
    r  = G S                            local readout, G random and fixed
    dW = -rate * (F (r - y) s(U)) * P   s: surrogate derivative; F: the feedback weights

A gradient reaches one layer and one tick back, no further, so it is written out here instead of
being traced: each tick costs two matrix products per layer, and nothing is kept over time.

Arrays are [channel, y, x, sample]: with the samples innermost, the patches of a convolution are
copied in long runs, and every product is one large matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own abbreviation)
from torch import Tensor

from spikewire.apps.bench.baseline.learning import Adamax, Rule, loss_gradient
from spikewire.apps.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, then max-pooling of its membranes (the OR of its spikes)."""

    channels: int
    kernel: int
    stride: int = 1
    pad: int = 0
    pool: int = 1


ARCHITECTURES: Mapping[str, tuple[Conv, ...]] = {
    # Input 2x34x34; the layers are 16x17x17, 32x9x9, 64x5x5.
    "nmnist": (Conv(16, 5, 2, 2), Conv(32, 3, 2, 1), Conv(64, 3, 2, 1)),
    "nmnist5": (Conv(16, 5, 2, 2), Conv(32, 5, 2, 2), Conv(64, 5, 2, 2)),
    # The same channels as the published code for N-MNIST: kernels of 5, pooled by 2.
    "decolle": (Conv(16, 5, 1, 2, 2), Conv(32, 5, 1, 2, 2), Conv(64, 5, 1, 2, 2)),
    # Schaefer and Joshi 2020; meant for input 2x32x32.
    "schaefer2020": (Conv(64, 7, 1, 2, 2), Conv(128, 7, 1, 2, 1), Conv(128, 7, 1, 2, 2)),
}


class Layer:
    """One convolution of integrate-and-fire neurons with its traces and its local readouts.

    Parameters
    ----------
    conv
        Its shape.
    shape
        (channels, height, width) of its input.
    classes
        Size of the readout.
    rule
        Constants of the neurons and of the learning.
    generator
        Draws the weights.
    """

    def __init__(
        self,
        conv: Conv,
        shape: tuple[int, int, int],
        classes: int,
        rule: Rule,
        generator: torch.Generator,
        graded: bool = False,
    ) -> None:
        self.conv, self.rule = conv, rule
        self.graded = graded
        self._generator = generator
        self._dropout_mask: Tensor | None = None
        self.in_shape = shape
        deep, height, width = shape
        high = (height + 2 * conv.pad - conv.kernel) // conv.stride + 1
        wide = (width + 2 * conv.pad - conv.kernel) // conv.stride + 1
        if high < conv.pool or wide < conv.pool:
            raise CommandError(f"a layer of {conv} does not fit an input of {shape}")
        self.membrane_shape = (conv.channels, high, wide)
        self.out_shape = (conv.channels, high // conv.pool, wide // conv.pool)
        self.neurons = math.prod(self.out_shape)
        fan_in = deep * conv.kernel**2
        self.weight = torch.randn(conv.channels, fan_in, generator=generator) / fan_in**0.5
        self.bias = torch.zeros(conv.channels, 1)
        bound = rule.amplitude / self.neurons**0.5
        self.readout = _uniform((classes, self.neurons), bound, generator)
        self.feedback = self.readout
        if rule.feedback == "concordant":
            drawn = _uniform((classes, self.neurons), bound, generator)
            self.feedback = drawn.abs() * self.readout.sign()
        self.start(1)
        self.optimise()

    def optimise(self) -> None:
        """Begin learning afresh from the weights as they are."""
        rule = self.rule
        unit = float(self.weight.square().mean().sqrt())
        # A bias acts like a weight whose input is always one; the inputs' traces are the unit.
        self._step_weight = Adamax(self.weight, rule.rate * unit, rule.adamax, rule.normalise)
        self._step_bias = Adamax(
            self.bias, rule.rate * rule.bias_rate * rule.deviation, rule.adamax, rule.normalise
        )
        unit = float(self.readout.square().mean().sqrt())
        self._step_readout = Adamax(self.readout, rule.rate * unit, rule.adamax)

    def start(self, batch: int) -> None:
        """Bring ``batch`` samples' state to rest."""
        conv = self.conv
        deep, height, width = self.in_shape
        pad = conv.pad
        self.p = torch.zeros(deep, height + 2 * pad, width + 2 * pad, batch)
        self.q = torch.zeros(deep, height, width, batch)
        self.r = torch.zeros(*self.membrane_shape, batch)
        self.fired: Tensor | None = None
        self._inner = self.p[:, pad : pad + height, pad : pad + width]
        high, wide = self.membrane_shape[1:]
        patches = self.p.unfold(1, conv.kernel, conv.stride).unfold(2, conv.kernel, conv.stride)
        self._patches = patches.permute(0, 4, 5, 1, 2, 3)
        self._columns = torch.empty(deep, conv.kernel, conv.kernel, high, wide, batch)
        self._weight_sum = torch.zeros_like(self.weight)
        self._bias_sum = torch.zeros_like(self.bias)

    def forward(self, spikes: Tensor) -> Tensor:
        """Compute one tick.

        Takes and returns float spikes in {0, 1}: [channel, y, x, sample] of the input, and of the
        layer after pooling. ``self.u`` keeps the membranes, pooled.
        """
        rule = self.rule
        self._inner.mul_(rule.alpha).add_(self.q, alpha=1 - rule.alpha)
        self.q.mul_(rule.beta).add_(spikes, alpha=1 - rule.beta)
        self.r.mul_(rule.refractory)
        if self.fired is not None:
            self.r.add_(self.fired)
        self.raw = self._convolve().sub_(self.r)
        self.fired = (self.raw >= 0).to(self.raw.dtype)
        self.u = self.raw if self.conv.pool == 1 else _pooled(self.raw, self.conv.pool)
        self.spikes = self.fired if self.conv.pool == 1 else (self.u >= 0).to(self.u.dtype)
        return self.spikes

    def _convolve(self) -> Tensor:
        batch = self.p.shape[-1]
        if batch == 1:
            # One sample alone: PyTorch's own convolution needs no copy of the patches.
            kernel = self.weight.view(-1, self.in_shape[0], self.conv.kernel, self.conv.kernel)
            planes = F.conv2d(self.p.permute(3, 0, 1, 2), kernel, self.bias[:, 0], self.conv.stride)
            return planes.permute(1, 2, 3, 0)
        self._columns.copy_(self._patches)
        flat = self._columns.view(self.weight.shape[1], -1)
        return torch.addmm(self.bias, self.weight, flat).view(*self.membrane_shape, batch)

    def read(self, drop: bool = False) -> Tensor:
        """Compute the local readout of the last tick: [class, sample].

        It reads the spikes, or of a ``graded`` layer the logistic function of the membranes.
        ``drop`` leaves a random part of them out (Srivastava et al. 2014), and of the gradient.
        """
        self.activation = torch.sigmoid(self.u) if self.graded else self.spikes
        self._dropout_mask = None
        read = self.activation
        if drop and self.rule.dropout:
            mask = torch.empty_like(read).bernoulli_(
                1 - self.rule.dropout, generator=self._generator
            )
            self._dropout_mask = mask.div_(1 - self.rule.dropout)
            read = read * self._dropout_mask
        return self.readout @ read.reshape(self.neurons, -1)

    def gradient(self, error: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of weight and bias for the last tick, averaged over samples.

        ``error`` is the loss's derivative by the local readout, [class, sample].
        """
        rule, u = self.rule, self.u
        credit = (self.feedback.t() @ error).view(u.shape)
        if self._dropout_mask is not None:
            credit *= self._dropout_mask
        if self.graded:
            credit *= self.activation * (1 - self.activation)
        elif rule.surrogate == "boxcar":
            credit *= u.abs() <= rule.window
        else:
            gate = torch.sigmoid(u)
            credit *= gate * (1 - gate)
        if rule.floor:
            # Quiet layers are pushed up while fewer than a tenth are near threshold ...
            quiet = (0.1 - torch.sigmoid(u).mean()).clamp(min=0).sign()
            credit -= quiet * rule.floor / self.neurons
        if rule.ceiling:
            # ... and membranes above threshold are pushed down.
            credit += rule.ceiling / self.neurons * (u > -0.01)
        if self.conv.pool > 1:
            credit = _unpooled(credit, u, self.raw, self.conv.pool)
        samples = credit.shape[-1]
        flat = credit.reshape(self.weight.shape[0], -1) / samples
        return self._correlate(flat), flat.sum(1, keepdim=True)

    def _correlate(self, flat: Tensor) -> Tensor:
        if self.p.shape[-1] == 1:
            deep, size = self.in_shape[0], self.conv.kernel
            kernel = self.weight.view(-1, deep, size, size)
            stride = [self.conv.stride] * 2
            grads = torch.ops.aten.convolution_backward(
                flat.view(1, *self.membrane_shape), self.p.permute(3, 0, 1, 2), kernel, None,
                stride, [0, 0], [1, 1], False, [0, 0], 1, [False, True, False],
            )  # fmt: skip
            gradient: Tensor = grads[1]
            return gradient.reshape(self.weight.shape)
        return flat @ self._columns.view(self.weight.shape[1], -1).t()

    def collect(self, error: Tensor) -> None:
        """Add the last tick's gradient to the sum that :meth:`update` uses."""
        weight, bias = self.gradient(error)
        self._weight_sum += weight
        self._bias_sum += bias
        if self.rule.learned_readout:
            spikes = self.activation.reshape(self.neurons, -1)
            self._step_readout.step(error @ spikes.t() / spikes.shape[-1])

    def update(self, scale: float) -> None:
        """Apply the collected gradients with the rate times ``scale``."""
        self._step_weight.step(self._weight_sum, scale)
        self._step_bias.step(self._bias_sum, scale)
        self._weight_sum.zero_()
        self._bias_sum.zero_()


def _uniform(shape: tuple[int, int], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def _pooled(raw: Tensor, pool: int) -> Tensor:
    channels, height, width, batch = raw.shape
    high, wide = height // pool, width // pool
    cut = raw[:, : high * pool, : wide * pool]
    return cut.reshape(channels, high, pool, wide, pool, batch).amax((2, 4))


def _unpooled(credit: Tensor, u: Tensor, raw: Tensor, pool: int) -> Tensor:
    # The credit of a pooled membrane belongs to the neuron that was the maximum.
    whole = torch.zeros_like(raw)
    high, wide = u.shape[1:3]
    for dy in range(pool):
        for dx in range(pool):
            rows = slice(dy, high * pool, pool)
            columns = slice(dx, wide * pool, pool)
            whole[:, rows, columns] = credit * (raw[:, rows, columns] == u)
    return whole


class FloatBaseline:
    """Layers in a row, each learning from its own local error.

    Parameters
    ----------
    layers
        The convolutions.
    shape
        (polarities, height, width) of the input.
    classes
        How many classes.
    rule
        Constants.
    seed
        Of the initial weights and readouts.
    """

    def __init__(
        self,
        layers: Sequence[Conv],
        shape: tuple[int, int, int],
        classes: int,
        rule: Rule,
        seed: int,
    ) -> None:
        rule.check()
        self.rule, self.classes = rule, classes
        generator = torch.Generator().manual_seed(seed)
        self.layers: list[Layer] = []
        for conv in layers:
            graded = rule.last == "sigmoid" and len(self.layers) == len(layers) - 1
            self.layers.append(Layer(conv, shape, classes, rule, generator, graded))
            shape = self.layers[-1].out_shape

    def start(self, batch: int) -> None:
        """Bring the state of ``batch`` samples to rest."""
        for layer in self.layers:
            layer.start(batch)

    def forward(self, plane: Tensor) -> None:
        """Compute one tick of all layers from uint8 or float spikes [polarity, y, x, sample]."""
        spikes = plane.to(torch.float32)
        for layer in self.layers:
            spikes = layer.forward(spikes)

    def learn(self, reads: Sequence[Tensor], target: Tensor, *, apply: bool, scale: float) -> None:
        """Collect every layer's gradient for the last tick and, if ``apply``, step.

        ``reads`` are the layers' readouts of that tick and ``target`` is one-hot, all
        [class, sample].
        """
        for layer, read in zip(self.layers, reads, strict=True):
            layer.collect(loss_gradient(read, target, self.rule.loss))
            if apply:
                layer.update(scale)

    def calibrate(self, planes: Tensor) -> None:
        """Scale weights and shift biases until the drives have the wished mean and deviation.

        The drive is the membrane without the refractory trace, W * P + b. Layer by layer, from
        the input on, on the spikes of one batch [tick, polarity, y, x, sample], as layer-
        sequential unit-variance initialisation does (Mishkin and Matas 2016).
        """
        rule = self.rule
        for depth, layer in enumerate(self.layers):
            mean, deviation = self._drives(planes, depth)
            factor = rule.deviation / max(deviation, 1e-9)
            layer.weight *= factor
            layer.bias.mul_(factor).add_(rule.mean - mean * factor)
            layer.optimise()

    def _drives(self, planes: Tensor, depth: int) -> tuple[float, float]:
        self.start(planes.shape[-1])
        total = squares = count = 0.0
        for tick, plane in enumerate(planes):
            spikes = plane.to(torch.float32)
            for layer in self.layers[: depth + 1]:
                spikes = layer.forward(spikes)
            if tick >= self.rule.burn_in:
                drive = self.layers[depth].raw + self.layers[depth].r
                total += float(drive.sum())
                squares += float(drive.square().sum())
                count += drive.numel()
        mean = total / max(count, 1.0)
        return mean, math.sqrt(max(squares / max(count, 1.0) - mean * mean, 0.0))

    def state(self) -> dict[str, Any]:
        """Return weights, biases and readouts, by layer."""
        return {
            f"{depth}.{name}": getattr(layer, name).clone()
            for depth, layer in enumerate(self.layers)
            for name in ("weight", "bias", "readout", "feedback")
        }
