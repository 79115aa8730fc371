"""From learned float layers to a network of 8-bit weights, and the same in floats, to compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own abbreviation)
from torch import Tensor

from spikewire.apps.training.through_time.layers import FloatNetwork, SpikingLayer

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec

_HIGHEST = 2**23 - 2


def whole_weights(layer: SpikingLayer) -> Tensor:
    """Return a layer's weights as integers of -127 to 127: int16[c_out, c_in, rows, columns]."""
    return torch.round(layer.weight.detach() * layer.scale()).to(torch.int16)


def whole_thresholds(layer: SpikingLayer, exponent: int) -> tuple[int, ...]:
    """Return what one stands for in membranes of the engine, for each channel."""
    scaled = torch.round(layer.scale().double() * 2**exponent).clamp(1, _HIGHEST)
    return tuple(int(value) for value in scaled.flatten())


def export(learned: FloatNetwork, spec: NetworkSpec, classes: Sequence[str], seed: int) -> Network:
    """Build the integer network of learned layers; its readout is untrained.

    Thresholds are part of the learned layers, so that they are regulated no more
    (``learning.period = 0``).

    Parameters
    ----------
    learned
        The layers.
    spec
        The specification that they were learned for.
    classes, seed
        As for `Network.build`.
    """
    from spikewire.qcore import Network

    layers = tuple(
        dataclasses.replace(layer, threshold=whole_thresholds(float_layer, layer.exponent))
        for layer, float_layer in zip(spec.layers, learned.layers, strict=True)
    )
    frozen = dataclasses.replace(spec.learning, period=0)
    network = Network.build(
        dataclasses.replace(spec, layers=layers, learning=frozen), classes, seed
    )
    for view, float_layer in zip(network.layers, learned.layers, strict=True):
        view.set_weights(whole_weights(float_layer).permute(1, 2, 3, 0).numpy())
    return network


@torch.no_grad()
def exported_spikes(network: Network, plane: Tensor) -> list[Tensor]:
    """Compute the spikes of an exported network in floats, as the engine does in integers.

    Parameters
    ----------
    network
        An exported network.
    plane
        float64[tick, polarity, y, x] in {0, 1}.

    Returns
    -------
    list
        float64[tick, channel, y, x] of each layer. Membranes are whole numbers below 2**24, and a
        product with a decay is below 2**36: all of it is exact.
    """
    spikes, found = plane, []
    for spec, view in zip(network.spec.layers, network.layers, strict=True):
        weights = torch.from_numpy(view.weights.copy()).permute(3, 0, 1, 2).double()
        drive = F.conv2d(spikes, weights, None, spec.stride, spec.pad) * 2**spec.exponent
        threshold, decay = (
            torch.tensor([*_cycled(values, spec.channels)], dtype=torch.float64).view(-1, 1, 1)
            for values in (spec.threshold, spec.decay_v)
        )
        v = torch.zeros_like(drive[0])
        fired = torch.empty_like(drive)
        for tick in range(len(drive)):
            v = torch.trunc(v * (4096 - decay) / 4096) + drive[tick]
            fired[tick] = (v > threshold).double()
            v = v - fired[tick] * threshold
        found.append(fired)
        spikes = fired
    return found


def _cycled(values: int | list[int] | tuple[int, ...], channels: int) -> list[int]:
    given = [values] if isinstance(values, int) else list(values)
    return [given[n % len(given)] for n in range(channels)]
