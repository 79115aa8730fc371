"""Notes in graphs that this project wrote: settings that NIR has no place for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.network.arrays import LayerArrays
from spikewire.qcore.network.layer_spec import LayerSpec, per_channel
from spikewire.qcore.network.spec import NetworkSpec

if TYPE_CHECKING:
    from spikewire.qcore.interop.nir.plan import PlannedLayer

LONGEST_NOTE = 1_000_000


def read_note(text: str) -> tuple[float, NetworkSpec] | None:
    """Return the step and the specification in a note; None if it holds no such."""
    if not text or len(text) > LONGEST_NOTE:
        return None
    try:
        data = json.loads(text)
        return float(data["dt"]), NetworkSpec.from_dict(data["spec"])
    except (ValueError, TypeError, KeyError, ModelError, RecursionError, OverflowError):
        return None


def own_arrays(spec: NetworkSpec, layers: Sequence[PlannedLayer]) -> list[LayerArrays] | None:
    """Fit a graph's layers to the specification of its note.

    Returns None if the graph was changed since, so that the two differ.
    """
    own = [layer for layer in spec.layers if layer.kind != "counts"]
    if len(own) != len(layers):
        return None
    arrays: list[LayerArrays] = []
    for one, planned in zip(own, layers, strict=True):
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
    for name in ("decay_u", "decay_v", "threshold", "bias"):
        if name in settings and not np.array_equal(
            per_channel(getattr(one, name), one.channels),
            per_channel(settings[name], one.channels),
        ):
            return False
    return all(
        getattr(one, name) == settings.get(name, default)
        for name, default in (("kernel", one.kernel), ("pool", 1), ("delay", 0), ("groups", 1))
        if one.kind == "conv" or name not in ("kernel", "groups")
    )


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
