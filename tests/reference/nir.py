"""NIR graphs in floating point, step by step, from the equations of the frameworks themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Step = Callable[[Any, dict[str, Any]], Any]


@dataclass
class Neurons:
    """One step of some neurons on their input ``x``, as one framework computes it."""

    step: Step
    state: dict[str, Any]

    def __call__(self, x: Any) -> Any:
        return self.step(x, self.state)


def leaky(x: Any, s: dict[str, Any]) -> Any:
    """snnTorch's Leaky: the threshold is subtracted in the step after the spike."""
    fired = np.greater(s["v"], s["threshold"]).astype(float)
    s["v"] = s["beta"] * s["v"] + x - fired * s["threshold"]
    return (s["v"] > s["threshold"]).astype(float)


def synaptic(x: Any, s: dict[str, Any]) -> Any:
    """snnTorch's Synaptic."""
    fired = np.greater(s["v"], s["threshold"]).astype(float)
    s["i"] = s["alpha"] * s["i"] + x
    s["v"] = s["beta"] * s["v"] + s["i"] - fired * s["threshold"]
    return (s["v"] > s["threshold"]).astype(float)


def lif_box(x: Any, s: dict[str, Any]) -> Any:
    """Norse's LIFBox: an Euler step, and a reset to zero."""
    s["v"] = s["v"] + s["dt_tau"] * (x - s["v"])
    fired = s["v"] > s["threshold"]
    s["v"] = np.where(fired, 0.0, s["v"])
    return fired.astype(float)


def jelly_if(x: Any, s: dict[str, Any]) -> Any:
    """SpikingJelly's IFNode: a spike at the threshold, and a reset to zero."""
    s["v"] = s["v"] + x
    fired = s["v"] >= s["threshold"]
    s["v"] = np.where(fired, 0.0, s["v"])
    return fired.astype(float)


def sinabs_iaf(x: Any, s: dict[str, Any]) -> Any:
    """Sinabs' IAF: as many spikes as thresholds, and a floor at minus the threshold."""
    s["v"] = s["v"] + x
    spikes = np.where(s["v"] > 0, np.trunc(s["v"] / s["threshold"]), 0.0)
    s["v"] = np.maximum(s["v"] - spikes * s["threshold"], -s["threshold"])
    return spikes


def rockpool_lif(x: Any, s: dict[str, Any]) -> Any:
    """Rockpool's LIFTorch: currents decay after their input, several spikes a step."""
    s["i"] = s["beta"] * (s["i"] + x)
    s["v"] = s["alpha"] * s["v"] + s["i"]
    spikes = np.where(s["v"] >= s["threshold"], np.floor(s["v"] / s["threshold"]), 0.0)
    s["v"] = s["v"] - spikes * s["threshold"]
    return spikes


def run(weights: list[Any], neurons: list[Neurons], inputs: Any) -> Any:
    """Return the spikes of the last of some dense layers: float64[step, unit]."""
    found = []
    for x in inputs:
        for weight, layer in zip(weights, neurons, strict=True):
            x = layer(weight @ x)
        found.append(x)
    return np.array(found)
