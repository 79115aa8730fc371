"""Networks of lava-dl and SLAYER-Loihi become networks of this project, bit for bit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from spikewire._names import name_fault
from spikewire.qcore.errors import ModelError, SpecError
from spikewire.qcore.interop.lava_dl.layer import LavaLayer
from spikewire.qcore.interop.lava_dl.net_file import read_net
from spikewire.qcore.interop.lava_dl.plan import LavaOptions, LavaPlan, LavaSettings, check_kinds
from spikewire.qcore.interop.lava_dl.slayer_folder import read_folder
from spikewire.qcore.interop.report import ImportReport
from spikewire.qcore.network.arrays import build_network
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.network import Network
from spikewire.qcore.network.spec import NetworkSpec, ReadoutSpec

TAUGHT = ReadoutSpec(
    every=5, slow=6, shift=14, last_shift=19, slots=18, replays=6, target=1 << 17, answer="output"
)
"""The trained readout on top of an imported network, for classes that are added."""


def from_lava_dl(
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str],
    layers: int | None = None,
    tick_us: int | None = None,
    input_layer: str = "skip",
    input_shape: tuple[int, int, int] | None = None,
    **options: Unpack[LavaSettings],
) -> tuple[Network, ImportReport]:
    """Read a network of lava-dl from its ``.net`` file.

    It computes the same spikes, currents and membranes as lava's fixed-point models, bit for bit,
    as long as no current passes 24 bits.

    Parameters
    ----------
    path
        The file. It is read with h5py alone.
    classes
        Names of the outputs, one each.
    layers
        How many entries of the file to read; by default all.
    tick_us
        Length of a step in microseconds, where the file has no ``simulation/Ts`` in milliseconds.
    input_layer
        What to do with an input layer that has neurons, which turn images into spikes: "skip" it,
        so that events are its spikes, or feed events through its "neurons".
    input_shape
        (channels, rows, columns) of the input, where the file does not say.
    **options
        Delays, resets, readout and rounding: the fields of :class:`LavaOptions`.

    Returns
    -------
    network
        The network. Classes can be added to it and taught; what was read stays as it is.
    report
        What became of each layer, and a sentence for each assumption.

    Raises
    ------
    ModelError
        If the file cannot be read, a layer is not supported, or it does not say what it has to.
    """
    path = Path(path)
    found, step_ms = read_net(path)
    if layers is not None:
        found = found[: max(layers, 0)]
    source = _Source(path.stem, found, _tick(tick_us, step_ms), [])
    return _network(source, classes, input_layer, input_shape, LavaOptions(**options))


def from_slayer(
    folder: str | os.PathLike[str],
    *,
    classes: Sequence[str],
    layers: str | None = None,
    description: str | os.PathLike[str] | None = None,
    tick_us: int | None = None,
    **options: Unpack[LavaSettings],
) -> tuple[Network, ImportReport]:
    """Read a network of SLAYER-Loihi from its weights and description.

    Parameters
    ----------
    folder
        The folder with ``conv1.npy``, ``fc1.txt`` and so on, or one above their ``Trained``.
    classes
        Names of the outputs, one each.
    layers
        The layers as SLAYER names them, where the description does not list them:
        ``"128x128x2 4a 16c5z 2a 32c3z 2a 512 11"``.
    description
        The YAML file of the neurons, where it is not found.
    tick_us
        Length of a step in microseconds, where the description has no ``Ts`` in milliseconds.
    **options
        Delays, resets, readout and rounding: the fields of :class:`LavaOptions`. By default the
        first layer takes events as they come, and each other layer one step later.

    Returns
    -------
    network, report
        As :func:`from_lava_dl`.

    Raises
    ------
    ModelError
        If something is missing, damaged or not supported.
    """
    folder = Path(folder)
    told: LavaSettings = {"first_delay": 0, **options}
    named = None if description is None else Path(description)
    found, step_ms, said = read_folder(folder, layers, named)
    source = _Source(folder.resolve().name, found, _tick(tick_us, step_ms), said)
    return _network(source, classes, "skip", None, LavaOptions(**told))


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read: a name, the layers, the step in microseconds, and sentences."""

    name: str
    layers: list[LavaLayer]
    tick_us: int
    said: list[str]


def _tick(tick_us: int | None, step_ms: float | None) -> int:
    if tick_us is None and step_ms is None:
        raise ModelError(
            "It is not said how long a step is: give its microseconds with the option tick_us."
        )
    return tick_us if tick_us is not None else max(round(1000 * (step_ms or 1)), 1)


