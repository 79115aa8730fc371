"""Small networks for tests: one of each kind of layer, and every way to run and to learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewire.qcore import BinnedEvents, Network, NetworkSpec

SMALL: dict[str, Any] = {
    "name": "small",
    "width": 8,
    "height": 7,
    "result_every": 4,
    "layers": [
        {"kind": "conv", "channels": 3, "kernel": 3, "pad": 1, "pool": 2, "threshold": 9000,
         "slope": 9, "read": False},
        {"kind": "conv", "channels": 4, "kernel": 3, "stride": 2, "pad": 1, "threshold": 9000,
         "slope": 9, "reset": "subtract"},
        {"kind": "dense", "channels": 5, "threshold": 9000, "slope": 9, "reset": "zero"},
    ],
    "learning": {"cadence": 3, "burn_in": 5, "apply_every": 2, "period": 7, "bias_step": 3,
                 "target": 900, "error_shift": 4, "delta_shift": 3, "step": 64},
    "readout": {"every": 5, "slots": 2, "replays": 2, "slow": 4, "local_gain": 3},
}  # fmt: skip


def with_layers(*changes: dict[str, Any]) -> dict[str, Any]:
    """Change the layers of the small network, one by one."""
    return {"layers": [{**a, **b} for a, b in zip(SMALL["layers"], changes, strict=True)]}


def build(seed: int = 0, **changes: Any) -> Network:
    return Network.build(NetworkSpec.from_dict({**SMALL, **changes}), ("a", "b", "c"), seed)


def draw(rng: np.random.Generator, ticks: range, count: int, size: tuple[int, int]) -> BinnedEvents:
    return BinnedEvents(
        np.sort(rng.integers(ticks.start, ticks.stop, count)),
        rng.integers(0, size[0], count).astype(np.uint16),
        rng.integers(0, size[1], count).astype(np.uint16),
        rng.integers(0, 2, count).astype(np.uint8),
    )


PAPER: dict[str, Any] = {
    **SMALL["learning"], "error_scale": "largest", "delta_scale": "largest", "dead_zone": 0,
    "gradient_scale": "tensor", "centre_gradients": False, "feedback": "concordant",
    "surrogate": "sigmoid", "learn_biases": True, "bias_step": 0, "bias_exponent": 3,
}  # fmt: skip

TRACES: dict[str, Any] = {
    "dynamics": "traces", "reset": "refractory", "decay_u": 614, "decay_v": 300, "threshold": 20000,
    "slope": 11,
}  # fmt: skip

TRAINED: dict[str, Any] = {
    "readout": {**SMALL["readout"], "local_gain": 0, "shift": 12},
    **with_layers({"plastic": False}, {}, {}),
}

MEANS: dict[str, Any] = {"size": 9, "sweeps": 4}

VARIANTS: dict[str, dict[str, Any]] = {
    "paper's learning": {"learning": PAPER, "widths": {"delta": 6}, "version": 2},
    "paper's learning, sum-pooling": {
        "learning": {**PAPER, "cadence": 1, "apply_every": 1, "bias_exponent": 10},
        "widths": {"delta": 4, "activation": 7, "weight": 5},
        **with_layers({"pool_kind": "sum", "bias": [0, 9000, -3]}, {}, {"bias": 70}),
    },
    "largest errors": {"learning": {**SMALL["learning"], "error_scale": "largest"}},
    "largest deltas": {
        "learning": {**SMALL["learning"], "delta_scale": "largest", "centre_gradients": False}
    },
    "sigmoid": {
        "learning": {**SMALL["learning"], "surrogate": "sigmoid", "gradient_scale": "tensor"},
        "widths": {"delta": 3, "activation": 3},
    },
    "own feedback": {"learning": {**SMALL["learning"], "feedback": "concordant"}},
    "trained feedback": {"learning": {**SMALL["learning"], "feedback": "trained"}, **TRAINED},
    "trained feedback, pairs, narrow": {
        "learning": {**SMALL["learning"], "feedback": "trained", "cadence": 2, "trace_shift": 6},
        "widths": {"error": 4, "delta": 5, "weight": 5}, "version": 2, **TRAINED,
    },
    "trained feedback, sum-pooling": {
        "learning": {**SMALL["learning"], "feedback": "trained", "surrogate": "sigmoid"},
        **with_layers({"read": True, "pool_kind": "sum"}, {"plastic": False}, {"read": False,
        "plastic": False}), "readout": TRAINED["readout"],
    },
    "class means": {"prototypes": MEANS, **TRAINED, **with_layers({}, {}, {})},
    "class means, trained feedback, wide": {
        "prototypes": {**MEANS, "size": 40, "ridge_shift": 0, "readout_gain": 700},
        "learning": {**SMALL["learning"], "feedback": "trained"}, "version": 2, **TRAINED,
    },
    "class means, layers that do not learn": {
        "prototypes": {**MEANS, "doubt": 300},
        **with_layers(*[{"plastic": False}] * 3), "readout": TRAINED["readout"],
    },
    "carried errors": {
        "learning": {**SMALL["learning"], "feedback": "trained", "carry_shift": 3},
        **with_layers({"read": True}, {}, {}), "readout": TRAINED["readout"],
    },
    "carried errors alone": {
        "learning": {**SMALL["learning"], "feedback": "trained", "carry_shift": 0, "cadence": 1,
                     "apply_every": 1, "surrogate": "sigmoid"},
        **with_layers({"pool_kind": "sum"}, {"read": False}, {}), "readout": TRAINED["readout"],
        "widths": {"error": 4, "delta": 7, "weight": 6}, "version": 2,
    },
    "carried errors of a pooled layer": {
        "learning": {**SMALL["learning"], "feedback": "trained", "carry_shift": 4, "cadence": 2},
        **with_layers({"pool": 1}, {"stride": 1, "pad": 0, "pool": 2}, {"plastic": False}),
        "readout": TRAINED["readout"], "widths": {"error": 8},
    },
    "carried errors to a layer on traces": {
        "learning": {**SMALL["learning"], "feedback": "trained", "carry_shift": 2},
        **with_layers(TRACES, {}, {"plastic": False}), "readout": TRAINED["readout"],
    },
    "base": {},
    "every gradient": {"learning": {**SMALL["learning"], "apply_every": 1}},
    "many channels": with_layers({}, {"channels": 35}, {}),
    "full refractory state": {"widths": {"refractory": 24}},
    "sum-pooling": with_layers(
        {"pool_kind": "sum"}, {"pool": 2, "stride": 1, "pool_kind": "sum"}, {}
    ),
    "narrow": {"widths": {"weight": 3, "store": 7, "q": 6, "p": 7, "refractory": 3,
                          "activation": 4, "readout": 4, "error": 4},
               "learning": {**SMALL["learning"], "slow": 3}},
    "wide": {"widths": {"store": 14, "q": 14, "p": 15, "activation": 7, "readout": 8, "error": 8}},
    "rounded": {"version": 2},
    "rounded and narrow": {"version": 2, "widths": {"weight": 2, "store": 6}},
    "rounded and wide": {"version": 2, "widths": {"store": 16},
                         "learning": {**SMALL["learning"], "step": 2}},
    "gain control": {
        "gain": {"reference": 4, "rise": 1, "fall": 2, "most": 3},
        "learning": {**SMALL["learning"], "period": 0},
        **with_layers({"plastic": False, "reset": "subtract"}, {}, {}),
    },
    "by channel": with_layers(
        {"decay_u": [400, 900], "bias": [0, 500, -300]},
        {"decay_v": [100, 200, 300], "bias": 700},
        {"decay_u": [4096, 0], "threshold": [9000, 4000]},
    ),
    "rounded refractory trace": with_layers(
        {"refractory_rounding": "nearest", "refractory_kick": 4000},
        {"reset": "refractory"},
        {"reset": "refractory", "refractory_rounding": "nearest"},
    ),
    "on traces": {
        **with_layers(
            {**TRACES, "pool_kind": "sum"},
            {**TRACES, "bias": [0, 9000, -5000, 900], "refractory_rounding": "nearest"},
            {**TRACES, "trace_gain": 1, "plastic": False},
        ),
        "widths": {"q": 8, "p": 7},
    },
    "paper": {
        **with_layers(
            {**TRACES, "refractory_rounding": "nearest", "read": False, "refractory_kick": 9000,
             "threshold": 0, "bias": [-9000, 300, 0]},
            {**TRACES, "refractory_rounding": "nearest", "read": False, "exponent": 6},
            {**TRACES, "refractory_rounding": "nearest", "read": False, "trace_gain": 3},
        ),
        "widths": {"q": 10, "p": 8, "weight": 6, "delta": 6},
        "learning": {**PAPER, "bias_exponent": 9},
        "version": 2,
        "readout": {"answer": "local"},
    },
    "the last layer's gain": {"readout": {**SMALL["readout"], "local_gain": 9, "local_from": 2}},
    "local answers": {
        **with_layers({}, {}, {"dynamics": "traces", "reset": "refractory", "plastic": False}),
        "readout": {**SMALL["readout"], "answer": "local", "local_gain": 0},
        "widths": {"refractory": 24, "p": 14},
    },
}  # fmt: skip
