"""Memory accounting: bits by the paper's count, and the bytes that a network's arrays occupy.

The count of Schaefer & Joshi (2020) for one sample is, in numbers: weights, gradients, the traces P
and Q of every layer's input map, and for every layer's output units (after pooling) the refractory
trace R, the membrane U and the quantised activation; two readout matrices of units x classes per
layer (readout and feedback), and per layer the readout's values and its errors, one per class. This
combination, with 1,440 units for layer 1, gives their 100,928,576 bits at 32 bits per number and
their 26,462,796 at the base widths, both to the bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.accounting.kinds import KINDS
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.network import Network

PAPER_UNITS = (1440, 21632, 3200)
"""Output units per layer as the paper's code counts them; layer 1 has 14,400 (64 x 15 x 15)."""

_TRUE_UNITS = (14400, 21632, 3200)

FULL_BITS = 32


@dataclass(frozen=True, slots=True)
class BitItem:
    """One line of the paper's count: so many numbers of so many bits."""

    name: str
    numbers: int
    width: int

    @property
    def bits(self) -> int:
        """Bits at the model's own width."""
        return self.numbers * self.width


@dataclass(frozen=True, slots=True)
class BitCount:
    """A whole count: its lines, and what they come to."""

    items: tuple[BitItem, ...]

    @property
    def bits_32(self) -> int:
        """Bits if every number had 32."""
        return FULL_BITS * sum(item.numbers for item in self.items)

    @property
    def bits(self) -> int:
        """Bits at the model's widths."""
        return sum(item.bits for item in self.items)

    @property
    def saving(self) -> float:
        """Share of the 32-bit memory that the widths save."""
        return 1 - self.bits / self.bits_32


@dataclass(frozen=True, slots=True)
class ByteItem:
    """Arrays of one kind as they lie in memory.

    Attributes
    ----------
    name, dtype
        The kind, and the type of its elements.
    size
        Bytes, alignment to cache lines included.
    learning
        Whether inference alone would do without.
    paper_item
        The line of the paper's count that they belong to, or None.
    reason
        Why they take other bytes than counted.
    """

    name: str
    dtype: str
    size: int
    learning: bool
    paper_item: str | None
    reason: str

    @property
    def size_32(self) -> int:
        """Bytes if elements of fewer bits had 32 each."""
        return self.size * 4 // min(np.dtype(self.dtype).itemsize, 4)


def paper_bits(network: Network, units: Sequence[int] | None = None) -> BitCount:
    """Count a network's memory as the paper does.

    Parameters
    ----------
    network
        Any network. Layers that do not learn have weights, membrane and refractory trace only.
    units
        Output units per layer, instead of those that the layers have; every layer counts as one
        that learns then, as in the paper.

    Returns
    -------
    BitCount
        One line per kind of number, at the model's widths; the trained readout is not part of it.
    """
    spec, classes = network.spec, len(network.classes)
    widths = spec.widths
    totals = dict.fromkeys(
        ("weights", "gradients", "P", "Q", "R", "U", "readout matrices", "activations",
         "readout values", "errors"), 0,
    )  # fmt: skip
    for n, layer in enumerate(spec.layers):
        view = network.layers[n]
        synapses = view.weights.size + view.recurrent.size
        outputs = int(np.prod(view.units)) if units is None else units[n]
        totals["weights"] += synapses
        totals["R"] += outputs
        totals["U"] += outputs
        learns = layer.plastic or units is not None
        if learns or layer.traced:
            inputs = int(np.prod(view.inputs))
            totals["P"] += inputs
            totals["Q"] += inputs
        if not learns:
            continue
        totals["gradients"] += synapses
        totals["activations"] += outputs
        if units is not None or view.has_readout:
            totals["readout matrices"] += 2 * outputs * classes
            totals["readout values"] += classes
            totals["errors"] += classes
    bits = {
        "weights": widths.weight,
        "gradients": widths.store,
        "P": widths.p,
        "Q": widths.q,
        "R": widths.refractory,
        "U": widths.activation,
        "readout matrices": widths.readout,
        "activations": widths.activation,
        "readout values": widths.readout,
        "errors": widths.error,
    }
    return BitCount(tuple(BitItem(name, number, bits[name]) for name, number in totals.items()))


def paper_code_bits(network: Network) -> BitCount | None:
    """Count as the paper's code does: its 1,440 units, and all layers learn; None for others."""
    units = tuple(int(np.prod(layer.units)) for layer in network.layers)
    return paper_bits(network, PAPER_UNITS) if units == _TRUE_UNITS else None


