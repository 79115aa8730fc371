"""Networks as NIR graphs, whose weights and thresholds are the whole numbers of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.graph import NOTE
from spikewire.qcore.interop.nir.own import write_note
from spikewire.qcore.network.front_spec import FrontSpec
from spikewire.qcore.network.general_spec import NO_FLOOR
from spikewire.qcore.network.layer_spec import LayerSpec, per_channel
from spikewire.qcore.network.layer_views import LayerView
from spikewire.qcore.network.network import Network

FOREVER = 2.0**30
"""Time constant, in steps, of what does not decay: 32-bit numbers cannot tell it from endless."""


def to_nir(network: Network, dt: float = 1e-4) -> Any:
    """Write a network as a NIR graph of current-based neurons (``CubaLIF``).

    Weights and thresholds are the engine's whole numbers, and time constants give its decays by
    Euler steps of ``dt``: a framework that computes so gives the same spikes, but for the engine's
    truncation of membranes. :func:`export_notes` tells what NIR has no counterpart of. A trained
    readout is not part of the graph.

    Parameters
    ----------
    network
        The network.
    dt
        Seconds of a step. snnTorch and SpikingJelly take 1e-4 for granted.

    Returns
    -------
    nir.NIRGraph
        The graph, for ``nir.write``, or a framework's reader.

    Raises
    ------
    ModelError
        If the package nir is missing, ``dt`` is impossible, or a layer has no counterpart.
    """
    try:
        import nir
    except ImportError:
        raise ModelError(
            "NIR graphs are written with nir, which is not installed: pip install 'spikewire[nir]'."
        ) from None
    if isinstance(dt, bool) or not isinstance(dt, int | float) or not 1e-9 <= dt <= 1e3:
        raise ModelError(f"dt is {dt!r:.80}; allowed are 1e-09 to 1000 seconds.")
    maker = _Maker(nir, network, float(dt))
    for layer, view in zip(network.spec.layers, network.layers, strict=True):
        if layer.kind != "counts":
            maker.add(layer, view)
    return maker.graph()


def export_notes(network: Network) -> list[str]:
    """Tell, in sentences, what a network's NIR graph does not carry.

    Other programs then compute something else; this project reads it from a note in the graph.
    """
    notes: list[str] = []
    layers = [layer for layer in network.spec.layers if not layer.answers]
    resets = sorted({layer.reset for layer in layers})
    if resets:
        notes.append(
            f"NIR tells no kind of reset: set {' and '.join(resets)} where the graph is read."
        )
    for has, what in (
        (any(layer.refractory_ticks for layer in layers), "refractory ticks"),
        (any(layer.reset_late for layer in layers), "that the reset is one step late"),
        (any(layer.floor != NO_FLOOR for layer in layers), "the lowest membranes"),
        (any(layer.most_spikes > 1 for layer in layers), "several spikes in a step"),
        (any(layer.reset_every for layer in layers), "that states are reset every few steps"),
        (network.spec.front != FrontSpec(), "the front end (crop, pooling, flips)"),
        (network.spec.gain.reference > 0, "gain control (thresholds that follow the input)"),
    ):
        if has:
            notes.append(f"NIR has no counterpart of {what}.")
    if network.spec.readout.answer != "output":
        notes.append("The trained readout is not part of the graph, which ends with spikes.")
    if network.prototypes is not None:
        notes.append("The class means are not part of the graph.")
    return notes


class _Maker:
    """Collects nodes and edges, layer by layer."""

    def __init__(self, nir: Any, network: Network, dt: float) -> None:
        self._nir, self._network, self._dt = nir, network, dt
        spec = network.spec
        self._shape: tuple[int, ...] = (spec.polarities, spec.height, spec.width)
        self._nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(self._shape)})}
        self._edges: list[tuple[str, str]] = []
        self._last = "input"

    def add(self, layer: LayerSpec, view: LayerView) -> None:
        """Add a layer: its delay, synapses, neurons and pooling."""
        n = view.index
        _refuse(layer, n)
        if layer.delay or layer.delays:
            ticks = np.full(self._shape, layer.delay, float)
            if layer.delays:
                ticks += view.delays.transpose(2, 0, 1)
            self._append(f"delay{n}", self._nir.Delay(ticks * self._dt))
        weights = view.weights.astype(np.float32) * np.float32(2**layer.exponent)
        rows, columns, channels = view.neurons
        current = getattr(layer, "bias_to", "membrane") == "current"
        bias = per_channel(layer.bias, channels).astype(np.float32)
        constant = bias if current else np.zeros(channels, np.float32)
        if layer.kind == "conv":
            self._append(f"conv{n}", self._conv(layer, weights, constant))
        else:
            if len(self._shape) > 1:
                self._append(f"flatten{n}", self._nir.Flatten({"input": np.array(self._shape)}, 0))
            matrix = np.ascontiguousarray(weights.reshape(-1, channels).T)
            self._append(f"dense{n}", self._nir.Affine(matrix, constant))
        flat = layer.kind != "conv"
        self._shape = (channels,) if flat else (channels, rows, columns)
        name = f"neurons{n}"
        self._append(name, self._neurons(layer, np.zeros_like(bias) if current else bias))
        if layer.recurrent:
            back = view.recurrent.T.astype(np.float32) * np.float32(2**layer.recurrent_exponent)
            self._nodes[f"recurrent{n}"] = self._nir.Linear(back)
            self._edges += [(name, f"recurrent{n}"), (f"recurrent{n}", name)]
        if layer.pool > 1:
            side = np.array([layer.pool, layer.pool])
            self._append(f"pool{n}", self._nir.SumPool2d(side, side, np.array([0, 0])))
            self._shape = (channels, rows // layer.pool, columns // layer.pool)

    def graph(self) -> Any:
        """Close the graph with its output."""
        self._append("output", self._nir.Output({"output": np.array(self._shape)}))
        graph = self._nir.NIRGraph(self._nodes, self._edges, type_check=False)
        graph.metadata = {NOTE: write_note(self._dt, self._network)}
        return graph

    def _append(self, name: str, node: Any) -> None:
        self._nodes[name] = node
        self._edges.append((self._last, name))
        self._last = name

    def _conv(self, layer: LayerSpec, weights: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Any:
        dilation = layer.dilation
        return self._nir.Conv2d(
            input_shape=self._shape[1:],
            weight=np.ascontiguousarray(weights.transpose(3, 0, 1, 2)),
            stride=(layer.stride, layer.stride_x or layer.stride),
            padding=(layer.pad, layer.pad if layer.pad_x < 0 else layer.pad_x),
            dilation=(dilation, layer.dilation_x or dilation),
            groups=layer.groups,
            bias=bias,
        )

    def _neurons(self, layer: LayerSpec, bias: npt.NDArray[Any]) -> Any:
        channels = self._shape[0]

        def spread(values: Any) -> npt.NDArray[np.float64]:
            column = np.asarray(values, float).reshape(-1, *[1] * (len(self._shape) - 1))
            return np.broadcast_to(column, self._shape).copy()

        steps_u, steps_v = (
            np.where(decay > 0, 2.0**layer.decay_bits / np.maximum(decay, 1), FOREVER)
            for decay in (per_channel(d, channels) for d in (layer.decay_u, layer.decay_v))
        )
        values = {
            "tau_syn": spread(steps_u * self._dt),
            "tau_mem": spread(steps_v * self._dt),
            "r": spread(steps_v),
            "v_leak": spread(bias * steps_v),
            "w_in": spread(steps_u),
        }
        if layer.kind == "membranes":
            return self._nir.CubaLI(**values)
        return self._nir.CubaLIF(
            **values,
            v_threshold=spread(per_channel(layer.threshold, channels)),
            v_reset=spread(np.zeros(channels)),
        )


def _refuse(layer: LayerSpec, n: int) -> None:
    """Refuse a layer that NIR has no counterpart of."""
    reason = None
    if layer.traced:
        reason = "neurons driven by traces have no counterpart"
    elif layer.reset == "refractory":
        reason = (
            "the refractory trace has no counterpart; train a network whose layers have "
            "reset = 'subtract' or 'zero', such as edge10"
        )
    elif layer.pool > 1 and layer.pool_kind == "or":
        reason = "pooling by OR has no counterpart; pool_kind = 'sum' has"
    elif layer.delays and layer.delays_by == "synapse":
        reason = "delays of single synapses have no counterpart"
    elif layer.neuron_bias:
        reason = "biases of single neurons of a map have no counterpart"
    elif any(per_channel(layer.reset_value, layer.channels)):
        reason = "a reset to another membrane than 0 is not written"
    elif layer.reset == "none" and layer.kind != "membranes":
        reason = "neurons that fire and are not reset have no counterpart"
    if reason is not None:
        raise ModelError(f"Layer {n} cannot be written as NIR: {reason}.")
