"""The same network in snnTorch and Sinabs, as their users call them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spikewire.apps.bench.core.opponents.layers import DenseLayer

_CHUNK = 10
"""Ticks that Sinabs gets at a time, as many as a result of the integer network has."""


class SnnTorch:
    """Convolutions with neurons of snnTorch, one tick at a time.

    Its neurons subtract the threshold; a refractory trace is not among them.

    Parameters
    ----------
    layers
        The network.
    planes
        Input: uint8[tick, 1, polarity, y, x].
    threads
        Cores for PyTorch.
    """

    def __init__(
        self, layers: Sequence[DenseLayer], planes: NDArray[np.uint8], threads: int
    ) -> None:
        import snntorch

        self._threads = threads
        self._planes = torch.from_numpy(planes).float()
        parts = []
        for one in layers:
            parts.append(_convolution(one))
            beta = torch.from_numpy(one.keep_v)
            kind: dict[str, Any] = {"threshold": 1.0, "init_hidden": True}
            if one.has_current:
                alpha = torch.from_numpy(one.keep_u)
                parts.append(snntorch.Synaptic(alpha=alpha, beta=beta, **kind))
            else:
                parts.append(snntorch.Leaky(beta=beta, **kind))
            if one.pool > 1:
                parts.append(nn.MaxPool2d(one.pool))
        self._network = nn.Sequential(*parts)

    def timed(self) -> float:
        """Compute the stream from rest and return seconds per tick."""
        from snntorch import utils

        torch.set_num_threads(self._threads)
        utils.reset(self._network)
        with torch.no_grad():
            began = time.perf_counter()
            for plane in self._planes:
                self._network(plane)
            return (time.perf_counter() - began) / len(self._planes)


class Sinabs:
    """Convolutions with neurons of Sinabs, a few ticks at a time.

    Its neurons subtract the threshold; a refractory trace is not among them.

    Parameters
    ----------
    layers, planes, threads
        As for :class:`SnnTorch`.
    """

    def __init__(
        self, layers: Sequence[DenseLayer], planes: NDArray[np.uint8], threads: int
    ) -> None:
        import sinabs.layers

        self._threads = threads
        self._chunks = torch.from_numpy(planes[:, 0]).float().split(_CHUNK)
        self._ticks = len(planes)
        parts = []
        for one in layers:
            parts.append(_convolution(one))
            parts.append(
                sinabs.layers.LIFSqueeze(
                    batch_size=1,
                    tau_mem=_time_constants(one.keep_v),
                    tau_syn=_time_constants(one.keep_u) if one.has_current else None,
                    spike_threshold=1.0,
                    norm_input=False,
                )
            )
            if one.pool > 1:
                parts.append(nn.MaxPool2d(one.pool))
        self._network = nn.Sequential(*parts)

    def timed(self) -> float:
        """Compute the stream from rest and return seconds per tick."""
        import sinabs

        torch.set_num_threads(self._threads)
        sinabs.reset_states(self._network)
        with torch.no_grad():
            began = time.perf_counter()
            for chunk in self._chunks:
                self._network(chunk)
            return (time.perf_counter() - began) / self._ticks


def _convolution(one: DenseLayer) -> nn.Conv2d:
    c_out, c_in, kernel, _ = one.weights.shape
    convolution = nn.Conv2d(c_in, c_out, kernel, one.stride, one.pad, bias=False)
    convolution.weight.data = torch.from_numpy(one.weights)
    return convolution


def _time_constants(kept: NDArray[np.float32]) -> torch.Tensor:
    """Return the time constants, in ticks, with which a tick leaves these shares."""
    return torch.tensor([-1 / math.log(share) for share in kept.ravel()])[:, None, None]