def bytes_by_kind(network: Network) -> tuple[ByteItem, ...]:
    """List the bytes of a network's arrays by kind; they add up to all of them.

    Every array reaches to the next one's start, so that padding belongs to the array it follows and
    nothing is left out.
    """
    state = network.state
    parts: dict[str, npt.NDArray[Any]] = {"i8": state.i8, "i16": state.i16, "i32": state.i32}
    starts: dict[str, dict[int, str]] = {name: {} for name in parts}
    for name, (_, _, _, columns) in KINDS.items():
        for column in columns:
            for address in _addresses(network, column):
                # A layer without pooling has one map for what two columns name.
                starts[_home(column)].setdefault(address, name)
    sizes: dict[tuple[str, str], int] = {}
    for home, kinds in starts.items():
        edges = [*sorted(kinds), len(parts[home])]
        for start, stop in itertools.pairwise(edges):
            key = kinds[start], str(parts[home].dtype)
            sizes[key] = sizes.get(key, 0) + (stop - start) * parts[home].itemsize
    driving = ("trace Q", "trace P") if any(one.traced for one in network.spec.layers) else ()
    listed = [
        ByteItem(
            name,
            dtype,
            size,
            KINDS[name][0] and name not in driving,
            KINDS[name][1],
            KINDS[name][2],
        )
        for (name, dtype), size in sizes.items()
        if size
    ]
    order = list(KINDS)
    work = dict.fromkeys(("int16", "int32"), 0)
    for array in network.scratch:
        work[str(array.dtype)] += array.nbytes
    if network.spec.readout.slots:
        # What is recalled, and its scores.
        work["int16"] += 2 * int(state.registers[at.FEATURES])
        work["int32"] += 4 * len(network.classes)
    listed.sort(key=lambda arrays: order.index(arrays.name))
    listed += [
        ByteItem("tables and counters", "int64",
                 state.registers.nbytes + state.layers.nbytes, False, None,
                 "where every array lies, the settings, and the counters."),
        ByteItem("generators", "uint32", state.lanes.nbytes, True,
                 None, "the random generators' states."),
        ByteItem("work space", "int16", work["int16"], False,
                 None, "spike lists of one tick; not part of a model file."),
        ByteItem("work space", "int32", work["int32"], False,
                 None, "sums of one tick; not part of a model file."),
    ]  # fmt: skip
    return tuple(listed)


def _home(column: str) -> str:
    return next(home for home, columns in _HOMES.items() if column in columns)


_HOMES = {
    "i8": ("AT_INPUT", "AT_WEIGHTS", "AT_FIRED", "AT_ACTIVATION", "AT_OUTPUT", "AT_OUT_ACTIVATION",
           "AT_DELTA", "AT_OUT_DELTA", "AT_PAIR_TRACES", "AT_REST", "AT_G", "AT_FEEDBACK",
           "AT_SLOTS", "AT_SMALL_R", "AT_RECURRENT", "AT_DELAYS", "AT_T_RING", "AT_T_SLOTS"),
    "i16": ("AT_DRIVE", "AT_STORE", "AT_BIAS_STORE", "AT_Q", "AT_P", "AT_FEATURE", "AT_NORMAL",
            "AT_READ_STORE", "AT_T_STORE", "AT_T_READ", "AT_M_MOMENT"),
    "i32": ("AT_U", "AT_V", "AT_R", "AT_TABLE", "AT_GRADIENT", "AT_BIAS_GRADIENT", "AT_COUNT",
            "AT_MEAN", "AT_RING", "AT_PENDING", "AT_BACK", "AT_NEURON_BIAS", "AT_T_DELAY",
            "AT_T_THRESHOLD", "AT_T_COUNT", "AT_M_SUMS", "AT_M_WEIGHTS", "AT_M_COUNTS",
            "AT_M_STATE"),
}  # fmt: skip

_PLASTIC_ONLY = (
    "AT_ACTIVATION", "AT_OUT_ACTIVATION", "AT_DELTA", "AT_OUT_DELTA", "AT_G", "AT_STORE",
    "AT_GRADIENT", "AT_BIAS_GRADIENT", "AT_MEAN",
)  # fmt: skip
_OF_TRACES = ("AT_Q", "AT_P")
_OF_GENERAL = (
    "AT_RING", "AT_PENDING", "AT_BACK", "AT_RECURRENT", "AT_DELAYS", "AT_NEURON_BIAS",
)  # fmt: skip
_OPTIONAL = (
    "AT_FEEDBACK", "AT_BIAS_STORE", "AT_PAIR_TRACES", "AT_REST", "AT_SMALL_R", *_OF_GENERAL,
    "AT_T_RING", "AT_T_SLOTS", "AT_T_STORE", "AT_T_READ", "AT_T_DELAY", "AT_T_THRESHOLD",
    "AT_T_COUNT", "AT_M_MOMENT", "AT_M_SUMS", "AT_M_WEIGHTS", "AT_M_COUNTS", "AT_M_STATE",
)  # fmt: skip
"""Arrays of some layers only: their place is 0 where there are none."""

_OF_THE_NETWORK = ("AT_FEATURE", "AT_NORMAL", "AT_READ_STORE", "AT_SLOTS")


def _addresses(network: Network, column: str) -> list[int]:
    place = getattr(at, column)
    if column in _OF_THE_NETWORK:
        if column == "AT_SLOTS" and network.spec.readout.slots == 0:
            return []
        return [int(network.state.registers[place])]
    if place >= network.state.layers.shape[1]:
        return []
    addresses: npt.NDArray[Any] = network.state.layers[:, place]
    if column == "AT_INPUT":
        addresses = addresses[:1]  # the others are the outputs of the layers before
    if column in _PLASTIC_ONLY:
        addresses = addresses[[layer.plastic for layer in network.spec.layers]]
    if column == "AT_T_SLOTS" and network.spec.readout.slots == 0:
        return []
    if column in ("AT_G", "AT_MEAN"):
        addresses = addresses[[layer.has_readout for layer in network.layers if layer.plastic]]
    if column in _OPTIONAL:
        addresses = addresses[addresses > 0]
    if column in _OF_TRACES:
        addresses = addresses[[layer.plastic or layer.traced for layer in network.spec.layers]]
    if column == "AT_U":
        addresses = addresses[[not layer.traced for layer in network.spec.layers]]
    if column == "AT_DRIVE":
        addresses = addresses[
            [not (layer.traced or layer.general) for layer in network.spec.layers]
        ]
    if column in ("AT_GRADIENT", "AT_STORE", "AT_R"):
        addresses = addresses[addresses >= 0]
    return [int(address) for address in addresses]
