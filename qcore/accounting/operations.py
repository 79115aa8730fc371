"""Operation counts: updates of neurons and operations at synapses, counted one by one.

The counts are those that NeuroBench (Yik et al. 2025) defines its metrics by: neurons that are
zero, membranes that change, operations at synapses that are not zero. The engine's own counters are
cheaper and coarser: they take in zero weights, and all neurons of a layer that is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import answers
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.network.layer_views import LayerView
from spikewire.qcore.network.network import Network


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Totals over all recordings and ticks.

    Attributes
    ----------
    recordings, ticks
        Number of recordings, and of ticks of each.
    neurons
        int64[layers]: neurons, before pooling.
    fired
        int64[layers]: neurons that fired, tick by tick.
    membrane_updates
        int64[layers]: membranes that changed, tick by tick.
    effective
        int64[layers + 1]: operations at non-zero synapses by non-zero inputs; the readout
        last, and the temporal layer before it, if there is one (int64[layers + 2]).
    dense
        int64[layers + 1]: operations if all inputs and weights were not zero.
    binary
        bool[layers + 1]: whether a layer's inputs are spikes (accumulates) or counts, traces and
        features (multiply-accumulates).
    """

    recordings: int
    ticks: int
    neurons: npt.NDArray[np.int64]
    fired: npt.NDArray[np.int64]
    membrane_updates: npt.NDArray[np.int64]
    effective: npt.NDArray[np.int64]
    dense: npt.NDArray[np.int64]
    binary: npt.NDArray[np.bool_]


