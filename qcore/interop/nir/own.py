"""Notes in graphs that this project wrote: settings that NIR has no place for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.network.arrays import LayerArrays
from spikewire.qcore.network.layer_spec import LayerSpec, per_channel
from spikewire.qcore.network.spec import NetworkSpec

if TYPE_CHECKING:
    from spikewire.qcore.interop.nir.plan import Plan, PlannedLayer
    from spikewire.qcore.network.network import Network

LONGEST_NOTE = 1_000_000


@dataclass(frozen=True, slots=True)
class OwnNote:
    """What a note holds: the step in seconds, the specification, and the classes."""

    dt: float
    spec: NetworkSpec
    classes: tuple[str, ...]


def write_note(dt: float, network: Network) -> str:
    """Write what NIR has no place for as a text."""
    return json.dumps({"dt": dt, "spec": network.spec.to_dict(), "classes": network.classes})


def read_note(text: str) -> OwnNote | None:
    """Return what a note holds; None if it is none."""
    if not text or len(text) > LONGEST_NOTE:
        return None
    try:
        data = json.loads(text)
        spec = NetworkSpec.from_dict(data["spec"])
        counted = [f"class {n + 1}" for n in range(spec.layers[-1].channels)]
        classes = data.get("classes", counted)
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            return None
        return OwnNote(float(data["dt"]), spec, tuple(classes))
    except (ValueError, TypeError, KeyError, ModelError, RecursionError, OverflowError):
        return None


def own_arrays(spec: NetworkSpec, plan: Plan) -> list[LayerArrays] | None:
    """Fit a graph's layers to the specification of its note.

    Returns None if the graph was changed since, so that the two differ.
    """
    own = [layer for layer in spec.layers if layer.kind != "counts"]
    if len(own) != len(plan.layers) or plan.input != (spec.polarities, spec.height, spec.width):
        return None
    arrays: list[LayerArrays] = []
    for one, planned in zip(own, plan.layers, strict=True):
        weights = _shifted(planned.weights, planned.settings["exponent"], one.exponent)
        if weights is None or not _alike(one, planned):
            return None
        back = planned.recurrent
        if back is not None:
            exponent = planned.settings["recurrent_exponent"]
            back = _shifted(back, exponent, one.recurrent_exponent)
        if one.recurrent != (back is not None) or bool(one.delays) != (planned.delays is not None):
            return None
        arrays.append(LayerArrays(weights, back, planned.delays, None))
    return arrays + [LayerArrays()] * (len(spec.layers) - len(own))


def _alike(one: LayerSpec, planned: PlannedLayer) -> bool:
    settings = planned.settings
    if one.kind != settings["kind"] or one.channels != settings["channels"]:
        return False
    fine = 2 ** (settings.get("decay_bits", one.decay_bits) - one.decay_bits)
    for name, unit in (("decay_u", fine), ("decay_v", fine), ("threshold", 1), ("bias", 1)):
        if name in settings and not np.array_equal(
            per_channel(getattr(one, name), one.channels) * unit,
            per_channel(settings[name], one.channels),
        ):
            return False
    if (one.pool, one.delay) != (settings.get("pool", 1), settings.get("delay", 0)):
        return False
    return one.kind != "conv" or _geometry(one) == _geometry(LayerSpec(**settings))


def _geometry(layer: LayerSpec) -> tuple[int, ...]:
    """Return kernel, stride, padding and dilation of rows and columns, and the groups."""
    return (
        layer.kernel, layer.kernel_x or layer.kernel, layer.stride, layer.stride_x or layer.stride,
        layer.pad, layer.pad if layer.pad_x < 0 else layer.pad_x,
        layer.dilation, layer.dilation_x or layer.dilation, layer.groups,
    )  # fmt: skip


def _shifted(
    weights: npt.NDArray[np.int8], exponent: int, wanted: int
) -> npt.NDArray[np.int8] | None:
    """Write the same weights with another exponent, if they are whole there."""
    values = weights.astype(np.int64) << exponent
    if (values & ((1 << wanted) - 1)).any():
        return None
    values >>= wanted
    if values.size and (values.min() < -128 or values.max() > 127):
        return None
    return values.astype(np.int8)
