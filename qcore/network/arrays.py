"""Networks from arrays: weights, delays and biases that were found elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.network.layer_views import LayerView
from spikewire.qcore.network.network import Network
from spikewire.qcore.network.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """Arrays of one layer, whole numbers; those that its settings do not ask for are None.

    Attributes
    ----------
    weights
        [c_in / groups, kernel rows, kernel columns, c_out], as :meth:`LayerView.set_weights` takes
        them. None for a layer of kind "counts".
    recurrent
        [neurons, neurons], from the one of the row to those of the columns; neurons in the order
        rows, columns, channels.
    delays
        Ticks: of the weights' shape, or [rows, columns, channels] of the input map.
    biases
        [rows, columns, channels]: a bias for each neuron.
    """

    weights: npt.NDArray[np.integer[Any]] | None = None
    recurrent: npt.NDArray[np.integer[Any]] | None = None
    delays: npt.NDArray[np.integer[Any]] | None = None
    biases: npt.NDArray[np.integer[Any]] | None = None


def build_network(
    spec: NetworkSpec, classes: Sequence[str], arrays: Sequence[LayerArrays], seed: int = 0
) -> Network:
    """Build a network from a specification and the arrays of its layers.

    Parameters
    ----------
    spec
        The specification.
    classes
        Names of its classes: with ``readout.answer`` "output" at least one for each channel of the
        last layer.
    arrays
        One entry per layer.
    seed
        Draws what no array gives, and the rounding of later steps.

    Raises
    ------
    ModelError
        If an array is missing, or does not fit its layer.
    """
    if len(arrays) != len(spec.layers):
        raise ModelError(f"There are {len(spec.layers)} layers, and arrays for {len(arrays)}.")
    network = Network.build(spec, classes, seed)
    for layer, view, given in zip(spec.layers, network.layers, arrays, strict=True):
        n = view.index
        if layer.kind != "counts":
            view.set_weights(_needed(given.weights, f"Layer {n} needs weights."))
        if layer.recurrent:
            view.recurrent[...] = _fitting(given.recurrent, view.recurrent, -128, 127, n)
        if layer.delays:
            view.delays[...] = _fitting(given.delays, view.delays, 0, layer.delays, n)
        if layer.neuron_bias:
            rail = 2**23 - 1
            view.neuron_bias[...] = _fitting(given.biases, view.neuron_bias, -rail, rail, n)
        _refuse_unused(view, given)
    return network


def _needed(array: npt.NDArray[Any] | None, otherwise: str) -> npt.NDArray[Any]:
    if array is None:
        raise ModelError(otherwise)
    return array


def _fitting(
    array: npt.NDArray[Any] | None, place: npt.NDArray[Any], low: int, high: int, n: int
) -> npt.NDArray[Any]:
    values = np.asarray(_needed(array, f"Layer {n} lacks an array of shape {place.shape}."))
    if values.shape != place.shape or not np.issubdtype(values.dtype, np.integer):
        raise ModelError(
            f"Layer {n} takes whole numbers of shape {place.shape}, not {values.dtype} of shape "
            f"{values.shape}."
        )
    if values.size and (values.min() < low or values.max() > high):
        raise ModelError(
            f"Layer {n} takes numbers from {low} to {high} here, not {values.min()} to "
            f"{values.max()}."
        )
    return values


def _refuse_unused(view: LayerView, given: LayerArrays) -> None:
    for name, has in (
        ("recurrent", view.recurrent.size),
        ("delays", view.delays.size),
        ("biases", view.neuron_bias.size),
    ):
        if getattr(given, name) is not None and not has:
            raise ModelError(f"Layer {view.index} has no {name} by its settings.")
