"""Exported networks fire in other frameworks as often as here."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikewire import Network, NetworkSpec, load_preset, simulate, to_nir
from spikewire.qcore import bin_events
from tests.integration.frameworks.test_spikes import framework_or_skip

DT = 1e-4


def _norse(graph: Any) -> Any:
    import norse.torch
    from norse.torch.functional.reset import reset_subtract

    return norse.torch.from_nir(graph, reset_method=reset_subtract, dt=DT)


def _snntorch(graph: Any) -> Any:
    import torch
    from snntorch.import_nir import import_from_nir

    net = import_from_nir(graph)
    for part in net.modules():
        if hasattr(part, "reset_mechanism"):
            # Its reader sets "zero": membranes still above the threshold would be set to zero.
            part.reset_mechanism, part.mem_reset = "subtract", torch.zeros_like
    return net


def _spikingjelly(graph: Any) -> Any:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    net = import_from_nir(graph, dt=DT)
    for part in net.modules():
        if hasattr(part, "v_reset"):
            part.v_reset = None
    return net


READERS: dict[str, Callable[[Any], Any]] = {
    "norse": _norse, "snntorch": _snntorch, "spikingjelly": _spikingjelly,
}  # fmt: skip


def _edge(framework: str) -> NetworkSpec:
    # SpikingJelly's reader takes one time constant for a layer; those of edge have four.
    same: dict[str, Any] = {"decay_v": 64} if framework == "spikingjelly" else {}
    spec = load_preset("edge")
    layers = [
        dataclasses.replace(layer, reset="subtract", refractory_ticks=0, **same)
        for layer in spec.layers
    ]
    return dataclasses.replace(spec, layers=tuple(layers))


def _frames(network: Network, events: Any) -> Any:
    """Return the input's spikes: [tick, polarity, row, column]."""
    t, x, y, p = (np.ascontiguousarray(events[name]) for name in "txyp")
    binned = bin_events(
        t, x, y, p, sensor_size=(128, 128), input_size=network.spec.plane,
        origin_us=int(t[0]), origin_tick=0, tick_us=network.tick_us,
    )  # fmt: skip
    frames = np.zeros((int(binned.tick.max()) + 1, 2, 32, 32), np.float32)
    frames[binned.tick, binned.p, binned.y, binned.x] = 1
    return frames


def _spikes(torch: Any, net: Any, frames: Any) -> list[Any]:
    """Run a network tick by tick; return each layer's spikes: [tick, row, column, channel]."""
    found: list[list[Any]] = [[], [], []]
    for name, part in net.named_modules():
        if name in ("neurons0", "neurons1", "neurons2"):
            kept = found[int(name[-1])]
            part.register_forward_hook(
                lambda _, __, out, kept=kept: kept.append(
                    (out[0] if isinstance(out, tuple) else out).numpy()[0].copy()
                )
            )
    state = None
    with torch.no_grad():
        for frame in frames:
            out = net(torch.tensor(frame)[None], state)
            state = out[1] if isinstance(out, tuple) else None
    return [np.array(one).transpose(0, 2, 3, 1) for one in found]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("framework", READERS)
def test_an_exported_network_fires_as_often_in_other_frameworks(framework: str) -> None:
    torch = framework_or_skip(framework)
    network = Network.build(_edge(framework), ["a", "b"], seed=3)
    events = simulate("hand_clapping", seconds=0.3, seed=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = READERS[framework](to_nir(network, DT))
        frames = _frames(network, events)
        theirs = _spikes(torch, net, frames)
    ours = network.run(events, size=(128, 128), spikes=[0, 1, 2]).spikes
    for n in range(3):
        mine = ours[n][: len(frames)].reshape(theirs[n].shape)
        counts, wanted = mine.sum(0, dtype=int), theirs[n].sum(0).astype(int)
        assert counts.sum() > 5000
        # Membranes and currents are truncated here, and the graph cannot tell that.
        assert abs(int(counts.sum()) - int(wanted.sum())) <= 0.001 * counts.sum()
        assert np.abs(counts - wanted).max() <= 1
