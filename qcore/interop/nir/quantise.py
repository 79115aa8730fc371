"""Float weights, thresholds and biases of a layer as integers of one scale per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.graph import Floats

LEAST_THRESHOLD = 2**17
"""Thresholds below cost accuracy: decays truncate membranes to whole numbers."""

MOST_THRESHOLD = 2**21
RAIL = 2**23 - 1
MOST_EXPONENT = 14

ACTIVE = 0.25
"""Share of the inputs that are active for long, as far as room for membranes goes."""

SPREAD = 4
"""Most that a channel's scale is finer than that of the layer's largest weight."""

_LEAST_EXACT = 2**12
_NEAR = 2e-6
_TRIED = 2**23


@dataclass(frozen=True, slots=True)
class Reach:
    """What a drive of 1 in every tick leads to.

    Attributes
    ----------
    current, membrane
        float64[channels]: the current, and a membrane that never fires.
    drains
        Whether one tick's spikes take a membrane below its threshold, however high it is.
    """

    current: Floats
    membrane: Floats
    drains: bool


@dataclass(frozen=True, slots=True)
class FloatLayer:
    """Synapses and neurons of a layer, channel by channel, in the unit of its membranes.

    Attributes
    ----------
    weights
        float64[channels, ...].
    recurrent
        float64[channels, channels], to and from; or None.
    threshold, floor
        float64[channels], or None.
    biases
        float64[channels, ...].
    leaks
        Whether membranes or currents leak, so that small numbers are truncated.
    reach
        How far drives move membranes; None: unknown.
    """

    weights: Floats
    recurrent: Floats | None
    threshold: Floats | None
    floor: Floats | None
    biases: Floats
    leaks: bool
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class WholeLayer:
    """The same in integers: a unit of channel ``c`` is ``scale[c] / 2**exponent``."""

    weights: npt.NDArray[np.int8]
    recurrent: npt.NDArray[np.int8] | None
    threshold: npt.NDArray[np.int64] | None
    floor: npt.NDArray[np.int64] | None
    biases: npt.NDArray[np.int64]
    exponent: int
    recurrent_exponent: int
    weight_error: float
    notes: tuple[str, ...]


def quantise(layer: FloatLayer, bits: int, where: str, keep: bool = False) -> WholeLayer:
    """Choose scales and exponents, and round.

    Whole weights of at most 8 bits, times a power of two, stay as they are where thresholds and
    biases are whole, too. Others are scaled by channel, so that each channel's largest weight has
    all bits (at most four times finer than the layer's), and thresholds are at least 2**17.

    Parameters
    ----------
    layer
        The layer.
    bits
        Bits of a weight, 2 to 8.
    where
        Names the layer in messages.
    keep
        Keep whole numbers also where thresholds are low, so that truncation costs more.

    Raises
    ------
    ModelError
        If numbers are too far apart for 24 bits.
    """
    exact = _exact(layer, bits, keep)
    if exact is not None:
        return exact
    rail = 2 ** (bits - 1) - 1
    peaks = np.abs(layer.weights.reshape(len(layer.weights), -1)).max(1, initial=0)
    scale, exponent, notes = _scales(layer, peaks, rail)
    if exponent < 0:
        raise ModelError(
            f"In {where} recurrent weights are more than 2**{MOST_EXPONENT} times the others."
        )
    unit = scale / 2**exponent
    back, back_exponent, back_error = _recurrent(layer.recurrent, scale, exponent, rail)
    weights = _rounded(_by(layer.weights, scale), rail)
    error = np.abs(_by(weights, 1 / scale) - layer.weights).max(initial=0)
    biases = np.round(_by(layer.biases, unit))
    if np.abs(biases).max(initial=0) > RAIL:
        raise ModelError(
            f"In {where} a bias is {np.abs(biases).max() / LEAST_THRESHOLD:.3g} times the "
            "threshold and more: it does not fit into 24 bits."
        )
    return WholeLayer(
        weights=weights.astype(np.int8),
        recurrent=back,
        threshold=_whole(layer.threshold, unit, 1, RAIL - 1),
        floor=_whole(layer.floor, unit, -RAIL, 0),
        biases=biases.astype(np.int64),
        exponent=exponent,
        recurrent_exponent=back_exponent,
        weight_error=max(float(error / (peaks.max(initial=0) or 1.0)), back_error),
        notes=notes,
    )


def _scales(layer: FloatLayer, peaks: Floats, rail: int) -> tuple[Floats, int, tuple[str, ...]]:
    """Return the unit of a weight of each channel, the exponent, and notes."""
    largest = float(peaks.max(initial=0))
    if layer.threshold is None:
        # Membranes of integrators are compared between channels: one scale for all.
        scale = np.full(len(peaks), (largest or 1.0) / rail)
        return scale, 8, ()
    thresholds = layer.threshold
    if largest == 0:
        return thresholds / 2**10, 8, ("All weights are 0.",)
    finest = SPREAD if layer.leaks or layer.floor is not None else 1
    scale = np.maximum(peaks, largest / finest) / rail
    # A weight has to be some part of the threshold: finer scales have no bits to be told in.
    scale = np.maximum(scale, thresholds / MOST_THRESHOLD)
    scale = _luckiest(layer.weights, scale, rail)
    # A threshold that is nothing beside the weights has no finite inverse.
    lowest = max(float((thresholds / scale).min()), 1e-30)
    most = MOST_EXPONENT - max(0, _back_shift(layer.recurrent, scale, rail))
    exponent = min(max(0, int(np.ceil(np.log2(LEAST_THRESHOLD / lowest)))), most)
    exponent = min(exponent + _room(layer, scale / 2.0**exponent), most)
    scale = np.maximum(scale, thresholds * 2.0**exponent / MOST_THRESHOLD)
    lowest = float((thresholds / scale).min()) * 2.0**exponent
    notes: tuple[str, ...] = ()
    if lowest < LEAST_THRESHOLD:
        notes = (
            f"The lowest threshold is {lowest:,.0f}, below {LEAST_THRESHOLD:,}: weights are large "
            "beside it, and truncation costs more.",
        )
    return scale, exponent, notes


def _room(layer: FloatLayer, unit: Floats) -> int:
    """Return by how many bits thresholds can rise, so that truncation costs less."""
    if not layer.leaks or layer.reach is None or layer.threshold is None:
        return 0
    furthest = _furthest(layer, layer.reach, layer.threshold)
    steps, highest = (max(float((x / unit).max()), 1e-30) for x in (furthest, layer.threshold))
    room = min(RAIL / steps, MOST_THRESHOLD / highest)
    return int(np.log2(room)) if room > 1 else 0


def _furthest(layer: FloatLayer, reach: Reach, threshold: Floats) -> Floats:
    """Estimate how far membranes go from 0: with all inputs for a while, with some for long."""
    most, net, squares = (np.zeros(len(threshold)) for _ in range(3))
    for weights in (layer.weights, layer.recurrent):
        if weights is not None:
            rows = weights.reshape(len(weights), -1)
            most += rows.clip(0).sum(1)
            net += rows.sum(1) * ACTIVE
            squares += np.square(rows).sum(1) * ACTIVE
    net += layer.biases.reshape(len(threshold), -1).max(1)
    above = threshold + reach.current * (most + layer.biases.clip(0))
    swing = 2 * np.sqrt(squares * reach.membrane * reach.current)
    below = swing - reach.membrane * net
    kept = np.where((reach.current * net > threshold) & (not reach.drains), net, 0)
    found = np.max([above, below, kept * reach.membrane, 2 * threshold], 0)
    return np.asarray(found, np.float64)


def _back_shift(weights: Floats | None, scale: Floats, rail: int) -> int:
    """Return the power of two by which recurrent weights have to be coarser than the others."""
    peak = 0.0 if weights is None else float(np.abs(_by(weights, scale)).max(initial=0))
    return int(np.ceil(np.log2(peak / rail) - 1e-9)) if peak else 0


def _recurrent(
    weights: Floats | None, scale: Floats, exponent: int, rail: int
) -> tuple[npt.NDArray[np.int8] | None, int, float]:
    """Round recurrent weights, in the scale of the others times a power of two of their own."""
    if weights is None:
        return None, 4, 0.0
    scaled = _by(weights, scale)
    peak = float(np.abs(scaled).max(initial=0))
    shift = max(_back_shift(weights, scale, rail), -exponent)
    whole = _rounded(scaled / 2.0**shift, rail)
    error = np.abs(whole * 2.0**shift - scaled).max(initial=0) / (peak or 1.0)
    return whole.T.astype(np.int8), exponent + shift, float(error)


def _luckiest(weights: Floats, scale: Floats, rail: int) -> Floats:
    """Make a channel's scale a little coarser where its weights then are almost whole numbers.

    Few weights often fit some coarser scale much better; many do where they are of one grid.
    """
    rows = weights.reshape(len(weights), -1)
    tries = int(np.clip(_TRIED // max(rows.size, 1), 1, rail // 2 + 1))
    best, error = scale, np.full(len(rows), np.inf)
    for n in range(tries):
        tried = scale * rail / (rail - n)
        found = (np.square(rows / tried[:, None] - np.round(rows / tried[:, None]))).sum(1)
        found *= np.square(tried)
        # Only what is clearly better is worth a coarser scale.
        better = found < 0.9 * error
        best, error = np.where(better, tried, best), np.where(better, found, error)
    return best


def _rounded(values: Floats, rail: int) -> Floats:
    """Round each channel's weights up or down so that their sum stays.

    Errors of single weights average out over spikes, that of the sum is a constant drive. Those
    with the largest remainders are rounded up.
    """
    rows = values.reshape(len(values), -1)
    down = np.floor(rows)
    rest = rows - down
    ups = np.round(rest.sum(1)).astype(np.int64)
    rank = np.argsort(np.argsort(-rest, axis=1, kind="stable"), axis=1, kind="stable")
    whole = np.clip(down + (rank < ups[:, None]), -rail, rail)
    return np.asarray(whole.reshape(values.shape), np.float64)


def _exact(layer: FloatLayer, bits: int, keep: bool) -> WholeLayer | None:
    """Keep a layer that is whole already."""
    if bits < 8:
        return None
    forward = _power_of_two(layer.weights)
    back = (0, None) if layer.recurrent is None else _power_of_two(layer.recurrent)
    if forward is None or back is None:
        return None
    numbers: list[npt.NDArray[np.int64] | None] = []
    for value, low, high in (
        (layer.threshold, 1, RAIL - 1), (layer.floor, -RAIL, 0), (layer.biases, -RAIL, RAIL),
    ):  # fmt: skip
        if value is None:
            numbers.append(None)
            continue
        whole = np.round(value)
        if whole.size and (whole.min() < low or whole.max() > high):
            return None
        if (np.abs(whole - value) > _NEAR * np.maximum(1, np.abs(value))).any():
            return None
        numbers.append(whole.astype(np.int64))
    threshold, floor, biases = numbers
    low = threshold is None or threshold.min() < _LEAST_EXACT
    if layer.leaks and low and not keep:
        return None
    recurrent = None if back[1] is None else back[1].T.copy()
    assert biases is not None
    return WholeLayer(forward[1], recurrent, threshold, floor, biases, forward[0], back[0], 0.0, ())


def _power_of_two(weights: Floats) -> tuple[int, npt.NDArray[np.int8]] | None:
    """Split whole weights into 8 bits and an exponent, if they are such."""
    whole = np.round(weights)
    if (np.abs(whole - weights) > _NEAR * np.abs(weights)).any():
        return None
    if np.abs(whole).max(initial=0) > 128 << MOST_EXPONENT:
        return None
    values = whole.astype(np.int64)
    shared = int(np.bitwise_or.reduce(values, axis=None, initial=0))
    common = min((shared & -shared).bit_length() - 1, MOST_EXPONENT) if shared else 0
    # The smallest exponent that leaves 8 bits: the largest would lose a channel's own.
    for exponent in range(common + 1):
        part = values >> exponent
        if part.size == 0 or (part.min() >= -128 and part.max() <= 127):
            return exponent, part.astype(np.int8)
    return None


def _by(values: Floats, scale: Floats) -> Floats:
    """Divide the arrays of channels by their scales."""
    return values / scale.reshape(-1, *[1] * (values.ndim - 1))


def _whole(
    values: Floats | None, unit: Floats, low: int, high: int
) -> npt.NDArray[np.int64] | None:
    if values is None:
        return None
    return np.clip(np.round(values / unit), low, high).astype(np.int64)
