"""The lines of docs/interop.md lead from each framework that is installed to a model file."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikewire
from spikewire import EVENT_DTYPE, Network

DOCUMENT = Path(__file__).parents[2] / "docs" / "interop.md"
NAMES = [f"class {n}" for n in range(5)]
MODULES = {
    "snnTorch": "snntorch",
    "Norse": "norse",
    "SpikingJelly": "spikingjelly",
    "Sinabs": "sinabs",
    "Rockpool": "rockpool",
}


def _blocks() -> dict[str, str]:
    text = DOCUMENT.read_text("utf-8")
    return dict(re.findall(r"^### (\w+)\n\n```python\n(.*?)```", text, re.M | re.S))


def _snntorch(torch: Any) -> Any:
    import snntorch

    neurons = snntorch.Leaky(beta=torch.full((5,), 0.9), threshold=torch.ones(5), init_hidden=True)
    return torch.nn.Sequential(torch.nn.Linear(20, 5), neurons)


def _norse(torch: Any) -> Any:
    import norse.torch

    return norse.torch.SequentialState(torch.nn.Linear(20, 5), norse.torch.LIFBoxCell())


def _spikingjelly(torch: Any) -> Any:
    from spikingjelly.activation_based import layer, neuron

    return torch.nn.Sequential(layer.Linear(20, 5), neuron.LIFNode(tau=4.0))


def _sinabs(torch: Any) -> Any:
    import sinabs.layers

    net = torch.nn.Sequential(torch.nn.Linear(20, 5), sinabs.layers.IAFSqueeze(batch_size=1))
    net(torch.zeros(3, 20))
    return net


def _rockpool(torch: Any) -> Any:
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules.torch import LIFTorch, LinearTorch

    return Sequential(LinearTorch((20, 5)), LIFTorch(5))


MAKERS: dict[str, Callable[[Any], Any]] = {
    "snnTorch": _snntorch, "Norse": _norse, "SpikingJelly": _spikingjelly, "Sinabs": _sinabs,
    "Rockpool": _rockpool,
}  # fmt: skip


def test_the_document_has_lines_for_every_framework() -> None:
    assert list(_blocks()) == list(MODULES)


@pytest.mark.parametrize("framework", MODULES)
@pytest.mark.filterwarnings("default")
def test_the_lines_lead_to_a_model(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch", "nirtorch", MODULES[framework]):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    torch: Any = importlib.import_module("torch")
    monkeypatch.chdir(tmp_path)
    places = {"net": MAKERS[framework](torch), "torch": torch, "names": NAMES}
    exec(_blocks()[framework], {**places, "spikewire": spikewire})
    network = Network.load("net.model")
    assert network.classes == tuple(NAMES)
    events = np.zeros(50, EVENT_DTYPE)
    events["t"], events["x"], events["p"] = np.arange(50) * 500, np.arange(50) % 20, 1
    assert network.run(events).scores.shape[1] == 5
