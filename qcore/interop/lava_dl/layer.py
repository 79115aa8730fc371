"""A layer of a lava-dl or SLAYER network, as its file describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.lava import ALIGN

SPIKING = ("conv", "dense", "pool")
"""Kinds of layers that have neurons."""

NEVER = 131_071
"""Threshold mantissa of neurons that are not meant to fire."""

Pair = tuple[int, int]
Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LavaNeuron:
    """Parameters of a layer's neurons (CUBA), in lava's own units.

    Attributes
    ----------
    current_decay, voltage_decay
        In 1/4096 per step.
    threshold
        Mantissa: a membrane fires above ``threshold << 6``.
    weight_exponent
        Power of two of the weights.
    refractory
        Steps of silence after a spike; 1 is none.
    """

    current_decay: int
    voltage_decay: int
    threshold: int
    weight_exponent: int = 0
    refractory: int = 1

    @classmethod
    def from_values(cls, values: dict[str, Any], where: str) -> LavaNeuron:
        """Read the parameters by the names that files give them.

        Raises
        ------
        ModelError
            If a parameter is missing, out of range, or belongs to another neuron.
        """
        kind = values.get("type", "CUBA")
        if kind not in ("CUBA", "LOIHI"):
            raise ModelError(
                f"{where} has neurons of the type {str(kind)!r:.40}; CUBA and LOIHI are supported."
            )
        for name in ("gradedSpike", "graded_spike", "messageBits", "weight_exp"):
            if np.any(np.asarray(values.get(name, 0)) != 0):
                raise ModelError(f"{where} has {name}: graded spikes are not supported.")
        found = {
            "current_decay": _whole(values, "iDecay", 0, 4096, where),
            "voltage_decay": _whole(values, "vDecay", 0, 4096, where),
            "threshold": _whole(values, "vThMant", 1, NEVER, where),
        }
        if "wgtExp" in values:
            found["weight_exponent"] = _whole(values, "wgtExp", -7, 7, where)
        if "refDelay" in values:
            found["refractory"] = _whole(values, "refDelay", 0, 128, where)
        return cls(**found)


def _whole(values: dict[str, Any], name: str, low: int, high: int, where: str) -> int:
    if name not in values:
        raise ModelError(f"{where} has neurons without {name}.")
    value = np.asarray(values[name])
    if value.size != 1 or value.dtype.kind not in "iuf" or value.item() % 1:
        raise ModelError(f"{where} has neurons whose {name} is no whole number.")
    if not low <= value.item() <= high:
        raise ModelError(
            f"{where} has neurons whose {name} is {value.item():g}; allowed are {low} to {high}."
        )
    return int(value.item())


@dataclass(frozen=True, slots=True)
class LavaLayer:
    """One layer.

    Attributes
    ----------
    name
        Its name in messages and reports.
    kind
        "input", "conv", "dense", "pool", "flatten" or "average".
    shape
        (channels, rows, columns) of its output; () if the file does not say.
    neuron
        Its neurons; None without.
    weight
        (out, in / groups, rows, columns) of a convolution, (out, in) of a dense layer, one value
        or (rows, columns) of a pool.
    bias
        One value, one per channel or one per neuron.
    delay
        Steps by which its output spikes are late: one value, one per channel or per neuron.
    kernel, stride, pad, dilation
        Of rows and columns.
    groups
        Groups of channels.
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    neuron: LavaNeuron | None = None
    weight: npt.NDArray[Any] | None = None
    bias: npt.NDArray[Any] | None = None
    delay: npt.NDArray[Any] | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def silent(self) -> bool:
        """Whether its neurons are not meant to fire."""
        return self.kind == "dense" and (self.neuron is None or self.neuron.threshold >= NEVER)


def whole_numbers(array: npt.NDArray[Any], noun: str) -> npt.NDArray[np.int64]:
    """Convert an array of whole numbers in any type to int64.

    Raises
    ------
    ModelError
        If it holds anything else; the message begins with ``noun``.
    """
    values = np.asarray(array)
    if values.dtype.kind not in "iufb":
        raise ModelError(f"{noun} are {values.dtype}, not numbers.")
    if not np.isfinite(values).all():
        raise ModelError(f"{noun} are not all numbers.")
    if np.abs(values).max(initial=0) >= 2**31:
        raise ModelError(f"{noun} reach beyond 32 bits.")
    if (values % 1).any():
        raise ModelError(f"{noun} are not all whole numbers.")
    return values.astype(np.int64)


def spread(
    array: npt.NDArray[np.int64] | None, shape: Shape, noun: str
) -> npt.NDArray[np.int64] | None:
    """Spread one value, one per channel or one per neuron over [rows, columns, channels].

    Parameters
    ----------
    array
        The values, flattened by channel, row, column; None stays None.
    shape
        (channels, rows, columns).
    noun
        Begins messages.

    Raises
    ------
    ModelError
        If there is another number of values.
    """
    if array is None:
        return None
    channels, rows, columns = shape
    flat = np.asarray(array).reshape(-1)
    if flat.size == 1:
        return np.full((rows, columns, channels), flat[0])
    if flat.size == channels:
        return np.broadcast_to(flat, (rows, columns, channels)).copy()
    if flat.size == channels * rows * columns:
        return np.ascontiguousarray(flat.reshape(shape).transpose(1, 2, 0))
    raise ModelError(
        f"{noun} are {flat.size:,}: a layer of {channels} channels and {rows}x{columns} places "
        f"takes 1, {channels} or {channels * rows * columns:,}."
    )


def scaled_bias(bias: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return biases in the unit of membranes: lava shifts them left by 6 bits."""
    return bias << ALIGN