def _network(
    source: _Source,
    classes: Sequence[str],
    input_layer: str,
    input_shape: tuple[int, int, int] | None,
    options: LavaOptions,
) -> tuple[Network, ImportReport]:
    check_kinds(source.layers)
    first, *others = source.layers
    body = others if first.kind == "input" else source.layers
    said = [*source.said, f"A step is {source.tick_us:,} us of event time."]
    plan = LavaPlan(options, _input_map(first, input_shape))
    shape = plan.shape
    if first.kind == "input" and first.neuron is not None:
        said.append(_enter_input(plan, first, input_layer))
    body = [layer for layer in body if layer.kind != "flatten"]
    for n, layer in enumerate(body):
        if layer.kind == "input":
            raise ModelError(f"{layer.name} is not the first layer.")
        plan.add(layer, last=n == len(body) - 1)
    if not plan.layers[-1].answers:
        plan.count_spikes()
    plan.read_deepest()
    said += _sentences(plan, options)
    try:
        spec = _spec(source, shape, plan)
        network = build_network(spec, classes, plan.arrays)
    except SpecError as error:
        raise ModelError(f"{source.name} does not fit this project's networks: {error}") from None
    if len(classes) != plan.shape[0]:
        raise ModelError(
            f"The network has {plan.shape[0]} outputs, and {len(classes)} names of classes."
        )
    return network, ImportReport(source.name, tuple(plan.reports), tuple(said))


def _spec(source: _Source, shape: tuple[int, int, int], plan: LavaPlan) -> NetworkSpec:
    name = source.name if name_fault(source.name) is None else "imported"
    spec = NetworkSpec(
        name=name, layers=tuple(plan.layers), width=shape[2], height=shape[1],
        polarities=shape[0], tick_us=source.tick_us, readout=TAUGHT,
        learning=LearningSpec(period=0, burn_in=100),
    )  # fmt: skip
    spec.check()
    return spec


def _input_map(first: LavaLayer, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Find the input's (channels, rows, columns)."""
    if given is not None:
        return given
    shape = first.shape if first.kind == "input" else ()
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    if len(shape) == 1:
        return 1, 1, shape[0]
    if first.kind == "dense" and first.weight is not None and np.ndim(first.weight) == 2:
        return 1, 1, first.weight.shape[1]
    raise ModelError(
        "It is not said how large the input is: give (channels, rows, columns) with the option "
        "input_shape."
    )


def _enter_input(plan: LavaPlan, first: LavaLayer, choice: str) -> str:
    """Add the neurons of an input layer, or leave them out; return a sentence."""
    if choice == "skip":
        return (
            "The input layer's neurons turn images into spikes; events take the place of their "
            "spikes (input_layer = 'neurons' feeds events through them)."
        )
    if choice != "neurons":
        raise ModelError(f"input_layer is {choice!r:.40}; allowed are 'skip' and 'neurons'.")
    weight = 64.0 if first.weight is None else float(np.asarray(first.weight).reshape(-1)[0])
    bias = 0.0 if first.bias is None else float(np.asarray(first.bias).reshape(-1)[0])
    # lava-dl's input block is driven by 2 weight x - weight + bias.
    neurons: Any = replace(
        first, kind="conv", weight=np.full((plan.shape[0], 1, 1, 1), 2 * weight),
        bias=np.array([bias - weight]), groups=plan.shape[0],
    )  # fmt: skip
    plan.add(neurons, last=False)
    return "Events drive the input layer's neurons, as x = 1 in lava-dl's 2 w x - w + b."


def _sentences(plan: LavaPlan, options: LavaOptions) -> list[str]:
    said = [
        f"Spikes of the input act {options.first_delay} steps later, those of each layer "
        f"{options.layer_delay} (first_delay, layer_delay).",
    ]
    if options.reset_every:
        said.append(
            f"The state of layer k (from 1) is reset in ticks {options.reset_at} + k modulo "
            f"{options.reset_every}."
        )
    else:
        said.append("The state of the neurons is never reset (reset_every).")
    last = plan.reports[-1]
    if plan.layers[-1].kind == "counts" or last.kind == "counts":
        fade = f"fade to a third in {options.window:,} ticks" if options.window else "never fade"
        said.append(f"The spikes of the outputs are counted; counts {fade} (window).")
    else:
        said.append("The membranes of the last layer answer, which never fires (readout).")
    read = next((n for n, layer in enumerate(plan.layers) if layer.read), None)
    if read is not None:
        said.append(
            f"Classes that are added are taught to a readout of {plan.reports[read].name}; what "
            "was read stays as it is."
        )
    return said
