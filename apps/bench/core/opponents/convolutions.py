"""Plain PyTorch convolutions of a network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own abbreviation)
from numpy.typing import NDArray

from spikewire.apps.bench.core.opponents.layers import DenseLayer


class Convolutions:
    """Dense convolutions with float neurons, in the fastest memory format of PyTorch found here.

    Parameters
    ----------
    layers
        The network.
    planes
        Input: uint8[tick, sample, polarity, y, x].
    dtype
        Name of a float type of PyTorch.
    threads
        Cores for PyTorch.
    """

    def __init__(
        self, layers: Sequence[DenseLayer], planes: NDArray[np.uint8], dtype: str, threads: int
    ) -> None:
        self._layers, self._threads = layers, threads
        self._dtype = getattr(torch, dtype)
        self._planes = [
            torch.from_numpy(plane).to(self._dtype).contiguous(memory_format=torch.channels_last)
            for plane in planes
        ]
        self._weights = [
            self._cast(one.weights).contiguous(memory_format=torch.channels_last) for one in layers
        ]
        self._keep_u = [self._cast(one.keep_u) for one in layers]
        self._keep_v = [self._cast(one.keep_v) for one in layers]

    def _cast(self, array: NDArray[Any]) -> Any:
        return torch.from_numpy(array).to(self._dtype)

    def timed(self) -> float:
        """Compute the stream from rest and return seconds per tick and sample."""
        torch.set_num_threads(self._threads)
        torch.set_flush_denormal(True)
        with torch.inference_mode():
            state = self._rest()
            began = time.perf_counter()
            for plane in self._planes:
                self._tick(plane, state)
            taken = time.perf_counter() - began
        return taken / (len(self._planes) * int(self._planes[0].shape[0]))

    def activity(self) -> list[float]:
        """Compute the stream from rest and return the share of pooled units that fire, by layer."""
        fired = [0.0] * len(self._layers)
        with torch.inference_mode():
            state = self._rest()
            for plane in self._planes:
                for n, spikes in enumerate(self._tick(plane, state)):
                    fired[n] += float(spikes.float().mean())
        return [share / len(self._planes) for share in fired]

    def _rest(self) -> list[list[Any]]:
        state = []
        plane = self._planes[0]
        for one, weights in zip(self._layers, self._weights, strict=True):
            drive = F.conv2d(plane, weights, stride=one.stride, padding=one.pad)
            state.append([torch.zeros_like(drive) for _ in range(3)])
            if one.silent:
                state[-1][2].fill_(1)
            plane = F.max_pool2d(drive, one.pool) if one.pool > 1 else drive
        return state

    def _tick(self, plane: Any, state: list[list[Any]]) -> list[Any]:
        fired = []
        for n, one in enumerate(self._layers):
            u, v, r = state[n]
            drive = F.conv2d(plane, self._weights[n], stride=one.stride, padding=one.pad)
            if one.has_current:
                drive = u.mul_(self._keep_u[n]).add_(drive)
            v.mul_(self._keep_v[n]).add_(drive)
            if one.keep_r is None:
                if one.silent:  # r is 0 where the last tick had a spike
                    v.mul_(r)
                spikes = (v > 1).to(self._dtype)
                v.sub_(spikes)
                if one.silent:
                    torch.sub(1, spikes, out=r)
            else:
                spikes = (v - r > 1).to(self._dtype)
                r.mul_(one.keep_r).add_(spikes)
            plane = F.max_pool2d(spikes, one.pool) if one.pool > 1 else spikes
            fired.append(plane)
        return fired
