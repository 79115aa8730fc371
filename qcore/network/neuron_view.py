"""View of one neuron: its membrane beside what it has to exceed."""

from __future__ import annotations

from spikewire.qcore.kernels import neuron
from spikewire.qcore.network.layer_views import LayerView


class NeuronView:
    """Membrane, bar and spikes of one neuron, read between two calls of the engine.

    Parameters
    ----------
    layer
        View of the neuron's layer.
    place
        Row, column and channel of the neuron, before pooling.

    Raises
    ------
    ValueError
        If the layer has no such neuron.

    Notes
    -----
    Like a layer's view it belongs to the state that it was made of.
    """

    __slots__ = ("_bits", "_channel", "_fired", "_lift", "_membrane", "_refractory", "_table")

    def __init__(self, layer: LayerView, place: tuple[int, int, int]) -> None:
        if any(not 0 <= here < most for here, most in zip(place, layer.neurons, strict=True)):
            rows, columns, channels = layer.neurons
            raise ValueError(
                f"Layer {layer.index} has {rows} rows, {columns} columns and {channels} channels of"
                f" neurons, counted from 0: there is none at {list(place)}."
            )
        row, column, channel = place
        self._membrane = layer.membrane[row, column]
        self._refractory = layer.refractory[row, column]
        self._fired = layer.fired[row, column]
        self._table = layer.table
        self._channel = channel
        self._bits = layer.refractory_bits
        # A layer on traces adds its bias when it compares; others hold it in the membrane.
        self._lift = layer.traced

    def read(self) -> tuple[int, int, int]:
        """Return the membrane, the bar that it has to exceed next, and the spikes of the last tick.

        The bar is the threshold, raised by what a refractory trace takes off.
        """
        c = self._channel
        membrane, bar = int(self._membrane[c]), int(self._table[neuron.THRESHOLD, c])
        if self._lift:
            membrane += int(self._table[neuron.BIAS, c])
        if self._bits > 0:
            kick = int(self._table[neuron.KICK_R, c])
            bar += int(self._refractory[c]) * kick >> (self._bits - 1)
        elif self._bits == 0:
            bar += int(self._refractory[c])
        return membrane, bar, int(self._fired[c])
