"""Float side of `bench core`: schaefer2020 in PyTorch, one sample at a time."""

from __future__ import annotations

import time
from typing import Any

import torch

from spikewire.apps.bench.baseline.decolle import ARCHITECTURES, FloatBaseline
from spikewire.apps.bench.baseline.learning import Rule
from spikewire.apps.bench.core.stream import Stream


class FloatSide:
    """A calibrated float baseline, timed on the first ticks of a stream.

    Parameters
    ----------
    spec
        The plane.
    stream
        Input spikes as dense arrays.
    ticks
        How many of its ticks: a dense network costs the same in each.
    threads
        Cores for PyTorch.
    """

    def __init__(self, spec: Any, stream: Stream, ticks: int, threads: int, seed: int) -> None:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self._planes = torch.from_numpy(stream.planes(spec, ticks)).to(torch.float32)
        shape = (spec.polarities, spec.height, spec.width)
        layers = ARCHITECTURES["schaefer2020"]
        self._network = FloatBaseline(layers, shape, len(stream.classes), Rule(every=1), seed)
        self._network.calibrate(self._planes)
        self._target = torch.zeros(len(stream.classes), 1)
        self._target[stream.labels[0]] = 1.0

    def forward(self) -> float:
        """Compute the stream without learning and return seconds per tick."""
        return self._timed(every=0)

    def learning(self, every: int) -> float:
        """Compute the stream, learning every ``cadence`` ticks, and return seconds per tick."""
        return self._timed(every=every)

    def _timed(self, *, every: int) -> float:
        network = self._network
        with torch.no_grad():
            network.start(1)
            began = time.perf_counter()
            for tick, plane in enumerate(self._planes):
                network.forward(plane)
                if every and (tick + 1) % every == 0:
                    reads = [layer.read() for layer in network.layers]
                    network.learn(reads, self._target, apply=True, scale=1.0)
            return (time.perf_counter() - began) / len(self._planes)
