"""What a layer holds: its shape, thresholds, weights, and what the readout makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore import NeuronView
from spikewire.runtime.interfaces import NetworkLike
from spikewire.runtime.pipeline.membrane import NeuronPlace
from spikewire.runtime.pipeline.preview import Previews
from spikewire.runtime.protocol.messages import Inspect, Probe, error_reply

MOST_THRESHOLDS = 256
"""Thresholds of an answer at most: those of the first channels."""
MOST_SIDE = 128
"""Rows and columns of a picture of weights at most; of larger ones every n-th is sent."""
MOST_WEIGHTS = 32_768
"""Weights of an answer at most: those of the first input channels."""


def inspect(network: NetworkLike, request: Inspect) -> dict[str, Any]:
    """Answer an `inspect` request from the network's arrays; called between two ticks.

    Returns
    -------
    dict
        The reply's fields without its tick, below 200 kB however large the layer is.
    """
    layers = network.layers
    if request.layer >= len(layers):
        return _refusal(f"The network has the layers 0 to {len(layers) - 1}.")
    layer, spec = layers[request.layer], network.spec.layers[request.layer]
    if request.channel is not None and request.channel >= layer.neurons[2]:
        return _refusal(f"Layer {request.layer} has the channels 0 to {layer.neurons[2] - 1}.")
    if request.label is not None and request.label not in network.classes:
        return _refusal(f"The network has no class {request.label!r}.")
    told = {
        "layers": len(layers),
        "kind": spec.kind,
        "inputs": list(layer.inputs),
        "neurons": list(layer.neurons),
        "units": list(layer.units),
        "learns": bool(layer.plastic),
        "read": bool(spec.read),
        "wanted": int(spec.activity) if network.spec.learning.period > 0 else None,
        "thresholds": layer.threshold[:MOST_THRESHOLDS].tolist() if not spec.answers else None,
        "weights": None,
        "readout": None,
    }
    if request.channel is not None and spec.kind != "counts":
        told["weights"] = _weights(layer.weights[..., request.channel], request.channel)
    if request.label is not None and spec.read:
        told["readout"] = _readout(network, request.layer, request.label)
    return {"ok": True, "layer": told}


def choose(network: NetworkLike, previews: Previews, request: Probe) -> dict[str, Any]:
    """Answer a `probe` request: from now on the topic ``membrane`` shows this neuron."""
    if request.layer is None or request.neuron is None:
        previews.chosen = previews.place = None
        return {"ok": True}
    if request.layer >= len(network.layers):
        return _refusal(f"The network has the layers 0 to {len(network.layers) - 1}.")
    try:
        NeuronView(network.layers[request.layer], request.neuron)
    except ValueError as error:
        return _refusal(str(error))
    previews.chosen = NeuronPlace(request.layer, request.neuron)
    return {"ok": True}


def _refusal(sentence: str) -> dict[str, Any]:
    return error_reply("inspect_failed", sentence)


def _weights(taps: npt.NDArray[np.int8], channel: int) -> dict[str, Any]:
    """Tell a channel's weights int8[c_in, rows, columns] as pictures, as many as are allowed."""
    maps, rows, columns = taps.shape
    every = max(1, -(-max(rows, columns) // MOST_SIDE))
    shown = taps[:, ::every, ::every]
    shown = shown[: max(1, MOST_WEIGHTS // (shown.shape[1] * shown.shape[2]))]
    return {
        "channel": channel,
        "of": [maps, rows, columns],
        "every": every,
        "shape": list(shown.shape),
        "values": np.ascontiguousarray(shown).tobytes(),
    }


def _readout(network: NetworkLike, number: int, label: str) -> dict[str, Any]:
    """Tell what a class' readout weighs on a layer's output map.

    Sums over the channels of each place; where the map has one place only, the channels.
    """
    first = 0
    for layer, spec in zip(network.layers[:number], network.spec.layers, strict=False):
        first += int(np.prod(layer.units)) if spec.read else 0
    rows, columns, channels = network.layers[number].units
    stored = network.read_store()[network.classes.index(label)]
    weights = stored[first : first + rows * columns * channels].reshape(rows, columns, channels)
    # The weights in use are the stored ones' upper 8 bits.
    sums = (weights >> 8).astype(np.int32)
    sums = sums.reshape(1, -1) if rows * columns == 1 else sums.sum(2, dtype=np.int32)
    every = max(1, -(-max(sums.shape) // MOST_SIDE)) if rows * columns > 1 else 1
    shown = sums[::every, ::every][:, : MOST_WEIGHTS // 4]
    return {
        "label": label,
        "of": [rows, columns, channels],
        "every": every,
        "shape": list(shown.shape),
        "values": np.ascontiguousarray(shown, "<i4").tobytes(),
    }
