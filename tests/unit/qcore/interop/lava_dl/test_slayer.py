"""Networks of SLAYER-Loihi from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import ModelError, from_slayer
from spikewire.qcore.interop.lava_dl.layer import LavaNeuron
from spikewire.qcore.interop.lava_dl.slayer_folder import pool_weight
from tests.support.net_files import spikes_of, tick_by_tick

YAML = """
simulation:
    Ts: 1.0
    tSample: 1450
neuron:
    type:     LOIHI
    vThMant:  80 # 5
    vDecay:   128
    iDecay:   1024
    refDelay: 1
    wgtExp:   0
    tauRho:   1     # relative to theta
training:
    error:
        type: NumSpikes #ProbSpikes
"""
LAYERS = "16x12x2 2a 4c3z 2a 6 3"


def write_folder(folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    trained = folder / "Trained"
    trained.mkdir(parents=True)
    (folder / "network.yaml").write_text(YAML)
    weights: dict[str, Any] = {
        "conv1": 2 * rng.integers(-20, 40, (4, 2, 3, 3)),
        "fc1": 2 * rng.integers(-20, 40, (6, 48)), "fc2": 2 * rng.integers(-20, 40, (3, 6)),
    }  # fmt: skip
    np.savetxt(trained / "conv1.txt", weights["conv1"].reshape(-1), fmt="%g")
    np.save(trained / "NMNISTfc1.npy", weights["fc1"].reshape(-1).astype(np.float32))
    np.save(trained / "fc2Weights.npy", weights["fc2"][:, :, None, None, None])
    np.savetxt(trained / "pool1.txt", np.full(4, 28.0), fmt="%g")
    (trained / "loss.txt").write_text("#Train Test\n")
    return weights


def test_a_folder_becomes_the_network_that_slayer_trained(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    weights = write_folder(tmp_path / "net", rng)
    network, report = from_slayer(tmp_path / "net", classes=("a", "b", "c"), layers=LAYERS)
    assert [layer.delay for layer in network.spec.layers] == [0, 1, 1, 1, 1, 1]
    assert (network.input_size, network.tick_us) == ((16, 12), 1000)
    assert network.layers[4].units == (1, 1, 3)
    for n, name in ((1, "conv1"), (3, "fc1"), (4, "fc2")):
        told, used = weights[name], network.layers[n].weights.astype(int)
        told = told.reshape(told.shape[0], *network.layers[n].inputs[2:], *used.shape[1:3])
        used = used << (network.spec.layers[n].exponent - 6)
        assert (used == told.transpose(1, 2, 3, 0)).all()
    assert "network.yaml" in str(report.lines())
    planes = rng.random((12, 16, 2, 60)) < 0.1
    for _ in tick_by_tick(network, spikes_of(planes), 60):
        pass
    assert network.layers[5].membrane.max() > 0


def test_layers_may_stand_in_the_description(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    write_folder(folder, np.random.default_rng(5))
    dims = [f"  - {{dim: {dim}}}" for dim in LAYERS.split()]
    dims[2] = "  - {dim: 4c3z, wScale: 0.5, padding: 0}  # smaller"
    (folder / "network.yaml").write_text(YAML + "layer:\n" + "\n".join(dims) + "\n")
    np.save(folder / "Trained" / "NMNISTfc1.npy", np.zeros((6, 4 * 2 * 3)))
    np.save(folder / "Trained" / "delay1.npy", np.array([0, 5.5, 62, 1]))
    network, _ = from_slayer(folder, classes=("a", "b", "c"))
    assert network.layers[1].units == (4, 6, 4)
    assert network.layers[2].delays[0, 0].tolist() == [0, 5, 62, 1]


def test_pools_without_a_file_have_slayers_weight() -> None:
    # slayerPytorch's gesture example wrote 28 for these neurons.
    assert pool_weight(LavaNeuron(1024, 128, 80)) == 28


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": None}, "with the option layers"),
        ({"layers": "2a 4c3z"}, "has to be the input"),
        ({"layers": "16x12x2 4k3"}, "none that SLAYER has"),
        ({"layers": "16x12x2 5c3z 3"}, "72 weights for 5 outputs"),
        ({"layers": "16x12x2 2a 4c3z 2a 6 3 3"}, "no fc3.npy"),
        ({"layers": "16x12x2 4c5z 3"}, "kernels of 5x5"),
        ({"layers": "16x12x2 0a"}, "impossible number"),
        ({"classes": ("a",)}, "3 outputs"),
        ({"description": "other.yaml"}, "cannot be read"),
        ({"yaml": YAML.replace("iDecay", "iDelay")}, "without iDecay"),
        ({"yaml": YAML.replace("LOIHI", "SRMALPHA")}, "'SRMALPHA'"),
        ({"yaml": YAML.replace("Ts: 1.0", "")}, "the option tick_us"),
        ({"yaml": YAML.replace("Ts: 1.0", "Ts: no")}, "no positive number"),
        ({"conv1.txt": "1 2\nx"}, "no array of numbers"),
        ({"fc2Weights.npy": "x"}, "no array of numbers"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    folder = tmp_path / "net"
    write_folder(folder, np.random.default_rng(5))
    told: dict[str, Any] = {"classes": ("a", "b", "c"), "layers": LAYERS}
    for name, value in change.items():
        if name == "yaml":
            (folder / "network.yaml").write_text(value)
        elif "." in name:
            (folder / "Trained" / name).write_text(value)
        else:
            told[name] = value
    with pytest.raises(ModelError, match=words):
        from_slayer(folder, **told)


def test_folders_without_a_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no folder"):
        from_slayer(tmp_path / "none", classes=("a",))
    empty = tmp_path / "deep" / "empty"
    empty.mkdir(parents=True)
    with pytest.raises(ModelError, match=r"no description of the network, network\.yaml"):
        from_slayer(empty, classes=("a",))
    (empty / "network.yaml").write_text(YAML)
    with pytest.raises(ModelError, match=r"no weights, such as conv1\.npy"):
        from_slayer(empty, classes=("a",), layers="4x4x1 3")
