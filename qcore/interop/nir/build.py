"""Networks from NIR graphs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.chain import as_chain
from spikewire.qcore.interop.nir.convention import Choices, Convention, decide
from spikewire.qcore.interop.nir.graph import Graph, flatten_graph
from spikewire.qcore.interop.nir.linear import Shape
from spikewire.qcore.interop.nir.own import OwnNote, own_arrays, read_note
from spikewire.qcore.interop.nir.plan import Plan, make_plan
from spikewire.qcore.interop.nir.read import read_graph
from spikewire.qcore.interop.nir.speck import speck_faults
from spikewire.qcore.interop.report import ImportReport
from spikewire.qcore.network.arrays import LayerArrays, build_network
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.network import Network
from spikewire.qcore.network.spec import NetworkSpec, ReadoutSpec

DEFAULT_TICK_US = 1000
COUNTS_EXPONENT = 8
MOST_WINDOW = 4096


READOUT = ReadoutSpec(every=5, slow=6, shift=14, slots=18, replays=6, target=2**17, answer="output")
"""The readout that classes taught later get; a few features only just reach its target."""


class Further(TypedDict, total=False):
    """Further choices of :func:`from_nir`, all of them optional."""

    like: str | None
    spikes: str | None
    gain: str | None
    shape: Sequence[int] | None
    tick_us: int | None
    window: int
    name: str | None


def from_nir(
    graph: Any,
    classes: Sequence[str] = (),
    *,
    dt: float | None = None,
    reset: str | None = None,
    floor: str | float | None = None,
    decay: str | None = None,
    bits: int = 8,
    **further: Unpack[Further],
) -> tuple[Network, ImportReport]:
    """Import a NIR graph as an integer network.

    A graph carries neither the length of a step nor the kind of reset, lowest membranes or several
    spikes a step. Give them, or ``like``, the framework that the graph comes from.

    Parameters
    ----------
    graph
        Path of a ``.nir`` file, or a ``nir.NIRGraph``.
    classes
        Names of the outputs, in order; by default "class 1" and so on.
    dt
        Seconds of a step, in the unit of the graph's time constants.
    reset
        "zero", "subtract", or "late" (by subtraction, one step late, as snnTorch does).
    floor
        Lowest membrane: "none", "threshold" (minus the threshold), or a number up to 0 in the
        graph's unit.
    decay
        "euler" (``1 - dt / tau``) or "exponential" (``exp(-dt / tau)``).
    bits
        Bits of a weight, 2 to 8.
    **further
        ``like``, "snntorch", "norse", "sinabs", "spikingjelly" or "rockpool". ``spikes``, "one" or
        "many" (up to 127) of a neuron in a step. ``gain``, "step" (inputs are currents through
        a step) or "one" (inputs are added to membranes as they are). ``shape``, channels, rows and
        columns of the input, for graphs whose input is a vector. ``tick_us``, microseconds of event
        time in a step. ``window``, ticks in which counts fade to a third (0, the default: they
        do not). ``name``, the network's name.

    Returns
    -------
    network
        The network; its layers cannot learn, its scores are the spike counts of the outputs or
        their membranes. Classes can be added.
    report
        What became of each layer, and a sentence for everything that was assumed.

    Raises
    ------
    ModelError
        If the file is none or damaged, a node is not supported, or something that decides the
        answer is not given.
    """
    if isinstance(bits, bool) or bits not in range(2, 9):
        raise ModelError(f"bits is {bits!r:.80}; allowed are 2 to 8.")
    choices = Choices(dt, reset, floor, decay, further.get("spikes"), further.get("gain"))
    flat = flatten_graph(read_graph(graph))
    note = read_note(flat.note)
    if note is not None and further.get("like") is None and choices == Choices():
        found = _from_own(flat, classes, note)
        if found is not None:
            return found
    plan, rules = plan_graph(flat, choices, bits, further)
    tick_us, told = _tick(rules, further.get("tick_us"))
    names = _names(classes, plan)
    spec = _spec(plan, _name(graph, further.get("name")), tick_us, further.get("window", 0))
    arrays = [
        LayerArrays(layer.weights, layer.recurrent, layer.delays, layer.biases)
        for layer in plan.layers
    ]
    if spec.layers[-1].kind == "counts":
        arrays.append(LayerArrays())
    network = build_network(spec, names, arrays)
    assumptions = (
        *rules.assumptions, *told, *_input_sentences(plan), _output_sentence(spec),
        *_taught_sentences(spec, plan),
    )  # fmt: skip
    report = ImportReport(spec.name, tuple(layer.report for layer in plan.layers), assumptions)
    return network, report


def plan_graph(
    graph: Graph, choices: Choices, bits: int, further: Further
) -> tuple[Plan, Convention]:
    """Plan the layers of a graph without nested ones; see :func:`from_nir`."""
    rules = decide(graph, further.get("like"), choices)
    return make_plan(as_chain(graph), rules, bits, _shape(further.get("shape"))), rules


def check_speck(
    graph: Any, choices: Choices | None = None, bits: int = 8, **further: Unpack[Further]
) -> list[str]:
    """Tell, in sentences, which layers of a NIR graph do not fit Speck; none if all do.

    Parameters are as for :func:`from_nir`, and so are errors.
    """
    flat = flatten_graph(read_graph(graph))
    return speck_faults(plan_graph(flat, choices or Choices(), bits, further)[0])


def _from_own(
    graph: Graph, classes: Sequence[str], note: OwnNote
) -> tuple[Network, ImportReport] | None:
    """Build a network that this project exported, if its graph is as it was."""
    spec = note.spec
    try:
        # Resets and floors are the note's: here they decide nothing.
        rules = replace(decide(graph, None, Choices(note.dt, "zero", "none")), whole=True)
        plan = make_plan(as_chain(graph), rules, 8, None)
    except ModelError:
        return None
    arrays = own_arrays(spec, plan)
    if arrays is None:
        return None
    network = build_network(spec, classes or note.classes, arrays)
    told = ["Written by spikewire: settings that NIR does not carry are those of its note."]
    if spec.readout.answer != "output":
        told.append("The trained readout is not in the graph: the classes have to be taught.")
    layers = tuple(layer.report for layer in plan.layers)
    return network, ImportReport(spec.name, layers, tuple(told))


def _shape(given: Sequence[int] | None) -> Shape | None:
    if given is None:
        return None
    sizes = [int(n) for n in given]
    if len(sizes) != 3 or min(sizes) < 1:
        raise ModelError(f"shape is {given!r:.80}; needed are channels, rows and columns.")
    return sizes[0], sizes[1], sizes[2]


def _tick(rules: Convention, given: int | None) -> tuple[int, list[str]]:
    """Return the microseconds of a tick."""
    if given is not None:
        return given, []
    if rules.like in ("", "norse", "rockpool") and rules.dt < 1:
        real = round(rules.dt * 1e6)
        if real >= 1:
            return real, [f"A tick is {real:,} us of event time: dt."]
    why = "the graph's dt is no real time" if rules.like else "the graph does not tell"
    return DEFAULT_TICK_US, [f"A tick is {DEFAULT_TICK_US:,} us of event time by default: {why}."]


def _names(classes: Sequence[str], plan: Plan) -> list[str]:
    outputs = plan.layers[-1].shape
    count = outputs[0] * outputs[1] * outputs[2]
    if isinstance(classes, str):
        raise ModelError("classes is one text; a list of names is needed.")
    if not classes:
        if count > 1024:
            raise ModelError(f"The graph has {count:,} outputs; allowed are 1,024 classes.")
        return [f"class {n + 1}" for n in range(count)]
    if len(classes) != count:
        raise ModelError(
            f"{len(classes)} classes are named, and the graph has {count:,} outputs; name each."
        )
    return list(classes)


def _name(graph: Any, given: str | None) -> str:
    if given is not None:
        return given
    return Path(graph).stem if isinstance(graph, str | os.PathLike) else "nir"


def _spec(plan: Plan, name: str, tick_us: int, window: int) -> NetworkSpec:
    layers = [dict(layer.settings) for layer in plan.layers]
    if len(layers) > 1:
        layers[-2]["read"] = True
    elif layers[-1]["kind"] != "membranes":
        layers[-1]["read"] = True
    if layers[-1]["kind"] != "membranes":
        layers.append(
            {
                "kind": "counts",
                "channels": plan.layers[-1].shape[0],
                "decay_u": 4096,
                "decay_v": _fading(window),
                "exponent": COUNTS_EXPONENT,
                "refractory_ticks": 0,
                "reset": "none",
                "plastic": False,
                "read": False,
            }
        )
    channels, rows, columns = plan.input
    return NetworkSpec.from_dict(
        {
            "name": name,
            "width": columns,
            "height": rows,
            "polarities": channels,
            "tick_us": tick_us,
            "layers": [LayerSpec(**layer) for layer in layers],
            "learning": LearningSpec(period=0),
            "readout": READOUT,
        }
    )


def _fading(window: int) -> int:
    if isinstance(window, bool) or not isinstance(window, int) or not 0 <= window <= MOST_WINDOW:
        raise ModelError(f"window is {window!r:.80}; allowed are 0 to {MOST_WINDOW:,} ticks.")
    return round(4096 / window) if window else 0


def _input_sentences(plan: Plan) -> list[str]:
    channels, rows, columns = plan.input
    if (channels, rows) == (1, 1):
        return [f"The input is a vector of {columns} units, in a row of the plane."]
    found = [
        "Inputs are spikes: at most one per place, polarity and tick, however many events fall "
        "into it."
    ]
    if channels == 2:
        found.append("Channel 0 of the input is OFF events, channel 1 ON events.")
    return found


def _output_sentence(spec: NetworkSpec) -> str:
    last = spec.layers[-1]
    if last.kind == "membranes":
        return "Scores are the membranes of the outputs."
    if last.decay_v:
        return "Scores are the spikes of the outputs, counted, and fade with time."
    return "Scores are the spikes of the outputs, counted from the beginning or the last reset."


def _taught_sentences(spec: NetworkSpec, plan: Plan) -> list[str]:
    """Tell which layer teaches classes that are added, if one can."""
    return [
        f"Classes that are added are taught to a readout of layer {planned.report.name} "
        f"({planned.report.kind}); what was read stays as it is."
        for layer, planned in zip(spec.layers, plan.layers, strict=False)
        if layer.read
    ]
