"""An imported network live: it answers by its own output, and learns a class beside it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import BlockingClient, Network, from_lava_dl, from_nir
from spikewire.qcore import ImportReport
from tests.support.net_files import NEURON, write_net
from tests.support.nir_files import affine, chain, conv2d, integrate, pool, write_graph
from tests.support.patience import patience

LIMIT_S = patience(40)
CLASSES = ("left", "right", "still")


def write_gesture_net(path: Path) -> Path:
    """Write a small network for a camera of 128x128, with drawn weights."""
    rng = np.random.default_rng(7)

    def layer(kind: str, shape: list[int], weight: Any, **more: Any) -> dict[str, Any]:
        return {"type": kind, "shape": shape, "weight": 2.0 * weight, "neuron": NEURON, **more}

    square = {"padding": [0, 0], "dilation": [1, 1], "groups": 1}
    return write_net(path, [
        {"type": "input", "shape": [2, 128, 128]},
        layer("pool", [2, 16, 16], np.full((1, 1, 8, 8, 1), 20.0), kernelSize=[8, 8],
              stride=[8, 8], **square),
        layer("conv", [8, 7, 7], rng.integers(-15, 30, (8, 2, 4, 4)), kernelSize=[4, 4],
              stride=[2, 2], **square),
        {"type": "flatten", "shape": [392, 1, 1]},
        layer("dense", [40, 1, 1], rng.integers(-30, 33, (40, 392))),
        layer("dense", [3, 1, 1], rng.integers(-60, 60, (3, 40))),
    ])  # fmt: skip


def write_gesture_graph(path: Path) -> Path:
    """Write a small NIR graph for a camera of 128x128, with drawn weights."""
    rng = np.random.default_rng(7)
    return write_graph(path, chain(
        pool("SumPool2d", 8), conv2d(rng.uniform(-0.1, 0.2, (8, 2, 4, 4)), stride=[2, 2]),
        integrate(), ("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": [8, 7, 7]}),
        affine(rng.uniform(-0.1, 0.11, (40, 392))), integrate(),
        affine(rng.uniform(-0.4, 0.4, (3, 40))), integrate(), shape=(2, 128, 128),
    ))  # fmt: skip


def _from_net(folder: Path) -> tuple[Network, ImportReport]:
    return from_lava_dl(write_gesture_net(folder / "net.net"), classes=CLASSES)


def _from_graph(folder: Path) -> tuple[Network, ImportReport]:
    path = write_gesture_graph(folder / "net.nir")
    return from_nir(path, CLASSES, like="sinabs", window=300)


@pytest.mark.slow
@pytest.mark.parametrize("made", [_from_net, _from_graph], ids=["lava-dl", "NIR"])
def test_a_class_is_taught_live_to_an_imported_network(
    tmp_path: Path, made: Callable[[Path], tuple[Network, ImportReport]]
) -> None:
    imported, report = made(tmp_path)
    assert re.search(r"taught to a readout of layer .+ \(dense", report.lines()[-1])
    model, saved = tmp_path / "imported.model", tmp_path / "saved"
    imported.save(model)
    command = ["run", "--source", "sim:?seed=3", "--speed", "4", "--model", str(model), "--port",
               "0", "--checkpoint", str(saved), "--json"]  # fmt: skip
    seen: list[str | None] = []
    with subprocess.Popen(
        [sys.executable, "-m", "spikewire", *command], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            port = int(json.loads(server.stdout.readline())["port"])
            with BlockingClient(port=port, subscribe=["result"], timeout_s=LIMIT_S) as client:
                # The simulated camera's gestures come behind.
                assert client.hello["classes"][:3] == list(CLASSES)
                for n, message in enumerate(client):
                    seen.append(message["class"])
                    if n == 50:
                        client.teach("wave")
                    if n > 60 and seen[-30:].count("wave") == 30:
                        break
                    assert n < 2000
                client.teach(None)
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=LIMIT_S)
        finally:
            server.kill()
    # Its own classes came first, one by one as its outputs said.
    assert set(seen[:50]) & set(CLASSES)
    assert "wave" not in seen[:50]
    learned = Network.load(max(saved.glob("checkpoint-*.safetensors")))
    assert learned.classes[:3] == CLASSES
    assert learned.classes[-1] == "wave"
    assert learned.updates > 0
    for was, now in zip(imported.layers, learned.layers, strict=True):
        assert now.weights.tolist() == was.weights.tolist()
        assert now.table.tolist() == was.table.tolist()
