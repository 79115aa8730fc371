"""Kinds of arrays of a network, as the account of bytes lists them."""

from __future__ import annotations

# Per kind: needed for learning only, line of the count, why it differs; then its columns.
KINDS: dict[str, tuple[bool, str | None, str, tuple[str, ...]]] = {
    "weights": (
        False, "weights",
        "int8 holds widths of 2 to 8 bits: at 8 nothing is lost but alignment to cache lines.",
        ("AT_WEIGHTS",),
    ),
    "stored weights": (
        True, "gradients",
        "int16 holds the store's width (10 bits by default): there is no 10-bit integer. Layers "
        "that keep their gradients as errors and traces store in int8 what the weights in use "
        "leave.",
        ("AT_STORE", "AT_REST", "AT_BIAS_STORE"),
    ),
    "collected gradients": (
        True, None,
        "int32 sums over ticks and recordings before a step is taken; the paper's count has no "
        "such sum, because it steps after every tick. Layers that step after few gradients keep "
        "these as errors and traces, and have sums of biases only.",
        ("AT_GRADIENT", "AT_BIAS_GRADIENT"),
    ),
    "trace Q": (
        True, "Q",
        "int16 holds the trace's width (10 bits by default). Only learning reads it, unless traces "
        "drive the neurons.",
        ("AT_Q",),
    ),
    "trace P": (
        True, "P",
        "int16 holds the trace's width (12 bits by default). Only learning reads it, unless traces "
        "drive the neurons.",
        ("AT_P",),
    ),
    "refractory trace": (
        False, "R",
        "int8 where its bits, or the ticks of a wait, fit; else int32, the membrane's type. It "
        "stands for every neuron before pooling; the paper counts 2 bits for every unit after "
        "pooling.",
        ("AT_R", "AT_SMALL_R"),
    ),
    "membrane": (
        False, "U",
        "24 bits in int32 (on traces the sum with the weights, 32 bits) for "
        "every neuron before pooling; the paper counts the 6 bits that its membrane is quantised "
        "to, for every unit after pooling.",
        ("AT_V",),
    ),
    "current": (
        False, None,
        "24 bits in int32: these neurons filter their input themselves, where the paper's count "
        "has only the traces P and Q of the layer before.",
        ("AT_U",),
    ),
    "readout matrices": (
        True, "readout matrices",
        "int8 holds the readout's 6 bits; unless the feedback is concordant, one matrix per layer "
        "serves as readout and as feedback, where the paper has two.",
        ("AT_G", "AT_FEEDBACK"),
    ),
    "activations": (
        True, "activations",
        "int8 holds 6 bits, before and after pooling; the paper counts after pooling only.",
        ("AT_ACTIVATION", "AT_OUT_ACTIVATION"),
    ),
    "local errors": (
        True, None,
        "int8 per neuron, before and after pooling: the error brought back through the readout, "
        "which the paper's count leaves out; before pooling for each gradient that is kept until "
        "the next step.",
        ("AT_DELTA", "AT_OUT_DELTA"),
    ),
    "kept traces": (
        True, None,
        "int8 per input for each gradient that is kept until the next step; with the local errors "
        "they stand for a sum per synapse.",
        ("AT_PAIR_TRACES",),
    ),
    "spike maps": (
        False, None,
        "int8 per place for one bit, before and after pooling; the paper's count has no spikes.",
        ("AT_INPUT", "AT_FIRED", "AT_OUTPUT"),
    ),
    "drive buffers": (
        False, None,
        "int16 per neuron: a tick's spikes add their weights here before the one dense pass.",
        ("AT_DRIVE",),
    ),
    "drive of ticks to come": (
        False, None,
        "int32 per neuron, for this tick and each by which a spike can be delayed, and for the "
        "layer's own spikes: what general layers have in place of drive buffers.",
        ("AT_RING", "AT_PENDING", "AT_BACK"),
    ),
    "recurrent weights": (
        False, "weights", "int8 from each neuron of a layer to each.", ("AT_RECURRENT",),
    ),
    "synaptic delays": (False, None, "int8 per synapse, or per input.", ("AT_DELAYS",)),
    "neurons' biases": (False, None, "int32 per neuron.", ("AT_NEURON_BIAS",)),
    "channel parameters": (
        False, None, "int32: decays, threshold, bias and refractory kick, per channel.",
        ("AT_TABLE",),
    ),
    "regulation": (
        True, None,
        "int32: spikes per channel, and the slow mean of each local readout.",
        ("AT_COUNT", "AT_MEAN"),
    ),
    "readout features": (
        False, None,
        "int16, once as filtered and once scaled: what the trained readout reads. The paper "
        "answers with its fixed local readouts.",
        ("AT_FEATURE", "AT_NORMAL"),
    ),
    "trained readout": (
        False, None,
        "int16: weights of the readout that answers, at the width in which they are learned; their "
        "upper 8 bits are used. The paper has none.",
        ("AT_READ_STORE",),
    ),
    "temporal layer": (
        False, None,
        "int16: weights and their readout, at the width in which they are learned; their upper 8 "
        "bits are used. int32: delays and thresholds. The paper has none.",
        ("AT_T_STORE", "AT_T_READ", "AT_T_DELAY", "AT_T_THRESHOLD"),
    ),
    "past features": (
        False, None, "one bit of each input of the temporal layer, for each tick that it recalls.",
        ("AT_T_RING",),
    ),
    "temporal regulation": (
        True, None, "int32: lessons in which each hidden unit was active.", ("AT_T_COUNT",),
    ),
    "class means": (
        False, None, "int32: weights of the means in their common metric, and what is taken off.",
        ("AT_M_WEIGHTS", "AT_M_COUNTS"),
    ),
    "learning of class means": (
        True, None, "int32: sums of examples; int16: their common second moment, one triangle.",
        ("AT_M_SUMS", "AT_M_MOMENT", "AT_M_STATE"),
    ),
    "rehearsal memory": (
        True, None, "one bit of each feature, remembered per class and learned again.",
        ("AT_SLOTS", "AT_T_SLOTS"),
    ),
}  # fmt: skip
