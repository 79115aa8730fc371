"""Spiking layers in PyTorch, differentiable through time, with the weights that integers will have.

In every tick, for a neuron of channel c (the engine's, with ``decay_u = 4096``)::

    v <- keep_c v + W * S_in;  S = [v > threshold_c];  v <- v - threshold_c S

Here thresholds are one and weights are floats, rounded in the forward pass to the 8 bits that each
channel gets. The gradient of a spike is that of an arc tangent (Fang et al. 2021); none goes
through the reset. Arrays are [tick, sample, channel, y, x]: one convolution computes all ticks of
a layer, and only the membranes go from tick to tick.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own abbreviation)
from torch import Tensor

from spikewire.apps.cli.errors import UsageError

if TYPE_CHECKING:
    from spikewire.qcore import LayerSpec, NetworkSpec

MOST = 127
"""Largest weight in use, of either sign."""

_STEEP = math.pi
_RATE, _FIRST_GAIN = 0.08, 4.0


class _Fire(torch.autograd.Function):
    """Membranes and spikes of all ticks; the gradient goes back from tick to tick."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, keep: Tensor) -> Tensor:
        over = torch.empty_like(drive)
        v = torch.zeros_like(drive[0])
        spikes = torch.empty_like(drive)
        for tick in range(len(drive)):
            v.mul_(keep).add_(drive[tick])
            torch.sub(v, 1.0, out=over[tick])
            torch.gt(over[tick], 0.0, out=spikes[tick])
            v.sub_(spikes[tick])
        ctx.save_for_backward(over, keep)
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        over, keep = ctx.saved_tensors
        slope = over.mul_(_STEEP).square_().add_(1.0).reciprocal_()
        credit = slope.mul_(gradients[0])
        for tick in range(len(credit) - 2, -1, -1):
            credit[tick].addcmul_(credit[tick + 1], keep)
        return credit, None


class SpikingLayer(torch.nn.Module):
    """One convolution of integrate-and-fire neurons.

    Parameters
    ----------
    layer
        Its specification.
    inputs
        Number of its input channels.
    """

    def __init__(self, layer: LayerSpec, inputs: int) -> None:
        super().__init__()
        self.stride, self.pad = layer.stride, layer.pad
        shape = (layer.channels, inputs, layer.kernel, layer.kernel)
        drawn = torch.randn(shape) * _FIRST_GAIN / math.prod(shape[1:]) ** 0.5
        self.weight = torch.nn.Parameter(drawn)
        decay = torch.tensor(layer.decay_v).reshape(-1)
        decay = decay.repeat(-(-layer.channels // len(decay)))[: layer.channels]
        self.keep: Tensor
        self.register_buffer("keep", (1.0 - decay / 4096.0).view(-1, 1, 1))

    def scale(self) -> Tensor:
        """Return what one stands for in integer weights: [channel, 1, 1, 1]."""
        most = self.weight.detach().abs().amax((1, 2, 3), keepdim=True)
        return MOST / most.clamp(min=1e-6)

    def rounded(self) -> Tensor:
        """Return the weights as 8 bits hold them; the gradient is that of the weights."""
        scale = self.scale()
        nearest = torch.round(self.weight.detach() * scale) / scale
        return self.weight + (nearest - self.weight).detach()

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the spikes of all ticks, [tick, sample, channel, y, x], for those of the input."""
        ticks, samples = spikes.shape[:2]
        # With the channels innermost, convolutions of so few of them take half the time.
        planes = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        weight = self.rounded().contiguous(memory_format=torch.channels_last)
        drive = F.conv2d(planes, weight, None, self.stride, self.pad)
        fired: Tensor = _Fire.apply(drive.unflatten(0, (ticks, samples)), self.keep)
        return fired


class FloatNetwork(torch.nn.Module):
    """The layers of a specification, and a linear readout on their low-passed spikes.

    Parameters
    ----------
    spec
        The specification.
    classes
        Number of classes.
    """

    def __init__(self, spec: NetworkSpec, classes: int) -> None:
        super().__init__()
        check_spec(spec)
        inputs = spec.polarities
        layers, features = [], 0
        rows, columns = spec.height, spec.width
        for layer in spec.layers:
            layers.append(SpikingLayer(layer, inputs))
            inputs = layer.channels
            rows, columns = (
                (side + 2 * layer.pad - layer.kernel) // layer.stride + 1
                for side in (rows, columns)
            )
            features += rows * columns * inputs * layer.read
        self.layers = torch.nn.ModuleList(layers)
        self.read = [layer.read for layer in spec.layers]
        self.slow = spec.readout.slow
        self.readout = torch.nn.Linear(features, classes, bias=False)
        torch.nn.init.normal_(self.readout.weight, std=1.0)

    def forward(self, planes: Tensor, ticks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the scores after some ticks.

        Parameters
        ----------
        planes
            float32[tick, sample, polarity, y, x] in {0, 1}.
        ticks
            int64[n]: ticks after which the readout scores.

        Returns
        -------
        tuple
            float32[n, sample, class], and each layer's share of active units.
        """
        since = ticks[:, None] - torch.arange(len(planes))[None]
        kernel = torch.where(since >= 0, (1 - 2.0**-self.slow) ** since.clamp(min=0), 0.0)
        spikes, features, rates = planes, [], []
        for layer, read in zip(self.layers, self.read, strict=True):
            spikes = layer(spikes)
            rates.append(spikes.mean())
            if read:
                flat = spikes.flatten(2)
                low = kernel @ flat.flatten(1)
                features.append(low.view(len(ticks), *flat.shape[1:]))
        whole = torch.cat(features, 2)
        whole = whole / whole.square().sum(2, keepdim=True).clamp(min=1e-6).sqrt()
        return self.readout(whole), rates

    @torch.no_grad()
    def calibrate(self, planes: Tensor) -> None:
        """Scale each layer's weights so that its units are active in about 8 % of the ticks."""
        spikes = planes
        for layer in self.layers:
            for _ in range(6):
                rate = float(layer(spikes).mean())
                layer.weight.mul_(min(max((_RATE / max(rate, 1e-4)) ** 0.5, 0.5), 2.0))
            spikes = layer(spikes)


def _shrunk(side: int, layer: LayerSpec) -> int:
    return (side + 2 * layer.pad - layer.kernel) // layer.stride + 1


def check_spec(spec: NetworkSpec) -> None:
    """Refuse a specification whose layers cannot be learned through time.

    Raises
    ------
    UsageError
        The message names the setting and the value that it needs.
    """
    for number, layer in enumerate(spec.layers):
        if layer.general:
            raise UsageError(
                f"--through-time learns layers of this project's own kinds; layer {number} of "
                f"{spec.name} is of a network trained elsewhere"
            )
        needed = {
            "kind": "conv", "reset": "subtract", "refractory_ticks": 0, "pool": 1,
            "decay_u": 4096, "bias": 0, "plastic": False,
        }  # fmt: skip
        for name, value in needed.items():
            if getattr(layer, name) != value:
                raise UsageError(
                    f"--through-time needs {name} = {str(value).lower()} in every layer; layer "
                    f"{number} of {spec.name} has {str(getattr(layer, name)).lower()} (the preset "
                    "edge10 has all it needs)"
                )
    if spec.widths.weight != 8:
        raise UsageError(f"--through-time needs weights of 8 bits, not {spec.widths.weight}")
