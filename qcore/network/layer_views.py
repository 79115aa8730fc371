"""Views of a network's state: each layer's arrays.

A view shares its memory with the network: writing to it changes the network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.kernels.pairs import sum_layer
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_table import group_inputs

Shape = tuple[int, int, int]


def view_of(flat: npt.NDArray[Any], start: int, *shape: int) -> npt.NDArray[Any]:
    """View a part of a flat array in a shape."""
    return flat[start : start + int(np.prod(shape))].reshape(shape)


class LayerView:
    """One layer of a network, as arrays that share the network's memory.

    Parameters
    ----------
    state
        The network's state.
    index
        Number of the layer, from 0.

    Notes
    -----
    A view belongs to the state that it was made of. Ask the network for ``layers`` again after
    adding a class or restoring a snapshot.
    """

    __slots__ = ("_L", "_state", "index")

    def __init__(self, state: State, index: int) -> None:
        self._state = state
        self._L = state.layers[index]
        self.index = index

    def __repr__(self) -> str:
        rows, columns, channels = self.units
        return f"<layer {self.index}: {rows} rows x {columns} columns x {channels} channels>"

    def _get(self, *columns: int) -> tuple[int, ...]:
        return tuple(int(self._L[column]) for column in columns)

    def _classes(self) -> int:
        return int(self._state.registers[at.CLASSES])

    def _synapses(self) -> tuple[int, int, int, int]:
        rows, columns, outputs = self._get(at.KERNEL_Y, at.KERNEL_X, at.CHANNELS)
        return group_inputs(self._L), rows, columns, outputs

    def _taps(self, flat: npt.NDArray[Any], column: int) -> npt.NDArray[Any]:
        """View the synapses, whose kernel columns lie in memory from the last to the first."""
        return view_of(flat, self._L[column], *self._synapses())[:, :, ::-1]

    @property
    def inputs(self) -> Shape:
        """Shape of the input map: rows, columns, channels."""
        rows, columns, channels = self._get(at.IN_ROWS, at.IN_COLUMNS, at.IN_CHANNELS)
        return rows, columns, channels

    @property
    def neurons(self) -> Shape:
        """Shape of the neurons, before pooling: rows, columns, channels."""
        rows, columns, channels = self._get(at.ROWS, at.COLUMNS, at.CHANNELS)
        return rows, columns, channels

    @property
    def units(self) -> Shape:
        """Shape of the output map, after pooling: rows, columns, channels."""
        rows, columns, channels = self._get(at.OUT_ROWS, at.OUT_COLUMNS, at.CHANNELS)
        return rows, columns, channels

    @property
    def plastic(self) -> bool:
        """Whether the layer can learn."""
        return bool(self._L[at.PLASTIC])

    @property
    def traced(self) -> bool:
        """Whether traces of the inputs drive the neurons, instead of currents of their own."""
        return bool(self._L[at.DYNAMICS] == at.TRACES)

    @property
    def general(self) -> bool:
        """Whether the layer runs on the general kernels."""
        return bool(self._L[at.DYNAMICS] == at.GENERAL)

    @property
    def recurrent(self) -> npt.NDArray[np.int8]:
        """Recurrent weights: int8[neurons, neurons], from rows to columns; none of size 0."""
        size = int(np.prod(self.neurons)) if self.general and self._L[at.AT_RECURRENT] else 0
        return view_of(self._state.i8, self._L[at.AT_RECURRENT] if size else 0, size, size)

    @property
    def delays(self) -> npt.NDArray[np.int8]:
        """Own delays, in ticks: int8 of the weights' or the input map's shape; none of size 0."""
        by = int(self._L[at.DELAYS_BY]) if self.general else at.NO_DELAYS
        if by == at.BY_SYNAPSE:
            return self._taps(self._state.i8, at.AT_DELAYS)
        if by == at.BY_INPUT:
            return view_of(self._state.i8, self._L[at.AT_DELAYS], *self.inputs)
        return np.zeros(0, np.int8)

    @property
    def neuron_bias(self) -> npt.NDArray[np.int32]:
        """The neurons' own biases: int32[rows, columns, channels]; none of size 0."""
        if not self.general or not self._L[at.AT_NEURON_BIAS]:
            return np.zeros(0, np.int32)
        return self._per_neuron(at.AT_NEURON_BIAS)

    def drive_arrays(self) -> tuple[npt.NDArray[np.int32], ...]:
        """View the drive of ticks to come on the general kernels: of inputs, own spikes, ticks."""
        if not self.general:
            return ()
        ring = view_of(
            self._state.i32, self._L[at.AT_RING], int(self._L[at.RING_SLOTS]), *self.neurons
        )
        pending = view_of(self._state.i32, self._L[at.AT_PENDING], 1)
        back = (self._per_neuron(at.AT_BACK),) if self._L[at.AT_BACK] else ()
        return ring, pending, *back

    @property
    def weights(self) -> npt.NDArray[np.int8]:
        """Weights in use: int8[c_in, kernel rows, kernel columns, c_out]."""
        return self._taps(self._state.i8, at.AT_WEIGHTS)

    @property
    def store(self) -> npt.NDArray[np.int16]:
        """Stored weights, at full width: int16[c_in, kernel rows, kernel columns, c_out].

        This is a copy where a layer cannot learn and stores its weights in use only, and where it
        stores what these leave (:attr:`rest`). :meth:`set_store` changes them.
        """
        used = self.weights.astype(np.int16) << np.int16(self._L[at.USED_SHIFT])
        if not self.plastic:
            return used
        if self._L[at.AT_REST]:
            return used + self.rest
        return self._taps(self._state.i16, at.AT_STORE)

    @property
    def rest(self) -> npt.NDArray[np.int8]:
        """Rest of the stored weights that those in use leave: int8, of the same shape.

        There is none, of size 0, where stored weights are kept themselves.
        """
        if not self._L[at.AT_REST]:
            return np.zeros(0, np.int8)
        return self._taps(self._state.i8, at.AT_REST)

    def set_store(self, values: npt.NDArray[np.integer[Any]] | int) -> None:
        """Set stored weights of a layer that can learn, and the weights in use with them.

        Parameters
        ----------
        values
            Integers inside the store's range, of the weights' shape or one for all.
        """
        store = np.broadcast_to(np.asarray(values, np.int32), self._synapses())
        self.weights[...] = self.quantise(store)
        if self._L[at.AT_REST]:
            self.rest[...] = store - (self.weights.astype(np.int32) << int(self._L[at.USED_SHIFT]))
        elif self.plastic:
            self._taps(self._state.i16, at.AT_STORE)[...] = store

    def quantise(self, store: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int8]:
        """Return the weights that are used for stored ones: int8, of the same shape.

        A specification of version 2 rounds to the nearest and clips symmetrically, to -127 to 127
        with 8 bits and to -1 to 1 with 2. One of version 1 rounds down.
        """
        rail, shift, rounded = self._get(at.STORE_RAIL, at.USED_SHIFT, at.ROUNDED)
        most, half = rail >> shift, rounded << shift >> 1
        used = np.clip(store.astype(np.int32) + half >> shift, rounded - 1 - most, most)
        weights: npt.NDArray[np.int8] = used.astype(np.int8)
        return weights

    def derive_weights(self) -> None:
        """Derive the weights in use from the stored ones, after these were written to.

        Nothing happens in a layer that cannot learn, or in a network whose specification is of
        version 1.
        """
        if self.plastic and self._L[at.ROUNDED]:
            self.set_store(self.store)

    def set_weights(self, weights: npt.NDArray[np.integer[Any]]) -> None:
        """Set the weights in use, and the stored ones with them.

        Parameters
        ----------
        weights
            Integers [c_in, kernel rows, kernel columns, c_out] of the used width,
            ``widths.weight``: -128 to 127 if it is 8, and -127 to 127 from version 2 of a
            specification on. A convolution correlates, as PyTorch's does.

        Raises
        ------
        ModelError
            If their shape, dtype or range is another.
        """
        values = np.asarray(weights)
        rail, shift, rounded = self._get(at.STORE_RAIL, at.USED_SHIFT, at.ROUNDED)
        high = rail >> shift
        low = rounded - 1 - high
        wanted = self._synapses()
        if values.shape != wanted or not np.issubdtype(values.dtype, np.integer):
            raise ModelError(
                f"Layer {self.index} takes whole numbers of shape {wanted}, not {values.dtype} of "
                f"shape {values.shape}."
            )
        if values.min() < low or values.max() > high:
            raise ModelError(
                f"Layer {self.index} takes weights from {low} to {high}, not {values.min()} to "
                f"{values.max()}."
            )
        self.weights[...] = values
        if self.traced:
            # Traces at rest above zero drive neurons, too.
            self._L[at.LIVE] = 1
        if self.plastic:
            self.set_store(values.astype(np.int32) << shift)

    @property
    def gradient(self) -> npt.NDArray[np.int32]:
        """Collected gradient: int32[c_in, kernel rows, kernel columns, c_out].

        Where gradients are kept as pairs of errors and traces this is a copy, their sum.
        """
        if self._L[at.AT_GRADIENT] >= 0:
            return self._taps(self._state.i32, at.AT_GRADIENT)
        g = np.zeros(int(np.prod(self._synapses())), np.int32)
        sum_layer(self._L, self._state.i8, g)
        return g.reshape(self._synapses())[:, :, ::-1]

    def gradient_arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """View the arrays that hold the gradient: sums, or errors and traces of each pair."""
        if self._L[at.AT_GRADIENT] >= 0:
            return (self.gradient,)
        errors = self._pairs(at.AT_DELTA, self.neurons)
        return errors, self._pairs(at.AT_PAIR_TRACES, self.inputs)

    def _pairs(self, column: int, shape: Shape) -> npt.NDArray[np.int8]:
        """View the errors or traces of the pairs that are kept: int8[pairs, rows, columns, c]."""
        return view_of(self._state.i8, self._L[column], int(self._L[at.PAIRS]), *shape)

    @property
    def bias_gradient(self) -> npt.NDArray[np.int32]:
        """Collected gradient of the biases: int32[c_out]."""
        return view_of(self._state.i32, self._L[at.AT_BIAS_GRADIENT], int(self._L[at.CHANNELS]))

    @property
    def readout(self) -> npt.NDArray[np.int8]:
        """Fixed random readout: int8[classes, units]; no class without one of its own."""
        units = int(np.prod(self.units))
        return view_of(self._state.i8, self._L[at.AT_G], self._own_classes(), units)

    @property
    def has_readout(self) -> bool:
        """Whether the layer has a readout of its own: it learns, and not by the trained one."""
        return self.plastic and bool(self._L[at.AT_FEEDBACK] >= 0)

    def _own_classes(self) -> int:
        return self._classes() if self._L[at.AT_FEEDBACK] >= 0 else 0

    @property
    def feedback(self) -> npt.NDArray[np.int8]:
        """Fixed matrix that brings errors back: int8[classes, units]; the readout by default."""
        place = self._L[at.AT_FEEDBACK] if self._L[at.AT_FEEDBACK] > 0 else self._L[at.AT_G]
        return view_of(self._state.i8, place, self._own_classes(), int(np.prod(self.units)))

    @property
    def bias_store(self) -> npt.NDArray[np.int16]:
        """Stored biases, at full width: int16[c_out]; none if they are not learned."""
        count = int(self._L[at.CHANNELS]) if self._L[at.AT_BIAS_STORE] else 0
        return view_of(self._state.i16, self._L[at.AT_BIAS_STORE], count)

    @property
    def readout_mean(self) -> npt.NDArray[np.int32]:
        """Slow mean of the local readout, times 16: int32[classes]."""
        return view_of(self._state.i32, self._L[at.AT_MEAN], self._own_classes())

    @property
    def table(self) -> npt.NDArray[np.int32]:
        """Parameters of the channels: int32[8, channels], rows named in ``kernels.neuron``."""
        channels = int(self._L[at.CHANNELS])
        return view_of(self._state.i32, self._L[at.AT_TABLE], neuron.PARAMETERS, channels)

    def _row(self, parameter: int) -> npt.NDArray[np.int32]:
        row: npt.NDArray[np.int32] = self.table[parameter]
        return row

    @property
    def threshold(self) -> npt.NDArray[np.int32]:
        """Firing thresholds: int32[channels]."""
        return self._row(neuron.THRESHOLD)

    @property
    def bias(self) -> npt.NDArray[np.int32]:
        """Biases, added to the current in every tick: int32[channels]."""
        return self._row(neuron.BIAS)

    def _per_neuron(self, column: int) -> npt.NDArray[np.int32]:
        return view_of(self._state.i32, self._L[column], *self.neurons)

    @property
    def current(self) -> npt.NDArray[np.int32]:
        """Synaptic currents: int32[rows, columns, channels], 24 bits; on traces the membranes."""
        return self._per_neuron(at.AT_U)

    @property
    def membrane(self) -> npt.NDArray[np.int32]:
        """Membrane potentials: int32[rows, columns, channels], 24 bits.

        Of a layer on traces, their sums with the weights, before bias and refractory trace.
        """
        return self._per_neuron(at.AT_V)

    @property
    def refractory(self) -> npt.NDArray[np.int32] | npt.NDArray[np.int8]:
        """Refractory states: int32 or int8[rows, columns, channels]."""
        if self._L[at.AT_SMALL_R] > 0:
            return view_of(self._state.i8, self._L[at.AT_SMALL_R], *self.neurons)
        return self._per_neuron(at.AT_R)

    @property
    def refractory_bits(self) -> int:
        """Bits of the refractory traces, in parts of their kick; 0: all 24; -1: there are none."""
        reset, bits = self._get(at.RESET, at.COARSE_BITS)
        return bits if reset == neuron.RESET_REFRACTORY else -1

    @property
    def fired(self) -> npt.NDArray[np.int8]:
        """Spikes of the last tick, before pooling: int8[rows, columns, channels]."""
        return view_of(self._state.i8, self._L[at.AT_FIRED], *self.neurons)

    @property
    def spikes(self) -> npt.NDArray[np.int8]:
        """Output map of the last tick, after pooling: int8[rows, columns, channels]."""
        return view_of(self._state.i8, self._L[at.AT_OUTPUT], *self.units)

    @property
    def activation(self) -> npt.NDArray[np.int8]:
        """Last activations, before pooling: int8[rows, columns, channels].

        They are taken in every ``learning.cadence``-th tick, and only of layers that can learn.

        They have ``widths.activation`` bits: half the range at the threshold, and an end where the
        surrogate's window is closed.
        """
        return view_of(self._state.i8, self._L[at.AT_ACTIVATION], *self.neurons)

    @property
    def pooled_activation(self) -> npt.NDArray[np.int8]:
        """Last activations, after pooling: int8[rows, columns, channels]."""
        return view_of(self._state.i8, self._L[at.AT_OUT_ACTIVATION], *self.units)

    @property
    def traces(self) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
        """Traces Q and P of the input map: int16[rows, columns, channels] each."""
        q, p = self._L[at.AT_Q], self._L[at.AT_P]
        return view_of(self._state.i16, q, *self.inputs), view_of(self._state.i16, p, *self.inputs)

    @property
    def spike_counts(self) -> npt.NDArray[np.int32]:
        """Output spikes since thresholds were last adapted: int32[channels]."""
        return view_of(self._state.i32, self._L[at.AT_COUNT], int(self._L[at.CHANNELS]))


def layer_views(state: State) -> tuple[LayerView, ...]:
    """View all layers of a network's state."""
    return tuple(LayerView(state, n) for n in range(len(state.layers)))
