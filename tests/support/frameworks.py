"""Small random networks built in other frameworks: their graphs, and what they compute.

Usage: `python -m tests.support.frameworks` prints the table of docs/interop.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire import EVENT_DTYPE, Network, from_nir

STEPS, INPUTS, HIDDEN, OUTPUTS = 300, 40, 60, 20
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Weights of the layers, [to, from], and spikes of the input, [step, unit]."""

    weights: list[Floats]
    inputs: npt.NDArray[np.bool_]


def draw(seed: int, sizes: tuple[int, ...] = (OUTPUTS,), grid: bool = True) -> Drawn:
    """Draw a network of layers of ``sizes``, with whole 128ths (``grid``) or any numbers."""
    rng = np.random.default_rng(seed)
    shapes = zip(sizes, (INPUTS, *sizes[:-1]), strict=True)
    weights = [rng.uniform(-60, 100, shape) / 128 for shape in shapes]
    if grid:
        weights = [np.round(weight * 128) / 128 for weight in weights]
    inputs = rng.random((STEPS, INPUTS)) < 0.2
    inputs[[0, -1]] = True
    return Drawn(weights, inputs)


def _linear(torch: Any, weight: Floats) -> Any:
    made = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight.data = torch.tensor(weight, dtype=torch.float32)
    return made


def _sequence(torch: Any, drawn: Drawn, neurons: Callable[[int], Any]) -> list[Any]:
    parts = []
    for weight in drawn.weights:
        parts += [_linear(torch, weight), neurons(len(weight))]
    return parts


def _steps(torch: Any, net: Callable[[Any], Any], drawn: Drawn) -> Floats:
    """Run a network that takes one step, and keeps its state."""
    found = []
    for row in drawn.inputs:
        out = net(torch.tensor(row, dtype=torch.float32)[None])
        found.append((out[0] if isinstance(out, tuple) else out)[0].detach().numpy())
    return np.array(found)


def _snntorch(torch: Any, drawn: Drawn, cell: str) -> tuple[Any, Floats]:
    import snntorch
    from snntorch.export_nir import export_to_nir

    def neurons(count: int) -> Any:
        values = {"beta": torch.full((count,), 0.9), "threshold": torch.full((count,), 5.0)}
        if cell == "Synaptic":
            values = {**values, "alpha": torch.full((count,), 0.8)}
            values["threshold"] *= 4
        return getattr(snntorch, cell)(**values, init_hidden=True)

    net = torch.nn.Sequential(*_sequence(torch, drawn, neurons))
    graph = export_to_nir(net, torch.zeros(INPUTS))
    for part in net:
        if hasattr(part, "reset_mem"):
            part.reset_mem()
    return graph, _steps(torch, net, drawn)


def _norse(torch: Any, drawn: Drawn, cell: str) -> tuple[Any, Floats]:
    import norse.torch as norse

    parameters = {
        "LIFBoxCell": norse.LIFBoxParameters, "LIFCell": norse.LIFParameters, "IAFCell": None,
    }[cell]  # fmt: skip

    def neurons(count: int) -> Any:
        level = torch.full((count,), {"IAFCell": 5.0, "LIFCell": 2.0}.get(cell, 0.5))
        if parameters is None:
            return norse.IAFCell(norse.IAFParameters(v_th=level))
        values = {"tau_mem_inv": torch.full((count,), 100.0), "v_th": level}
        if cell == "LIFCell":
            values["tau_syn_inv"] = torch.full((count,), 200.0)
        return getattr(norse, cell)(parameters(**values, v_leak=torch.zeros(count)))

    net = norse.SequentialState(*_sequence(torch, drawn, neurons))
    graph = norse.to_nir(net, torch.zeros(INPUTS))
    found, state = [], None
    for row in drawn.inputs:
        out, state = net(torch.tensor(row, dtype=torch.float32)[None], state)
        found.append(out[0].detach().numpy())
    return graph, np.array(found)


def _spikingjelly(torch: Any, drawn: Drawn, cell: str) -> tuple[Any, Floats]:
    from spikingjelly.activation_based import functional, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def neurons(count: int) -> Any:
        if cell == "IFNode":
            return neuron.IFNode(v_threshold=5.0)
        values = {"tau": 4.0} if cell == "LIFNode" else {"init_tau": 4.0}
        return getattr(neuron, cell)(**values, v_threshold=0.6, v_reset=0.0)

    net = torch.nn.Sequential(*_sequence(torch, drawn, neurons)).eval()
    graph = export_to_nir(net, torch.zeros(1, INPUTS))
    functional.reset_net(net)
    return graph, _steps(torch, net, drawn)


