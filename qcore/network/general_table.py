"""Settings and arrays of layers on the general kernels, in the layer table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.layer_spec import LayerSpec

MOST_DRIVE = 2**31 - 1
"""Largest sum of weights and spikes that a neuron's drive holds."""


def columns_of(
    layers: tuple[LayerSpec, ...], *, temporal: bool = False, prototypes: bool = False
) -> int:
    """Count the columns of the layer table for these layers, and for what stands behind them."""
    if prototypes:
        return at.PROTOTYPE_COLUMNS
    if temporal:
        return at.TEMPORAL_COLUMNS
    return at.GENERAL_COLUMNS if any(one.general for one in layers) else at.LAYER_COLUMNS


def fill_general(L: npt.NDArray[np.int64], layer: LayerSpec, n: int) -> None:
    """Fill in the settings of layer ``n``, whose input map the table has already.

    Raises
    ------
    SpecError
        If the channels of the input and the groups do not fit each other.
    """
    channels = int(L[at.IN_CHANNELS])
    groups = layer.groups
    if layer.kind == "counts":
        groups = channels
        if layer.channels != channels:
            raise SpecError(
                f"layers[{n}] counts the spikes of {channels} channels: it has as many, not "
                f"{layer.channels}."
            )
    if channels % groups:
        raise SpecError(
            f"layers[{n}].groups is {groups}, which does not divide its {channels} input channels."
        )
    L[at.DYNAMICS] = at.GENERAL
    conv = layer.kind == "conv"
    L[at.STRIDE_X] = (layer.stride_x or layer.stride) if conv else 1
    L[at.DILATION_Y] = layer.dilation if conv else 1
    L[at.DILATION_X] = (layer.dilation_x or layer.dilation) if conv else 1
    L[at.GROUPS] = groups
    L[at.DELAY] = layer.delay
    L[at.RING_SLOTS] = 1 + layer.delay + layer.delays
    if layer.delays:
        L[at.DELAYS_BY] = at.BY_INPUT if layer.delays_by == "input" else at.BY_SYNAPSE
    L[at.BACK_EXPONENT] = layer.recurrent_exponent
    L[at.REACHED] = layer.fires == "reached"
    L[at.MOST_SPIKES] = layer.most_spikes
    L[at.RESET_LATE] = layer.reset_late
    L[at.RESET_EVERY], L[at.RESET_AT] = layer.reset_every, layer.reset_at
    L[at.FIRES] = not layer.answers
    L[at.BIAS_TO_CURRENT] = layer.bias_to == "current"
    L[at.FINE_DECAY] = layer.decay_bits - 12


def check_drive(L: npt.NDArray[np.int64], n: int, fan_in: int, most: int) -> None:
    """Refuse a layer whose drive could leave 32 bits.

    Parameters
    ----------
    L
        Row ``n`` of the layer table.
    n
        Number of the layer.
    fan_in
        Weights of a neuron.
    most
        The most spikes of an input unit in a tick.

    Raises
    ------
    SpecError
        If it could.
    """
    if fan_in * most * 128 > MOST_DRIVE:
        raise SpecError(
            f"layers[{n}] sums {fan_in:,} weights, times up to {most} spikes each: more than "
            f"{MOST_DRIVE // (most * 128):,} could leave 32 bits."
        )


def place_general(
    L: npt.NDArray[np.int64],
    layer: LayerSpec,
    synapses: int,
    take_i8: Callable[[int], int],
    take_i32: Callable[[int], int],
) -> None:
    """Place the arrays of a layer on the general kernels, behind weights and spikes.

    Parameters
    ----------
    L
        The layer's row of the table.
    layer
        Its settings.
    synapses
        Number of its weights.
    take_i8, take_i32
        Give the place of so many elements.
    """
    neurons = int(L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS])
    L[at.AT_U], L[at.AT_V] = take_i32(neurons), take_i32(neurons)
    L[at.AT_SMALL_R], L[at.AT_R] = take_i8(neurons), -1
    if layer.recurrent:
        L[at.AT_RECURRENT] = take_i8(neurons * neurons)
    place_ring(L, neurons, take_i32)
    if layer.delays:
        inputs = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
        L[at.AT_DELAYS] = take_i8(inputs if layer.delays_by == "input" else synapses)
    if layer.neuron_bias:
        L[at.AT_NEURON_BIAS] = take_i32(neurons)


def place_ring(L: npt.NDArray[np.int64], neurons: int, take_i32: Callable[[int], int]) -> None:
    """Place the drive of ticks to come, which each recording of a batch has for itself."""
    L[at.AT_RING] = take_i32(int(L[at.RING_SLOTS]) * neurons)
    L[at.AT_PENDING] = take_i32(1)
    if L[at.AT_RECURRENT]:
        L[at.AT_BACK] = take_i32(neurons)