def count_operations(
    network: Network, samples: Sequence[BinnedEvents], ticks: int
) -> OperationCounts:
    """Count operations over recordings, each from rest and tick by tick.

    Parameters
    ----------
    network
        The network; it is copied, and does not learn.
    samples
        Recordings, their ticks counted from 0.
    ticks
        Number of ticks that each recording lasts.
    """
    copy = Network.from_bytes(network.to_bytes())
    layers = len(copy.layers)
    plane = (copy.spec.height, copy.spec.width, copy.spec.polarities)
    sent = [np.zeros(plane, np.int64), *(np.zeros(layer.units, np.int64) for layer in copy.layers)]
    held = [np.zeros(layer.inputs, np.int64) for layer in copy.layers]
    own = [np.zeros(layer.neurons, np.int64) for layer in copy.layers]
    fired, changed = np.zeros((2, layers), np.int64)
    readout = np.count_nonzero(_answering_weights(copy), axis=0)
    read = 0
    hidden = _TemporalOperations(copy)
    means = _means_operations(copy)
    before = [layer.membrane.copy() for layer in copy.layers]
    registers = copy.state.registers
    for sample in samples:
        copy.reset_state()
        registers[at.TICK] = registers[at.CHANGED] = 0
        firing = np.zeros(layers, np.int64)
        edges = np.searchsorted(sample.tick, np.arange(ticks + 1))
        for tick in range(ticks):
            for n in range(layers):
                before[n][...] = copy.layers[n].membrane
            part = slice(int(edges[tick]), int(edges[tick + 1]))
            events = sample[part]
            ran = int(registers[at.TICKS_RUN])
            steps = copy.advance(events, tick + 1)
            if int(registers[at.TICKS_RUN]) == ran:
                fired += firing  # at a fixed point the same neurons fire again
                continue
            if len(events):
                _add_places(sent[0], copy.front_end.map(events))
            for n in range(layers):
                firing[n] = np.count_nonzero(copy.layers[n].fired)
                changed[n] += np.count_nonzero(copy.layers[n].membrane != before[n])
                sent[n + 1] += copy.layers[n].spikes != 0
                own[n] += copy.layers[n].fired != 0
                held[n] += copy.layers[n].traces[1] != 0 if copy.layers[n].traced else 0
            fired += firing
            if len(steps.tick):
                read += _read_operations(copy, readout) + hidden.count() + means
    total_ticks = len(samples) * ticks
    traced = [layer.traced for layer in copy.layers]
    # What meets the weights of a layer on traces is the traces.
    sent = [held[n] if traced[n] else sent[n] for n in range(layers)]
    results = len(samples) * -(-ticks // copy.spec.result_every)
    effective, dense = _layer_operations(copy, sent, own, total_ticks)
    dense += [
        *hidden.dense(results),
        results * ((readout.size + hidden.units) * len(copy.classes) + means),
    ]
    return OperationCounts(
        recordings=len(samples),
        ticks=ticks,
        neurons=np.array([v.size for v in before], np.int64),
        fired=fired,
        membrane_updates=changed,
        effective=np.array([*effective, *hidden.effective, read], np.int64),
        dense=np.array(dense, np.int64),
        binary=_binary_inputs(copy),
    )


def _layer_operations(
    network: Network,
    sent: Sequence[npt.NDArray[np.int64]],
    own: Sequence[npt.NDArray[np.int64]],
    ticks: int,
) -> tuple[list[int], list[int]]:
    """Count each layer's operations, by what its inputs and its own neurons sent in all ticks."""
    count = len(network.layers)
    effective = [int((sent[n] * _reach(network, n, sparse=True)).sum()) for n in range(count)]
    dense = [int(_reach(network, n, sparse=False).sum()) * ticks for n in range(count)]
    for n, layer in enumerate(network.layers):
        if layer.recurrent.size:
            effective[n] += int((own[n].ravel() * np.count_nonzero(layer.recurrent, axis=1)).sum())
            dense[n] += layer.recurrent.size * ticks
    return effective, dense


def _means_operations(network: Network) -> int:
    """Count those of class means in a result. Folded features are hardly ever zero."""
    means = network.prototypes
    # Means of fewer than two classes do not answer.
    if means is None or np.count_nonzero(means.counts[:, answers.EXAMPLES]) < 2:
        return 0
    return means.weights.size


class _TemporalOperations:
    """Operations of the temporal layer, result by result."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._layer = layer = network.temporal
        self.units = 0 if layer is None else layer.units
        self.effective = [] if layer is None else [0]
        if layer is not None:
            self._reach = np.count_nonzero(layer.store >> 8, axis=2)
            self._readout = np.count_nonzero(layer.read_store >> 8, axis=0)

    def dense(self, results: int) -> list[int]:
        """Count the operations if all inputs and weights were not zero."""
        return [] if self._layer is None else [results * self._layer.store.size]

    def count(self) -> int:
        """Count the operations of the scores computed last; returns those of the readout."""
        if self._layer is None:
            return 0
        bits, active = self._layer.present(self._network.tick - 1)
        self.effective[0] += int(self._reach[bits].sum())
        return int(self._readout[active].sum())


def _add_places(sent: npt.NDArray[np.int64], events: BinnedEvents) -> None:
    """Count the places and channels that a tick's events come from."""
    plane = np.zeros_like(sent)
    plane[events.y, events.x, events.p if plane.shape[2] > 1 else 0] = 1
    sent += plane


def _binary_inputs(network: Network) -> npt.NDArray[np.bool_]:
    """Tell which layers take spikes, not counts or traces; the trained readout last."""
    layers = network.spec.layers
    spikes = [network.spec.front.most == 1]
    spikes += [
        layer.most_spikes == 1 and (layer.pool == 1 or layer.pool_kind == "or")
        for layer in layers[:-1]
    ]
    binary = [one and not layer.traced for one, layer in zip(spikes, layers, strict=True)]
    # Inputs of the temporal layer are bits.
    return np.array([*binary, *[True] * (network.temporal is not None), False])


def _reach(network: Network, n: int, *, sparse: bool) -> npt.NDArray[np.int64]:
    """Synapses behind every place of a layer's input map: int64[rows, columns, channels].

    ``sparse`` leaves out those of weight zero; synapses that lead outside the map are none.
    """
    L = network.state.layers[n]
    W = network.layers[n].weights
    stride, dilation, groups = _geometry(L)
    parts = np.split(W, groups, axis=3)
    each = np.concatenate(
        [
            np.count_nonzero(part, axis=3) if sparse else np.full(part.shape[:3], part.shape[3])
            for part in parts
        ]
    )
    rows, columns = int(L[at.IN_ROWS]), int(L[at.IN_COLUMNS])
    reach = np.zeros((rows, columns, each.shape[0]), np.int64)
    pad = int(L[at.PAD_Y]), int(L[at.PAD_X])
    out_y, out_x = np.arange(int(L[at.ROWS])), np.arange(int(L[at.COLUMNS]))
    for ky in range(W.shape[1]):
        y = out_y * stride[0] + ky * dilation[0] - pad[0]
        y = y[(y >= 0) & (y < rows)]
        for kx in range(W.shape[2]):
            x = out_x * stride[1] + kx * dilation[1] - pad[1]
            x = x[(x >= 0) & (x < columns)]
            reach[np.ix_(y, x)] += each[:, ky, kx]
    return reach


def _geometry(L: npt.NDArray[np.int64]) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Return a layer's stride and dilation, of rows and columns, and its groups."""
    if L[at.DYNAMICS] != at.GENERAL:
        return (int(L[at.STRIDE]),) * 2, (1, 1), 1
    stride = int(L[at.STRIDE]), int(L[at.STRIDE_X])
    return stride, (int(L[at.DILATION_Y]), int(L[at.DILATION_X])), int(L[at.GROUPS])


def _read_operations(network: Network, weights: npt.NDArray[np.int64]) -> int:
    """Count the operations of the scores that were computed last."""
    if (layer := _answering_layer(network)) is not None:
        return int(weights[layer.pooled_activation.reshape(-1) != 0].sum())
    start = int(network.state.registers[at.AT_NORMAL])
    normalised = network.state.i16[start : start + weights.size]
    return int(weights[normalised != 0].sum())


def _answering_layer(network: Network) -> LayerView | None:
    """Return the layer whose local readout scores, None if the trained readout does."""
    answering = np.flatnonzero(network.state.layers[:, at.ANSWERS])
    return network.layers[int(answering[0])] if answering.size else None


def _answering_weights(network: Network) -> npt.NDArray[Any]:
    layer = _answering_layer(network)
    return _readout_weights(network) if layer is None else layer.readout


def _readout_weights(network: Network) -> npt.NDArray[np.int16]:
    return network.read_store() >> 8


def connection_sparsity(network: Network) -> float:
    """Share of weights that are zero, over all layers and the readout that answers."""
    parts: list[npt.NDArray[Any]] = [layer.weights for layer in network.layers]
    parts.append(_answering_weights(network))
    if network.temporal is not None:
        parts += [network.temporal.store >> 8, network.temporal.read_store >> 8]
    return sum(int((part == 0).sum()) for part in parts) / sum(part.size for part in parts)