def _sinabs(torch: Any, drawn: Drawn, cell: str) -> tuple[Any, Floats]:
    import sinabs.layers
    from sinabs.nir import to_nir

    def neurons(count: int) -> Any:
        if cell == "IAFSqueeze":
            return sinabs.layers.IAFSqueeze(batch_size=1, spike_threshold=5.0, min_v_mem=-5.0)
        return sinabs.layers.LIFSqueeze(batch_size=1, tau_mem=20.0, spike_threshold=0.5)

    net = torch.nn.Sequential(*_sequence(torch, drawn, neurons))
    graph = to_nir(net, torch.zeros(3, INPUTS))
    for part in net:
        if hasattr(part, "reset_states"):
            part.reset_states()
    return graph, net(torch.tensor(drawn.inputs, dtype=torch.float32)).detach().numpy()


def _rockpool(torch: Any, drawn: Drawn, cell: str) -> tuple[Any, Floats]:
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import torch as modules
    from rockpool.nn.modules.torch.nir import to_nir

    neurons = getattr(modules, cell)
    parts = []
    for weight in drawn.weights:
        to = torch.tensor(weight.T, dtype=torch.float32)
        parts += [
            modules.LinearTorch(weight.T.shape, weight=to),
            neurons(len(weight), tau_mem=0.02, tau_syn=0.01, threshold=20.0, dt=1e-3),
        ]
    net = Sequential(*parts)
    graph = to_nir(net)
    out = net(torch.tensor(drawn.inputs[None], dtype=torch.float32))[0]
    return graph, out[0].detach().numpy()


CASES: dict[tuple[str, str], Callable[[Any, Drawn, str], tuple[Any, Floats]]] = {
    ("snntorch", "Leaky"): _snntorch,
    ("snntorch", "Synaptic"): _snntorch,
    ("norse", "LIFBoxCell"): _norse,
    ("norse", "LIFCell"): _norse,
    ("norse", "IAFCell"): _norse,
    ("spikingjelly", "IFNode"): _spikingjelly,
    ("spikingjelly", "LIFNode"): _spikingjelly,
    ("spikingjelly", "ParametricLIFNode"): _spikingjelly,
    ("sinabs", "LIFSqueeze"): _sinabs,
    ("sinabs", "IAFSqueeze"): _sinabs,
    ("rockpool", "LIFTorch"): _rockpool,
}


def torch_for(framework: str) -> Any:
    """Return torch, or the name of what is not installed."""
    # Imported by Rockpool, a part of Sinabs tries to install another package.
    os.environ["PIP_NO_INDEX"] = "1"
    for module in ("torch", "nir", "nirtorch", framework):
        if importlib.util.find_spec(module) is None:
            return module
    return importlib.import_module("torch")


def spikes_of(network: Network, inputs: npt.NDArray[np.bool_], layer: int) -> npt.NDArray[Any]:
    """Run an imported network on spikes of a vector; return a layer's: [step, unit]."""
    t, x = np.nonzero(inputs)
    events = np.zeros(len(t), EVENT_DTYPE)
    events["t"], events["x"], events["p"] = t * network.tick_us, x, 1
    return network.run(events, spikes=[layer]).spikes[layer][: len(inputs)]


@dataclass(frozen=True, slots=True)
class Compared:
    """Output bits that differ, of how many; spikes, and the most of a neuron in a step."""

    wrong: int
    bits: int
    spikes: int
    most: int


def compare(framework: str, cell: str, drawn: Drawn, torch: Any) -> Compared:
    """Build, export, import and run a network in both worlds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph, wanted = CASES[framework, cell](torch, drawn, cell)
    network, _ = from_nir(graph, like=framework)
    found = spikes_of(network, drawn.inputs, len(drawn.weights) - 1)
    wrong = int((found != wanted).sum())
    return Compared(wrong, wanted.size, int(wanted.sum()), int(wanted.max()))


def main() -> None:
    """Print the table."""
    for framework, cell in CASES:
        torch = torch_for(framework)
        if isinstance(torch, str):
            print(f"| {framework} | `{cell}` | {torch} is not installed | |")
            continue
        row = []
        for sizes, grid in (((OUTPUTS,), True), ((HIDDEN, OUTPUTS), True), ((OUTPUTS,), False)):
            found = [compare(framework, cell, draw(n, sizes, grid), torch) for n in range(3)]
            row.append(", ".join(str(one.wrong) for one in found))
        shown = f"{found[0].spikes:,}, {found[0].most}"
        print(f"| {framework} | `{cell}` | {shown} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
