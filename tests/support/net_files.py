"""Small ``.net`` files of lava-dl, and the runs that compare networks with their truths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.qcore import BinnedEvents, Network

NEURON = {"type": b"CUBA", "iDecay": 1024, "vDecay": 128, "vThMant": 80, "wgtExp": 0,
          "refDelay": 1}  # fmt: skip


def write_net(path: Path, layers: list[dict[str, Any]], step: float | None = 1) -> Path:
    """Write layers as lava-dl's blocks export them; ``neuron`` is a group, all else arrays."""
    import h5py

    with h5py.File(path, "w") as file:
        for n, layer in enumerate(layers):
            group = file.create_group(f"layer/{n}")
            for name, value in layer.items():
                if name == "type":
                    group.create_dataset("type", (1,), "S10", [value.encode()])
                elif name == "neuron":
                    for one, number in value.items():
                        group[f"neuron/{one}"] = number
                else:
                    group[name] = value
        if step is not None:
            file["simulation/Ts"] = step
    return path


def small_layers(rng: np.random.Generator) -> list[dict[str, Any]]:
    """One of every kind of layer, from a plane of 8x6 to two groups of outputs."""

    def even(*shape: int) -> Any:
        return 2.0 * rng.integers(-40, 41, shape)

    return [
        {"type": "input", "shape": [2, 6, 8]},
        {"type": "pool", "shape": [2, 3, 4], "weight": np.full((1, 1, 2, 2, 1), 40.0),
         "kernelSize": [2, 2], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1],
         "neuron": {**NEURON, "vThMant": 20}},
        {"type": "conv", "shape": [4, 3, 2], "weight": even(4, 1, 3, 2, 1),
         "kernelSize": [3, 2], "stride": [1, 2], "padding": [1, 0], "dilation": [1, 1],
         "groups": 2, "inChannels": 2, "outChannels": 4, "bias": 2.0 * rng.integers(-3, 4, 4),
         "delay": np.array([0.0, 3.9, 1.0, 2.0]), "neuron": NEURON},
        {"type": "flatten", "shape": [24, 1, 1]},
        {"type": "dense", "shape": [6, 1, 1], "weight": even(6, 24), "neuron": NEURON,
         "bias": np.array([4.0])},
        {"type": "average", "shape": [2, 1, 1]},
    ]  # fmt: skip


def spikes_of(planes: Any) -> BinnedEvents:
    """List the spikes of bool[rows, columns, channels, steps] as events."""
    y, x, c, t = np.nonzero(planes)
    order = np.argsort(t, kind="stable")
    kinds = (np.int64, np.uint16, np.uint16, np.uint8)
    columns = (one[order].astype(kind) for one, kind in zip((t, x, y, c), kinds, strict=True))
    return BinnedEvents(*columns)


def tick_by_tick(network: Network, events: BinnedEvents, ticks: int) -> Iterator[int]:
    """Compute a network tick by tick, and yield after each."""
    for tick in range(ticks):
        first, last = np.searchsorted(events.tick, [tick, tick + 1]).tolist()
        network.advance(events[first:last], tick + 1)
        yield tick
