"""From lava-dl's layers to a specification, its arrays and a report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError, SpecError
from spikewire.qcore.interop.lava import ALIGN, lava_weights
from spikewire.qcore.interop.lava_dl.layer import (
    NEVER,
    SPIKING,
    LavaLayer,
    LavaNeuron,
    Shape,
    scaled_bias,
    spread,
    whole_numbers,
)
from spikewire.qcore.interop.report import LayerReport
from spikewire.qcore.network.arrays import LayerArrays
from spikewire.qcore.network.general_spec import LONGEST_DELAY
from spikewire.qcore.network.layer_spec import LayerSpec

COUNT_EXPONENT = 8
"""A spike counts 2**8, so that counts fade smoothly."""


@dataclass(frozen=True, slots=True)
class LavaOptions:
    """What the files of lava-dl and SLAYER do not say.

    Attributes
    ----------
    first_delay, layer_delay
        Steps by which the first layer's and the other layers' input spikes act later.
    reset_every, reset_at
        The state of layer k, counted from 1, is reset in ticks ``reset_at + k`` modulo
        ``reset_every``; 0: never.
    scale
        For weights that are not whole: they are multiplied by it and rounded to even numbers, as
        lava-dl does for hardware. None: such weights are refused.
    readout
        "counts" or "membranes" of the last layer; None: by whether it can fire.
    window
        Ticks over which counts fade to a third; 0: they never fade.
    """

    first_delay: int = 1
    layer_delay: int = 1
    reset_every: int = 0
    reset_at: int = 0
    scale: float | None = None
    readout: str | None = None
    window: int = 1000

    def __post_init__(self) -> None:
        for name, high in (("first_delay", 63), ("layer_delay", 63), ("reset_every", 2**30),
                           ("reset_at", 2**30), ("window", 10**6)):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
                raise ModelError(f"{name} is {value!r:.40}; allowed are 0 to {high:,}.")
        if self.readout not in (None, "counts", "membranes"):
            raise ModelError(
                f"readout is {self.readout!r:.40}; allowed are 'counts' and 'membranes'."
            )


class LavaSettings(TypedDict, total=False):
    """The fields of :class:`LavaOptions`, as named arguments."""

    first_delay: int
    layer_delay: int
    reset_every: int
    reset_at: int
    scale: float | None
    readout: str | None
    window: int


@dataclass(slots=True)
class LavaPlan:
    """A network as it is put together, layer by layer.

    Attributes
    ----------
    options
        What the files do not say.
    shape
        (channels, rows, columns) of the map that the next layer reads.
    layers, arrays, reports
        What has been planned so far.
    delay
        Own delays of the map's units, [rows, columns, channels]; None without.
    """

    options: LavaOptions
    shape: Shape
    layers: list[LayerSpec] = field(default_factory=list)
    arrays: list[LayerArrays] = field(default_factory=list)
    reports: list[LayerReport] = field(default_factory=list)
    delay: npt.NDArray[np.int64] | None = None

    def add(self, layer: LavaLayer, *, last: bool) -> None:
        """Add a layer with neurons, or the groups of outputs that are averaged at the end.

        Raises
        ------
        ModelError
            If the layer is not supported, or does not fit the map before it.
        """
        if layer.kind == "average":
            if not last:
                raise ModelError(f"{layer.name} is not the last layer, where alone it can be.")
            self._average(layer)
            return
        _check_geometry(layer)
        weight, exponent, error = self._weights(layer)
        answers = last and self._answers(layer)
        neuron = layer.neuron or LavaNeuron(4096, 0, NEVER)
        channels = weight.shape[3]
        shape = self._map(layer, channels)
        told: dict[str, Any] = {
            "kind": "membranes" if answers else "dense" if layer.kind == "dense" else "conv",
            "channels": channels, "exponent": exponent, "decay_u": neuron.current_decay,
            "decay_v": neuron.voltage_decay, "threshold": neuron.threshold << ALIGN,
            "reset": "zero", "refractory_ticks": max(neuron.refractory - 1, 0),
        }  # fmt: skip
        if layer.kind != "dense":
            told |= self._geometry(layer, weight)
        biases = self._biases(layer, shape, told)
        self._append(told, LayerArrays(weight, biases=biases))
        notes = (f"its input spikes act {self.layers[-1].delay} ticks later",)
        threshold = 0 if answers else neuron.threshold << ALIGN
        self.reports.append(
            LayerReport(
                layer.name,
                f"{layer.kind}, CUBA",
                error,
                0.0,
                threshold,
                exponent,
                notes if self.layers[-1].delay else (),
            )
        )
        self.shape = shape
        self._delay_output(layer)

    def count_spikes(self) -> None:
        """Add the layer that counts the spikes of the last one."""
        channels, rows, columns = self.shape
        if rows * columns > 1:
            raise ModelError(
                f"The last layer has {rows}x{columns} places for each of {channels} channels: "
                "spikes are counted by channel, so that it has to have one."
            )
        window = self.options.window
        self._append(
            {"kind": "counts", "channels": channels, "exponent": COUNT_EXPONENT, "decay_u": 4096,
             "decay_v": round(4096 / window) if window else 0},
            LayerArrays(),
        )  # fmt: skip
        self.reports.append(LayerReport("readout", "counts", 0.0, 0.0, 0, COUNT_EXPONENT))

    def read_deepest(self) -> None:
        """Let the trained readout read the deepest hidden layer that fires."""
        firing = [n for n, layer in enumerate(self.layers) if not layer.answers]
        if not firing:
            return
        counted = self.reports[-1].kind == "counts"
        hidden = firing[-2] if counted and len(firing) > 1 else firing[-1]
        self.layers[hidden] = replace(self.layers[hidden], read=True)

    def _append(self, told: dict[str, Any], arrays: LayerArrays) -> None:
        options, n = self.options, len(self.layers)
        told |= {"plastic": False, "read": False}
        told["delay"] = options.layer_delay if n else options.first_delay
        if options.reset_every:
            told["reset_every"] = options.reset_every
            told["reset_at"] = (options.reset_at + n + 1) % options.reset_every
        if self.delay is not None and self.delay.any():
            told |= {"delays": int(self.delay.max()), "delays_by": "input"}
            arrays = replace(arrays, delays=self.delay)
        self.layers.append(LayerSpec(**told))
        self.arrays.append(arrays)

    def _answers(self, layer: LavaLayer) -> bool:
        readout = self.options.readout
        if readout is None:
            return layer.silent
        if readout == "membranes" and layer.kind != "dense":
            raise ModelError(f"{layer.name} is last: membranes of dense layers only can answer.")
        return readout == "membranes"

    def _weights(self, layer: LavaLayer) -> tuple[npt.NDArray[np.int8], int, float]:
        """Return the weights as [c_in, rows, columns, c_out], their exponent and their error."""
        if layer.weight is None:
            raise ModelError(f"{layer.name} has no weights.")
        noun = f"The weights of {layer.name}"
        values = np.asarray(layer.weight)
        error = 0.0
        if self.options.scale is not None and values.dtype.kind == "f" and (values % 1).any():
            scaled = values * self.options.scale
            used = np.clip(2 * np.round(scaled / 2), -256, 254)
            largest = float(np.abs(scaled).max(initial=0)) or 1.0
            error = float(np.abs(used - scaled).max(initial=0)) / largest
            values = used
        try:
            whole = whole_numbers(values, noun)
        except ModelError as fault:
            raise ModelError(
                f"{fault} Where they are those of training, the option scale (64 in lava-dl) "
                "rounds them as for hardware."
                if (values.dtype.kind == "f" and np.isfinite(values).all())
                else str(fault)
            ) from None
        shaped = self._shaped(layer, whole)
        exponent = 0 if layer.neuron is None else layer.neuron.weight_exponent
        try:
            weight, power = lava_weights(shaped, exponent)
        except SpecError as fault:
            raise ModelError(f"{layer.name}: {fault}") from None
        return weight, power, error

    def _shaped(self, layer: LavaLayer, weight: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        channels, rows, columns = self.shape
        if not weight.size:
            raise ModelError(f"{layer.name} has no weights.")
        if layer.kind == "dense":
            outputs = int(np.prod(layer.shape)) if layer.shape else 1
            if weight.ndim > 1:
                outputs = weight.shape[0]
            inputs = channels * rows * columns
            if weight.size != outputs * inputs:
                raise ModelError(
                    f"{layer.name} has {weight.size:,} weights for {outputs:,} outputs, but its "
                    f"map has {channels} channels of {rows}x{columns}, that is {inputs:,} inputs."
                )
            return weight.reshape(-1, channels, rows, columns).transpose(1, 2, 3, 0)
        if layer.kind == "pool":
            if weight.size not in (1, layer.kernel[0] * layer.kernel[1]):
                raise ModelError(f"{layer.name} has {weight.size} weights: no pool.")
            kernel = np.broadcast_to(
                weight.reshape(layer.kernel if weight.size > 1 else (1, 1)), layer.kernel
            )
            return np.broadcast_to(kernel[None, :, :, None], (1, *layer.kernel, channels)).copy()
        if weight.ndim == 5 and weight.shape[4] == 1:
            weight = weight[..., 0]
        if weight.ndim != 4 or weight.shape[2:] != layer.kernel:
            raise ModelError(f"{layer.name} has weights of shape {weight.shape}: no convolution.")
        if weight.shape[1] * layer.groups != channels:
            raise ModelError(
                f"{layer.name} has weights for {weight.shape[1] * layer.groups} channels, but its "
                f"map has {channels}."
            )
        return weight.transpose(1, 2, 3, 0)

    def _geometry(self, layer: LavaLayer, weight: npt.NDArray[Any]) -> dict[str, int]:
        groups = self.shape[0] if layer.kind == "pool" else layer.groups
        return {
            "kernel": weight.shape[1], "kernel_x": weight.shape[2], "stride": layer.stride[0],
            "stride_x": layer.stride[1], "pad": layer.pad[0], "pad_x": layer.pad[1],
            "dilation": layer.dilation[0], "dilation_x": layer.dilation[1], "groups": groups,
        }  # fmt: skip

    def _map(self, layer: LavaLayer, channels: int) -> Shape:
        """Compute the output map, and compare it with that of the file."""
        if layer.kind == "dense":
            shape: Shape = (channels, 1, 1)
        else:
            sides = []
            for side, kernel, stride, pad, dilation in zip(
                self.shape[1:], layer.kernel, layer.stride, layer.pad, layer.dilation, strict=True
            ):
                sides.append((side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1)
            shape = (channels, sides[0], sides[1])
        if min(shape) < 1:
            raise ModelError(f"{layer.name} leaves nothing of a map of {self.shape[1:]} places.")
        if layer.shape and int(np.prod(layer.shape)) != int(np.prod(shape)):
            raise ModelError(
                f"{layer.name} has the shape {layer.shape} in the file, but its weights make "
                f"{shape}."
            )
        return shape

    def _biases(
        self, layer: LavaLayer, shape: Shape, told: dict[str, Any]
    ) -> npt.NDArray[np.int64] | None:
        """Enter one bias per channel into the settings, or return one per neuron."""
        if layer.bias is None:
            return None
        noun = f"The biases of {layer.name}"
        biases = scaled_bias(whole_numbers(layer.bias, noun))
        if np.abs(biases).max(initial=0) >= 2**23:
            raise ModelError(f"{noun} reach beyond 24 bits.")
        if biases.size in (1, shape[0]):
            told["bias"] = tuple(int(one) for one in biases.reshape(-1))
            return None
        told["neuron_bias"] = True
        return spread(biases, shape, noun)

    def _delay_output(self, layer: LavaLayer) -> None:
        self.delay = None
        if layer.delay is None:
            return
        noun = f"The delays of {layer.name}"
        delay = whole_numbers(np.floor(np.asarray(layer.delay, np.float64)), noun)
        if delay.min(initial=0) < 0 or delay.max(initial=0) > LONGEST_DELAY:
            raise ModelError(
                f"{noun} are {delay.min()} to {delay.max()}; allowed are 0 to {LONGEST_DELAY}."
            )
        self.delay = spread(delay, self.shape, noun)

    def _average(self, layer: LavaLayer) -> None:
        """Add counts of the spikes of each group of outputs."""
        channels, rows, columns = self.shape
        groups = int(np.prod(layer.shape)) if layer.shape else 0
        units = channels * rows * columns
        if not groups or units % groups:
            raise ModelError(f"{layer.name} averages {units} outputs in {groups} groups.")
        weight = np.zeros((groups, units), np.int8)
        weight[np.arange(units) // (units // groups), np.arange(units)] = 1
        shaped = weight.reshape(groups, channels, rows, columns).transpose(1, 2, 3, 0)
        window = self.options.window
        self._append(
            {"kind": "membranes", "channels": groups, "exponent": COUNT_EXPONENT, "decay_u": 4096,
             "decay_v": round(4096 / window) if window else 0},
            LayerArrays(shaped),
        )  # fmt: skip
        self.reports.append(LayerReport(layer.name, "counts", 0.0, 0.0, 0, COUNT_EXPONENT))
        self.shape = (groups, 1, 1)


def check_kinds(layers: list[LavaLayer]) -> None:
    """Refuse a list of layers that has no neurons."""
    if not any(layer.kind in SPIKING for layer in layers):
        raise ModelError("The network has no layer with weights.")


def _check_geometry(layer: LavaLayer) -> None:
    """Refuse a kernel, stride, padding, dilation or groups that no layer can have."""
    for name, values, low, high in (
        ("kernel", layer.kernel, 1, 64), ("stride", layer.stride, 1, 16),
        ("padding", layer.pad, 0, 64), ("dilation", layer.dilation, 1, 64),
        ("number of groups", (layer.groups,), 1, 4096),
    ):  # fmt: skip
        if min(values) < low or max(values) > high:
            raise ModelError(
                f"{layer.name} has a {name} of {values[0]} and {values[-1]}; allowed are {low} "
                f"to {high}."
            )
