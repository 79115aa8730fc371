"""lava-dl's own networks and what they compute: not one bit differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import from_lava_dl
from spikewire.qcore import SpikeProbe
from tests.support.net_files import spikes_of, tick_by_tick, write_net

LAYERS = ("conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2")


def as_map(array: Any) -> Any:
    """Turn lava's [x, y, channel] or [unit] to [row, column, channel]."""
    return array.transpose(1, 0, 2) if array.ndim == 3 else array.reshape(1, 1, -1)


def pilotnet_differences(folder: Path, steps: int) -> tuple[list[int], list[int]]:
    """Count differing and compared spikes, currents and membranes of ``steps`` steps."""
    truth = np.load(folder / "truth.npz")
    arrays = {name: truth[name] for name in truth.files}
    # The state of layer k is reset at steps k and 17 + k.
    network, _ = from_lava_dl(folder / "network.net", classes=("angle",), reset_every=17)
    events = spikes_of(arrays["input"].transpose(1, 0, 2, 3))
    wrong, compared = [0, 0, 0], [0, 0, 0]
    for step in tick_by_tick(network, events, steps):
        for view, name in zip(network.layers, LAYERS, strict=False):
            fired = as_map(arrays[name][..., step])
            pairs = [(view.spikes, fired)]
            if f"{name}-u" in arrays:
                # Where a neuron spikes the file holds no membrane.
                v = np.where(fired, 0, as_map(arrays[f"{name}-v"][..., step]))
                pairs += [(view.current, as_map(arrays[f"{name}-u"][..., step])),
                          (view.membrane, v)]  # fmt: skip
            for n, (ours, theirs) in enumerate(pairs):
                wrong[n] += int((ours != theirs).sum())
                compared[n] += ours.size
    return wrong, compared


def test_the_first_layers_of_pilotnet_are_lavas(data_dir: Path) -> None:
    wrong, compared = pilotnet_differences(data_dir / "interop" / "lava_pilotnet", 4)
    assert wrong == [0, 0, 0]
    assert compared == [475_632, 171_504, 171_504]


@pytest.mark.slow
def test_pilotnet_is_lavas_in_every_bit(data_dir: Path) -> None:
    wrong, compared = pilotnet_differences(data_dir / "interop" / "lava_pilotnet", 24)
    assert wrong == [0, 0, 0]
    assert compared == [2_853_792, 1_029_024, 1_029_024]


def test_tinynet_is_lavas_in_every_bit(data_dir: Path) -> None:
    folder = data_dir / "interop" / "lava_tinynet"
    truth = np.load(folder / "truth.npz")
    classes = tuple(str(k) for k in range(36))
    # Layer k takes the truth's step t in tick t + k, and begins with step 1.
    network, report = from_lava_dl(
        folder / "network.net", classes=classes, reset_every=17, reset_at=1
    )
    wrong = compared = 0
    events = spikes_of(truth["input"][0].transpose(1, 2, 0, 3))
    for tick in tick_by_tick(network, events, 18):
        for k, name in ((1, "layer1"), (2, "output")):
            if 1 <= tick - k < 16:
                theirs = truth[name][0].transpose(1, 2, 0, 3)[..., tick - k]
                wrong += int((network.layers[k - 1].spikes != theirs).sum())
                compared += theirs.size
    assert (wrong, compared) == (0, 13_500)
    assert all(layer.weight_error == layer.decay_error == 0 for layer in report.layers)


def test_a_dense_layer_is_lavas_in_every_bit(data_dir: Path, tmp_path: Path) -> None:
    truth = np.load(data_dir / "interop" / "lava_dense" / "truth.npz")
    neuron = {"type": b"CUBA", "iDecay": 4096, "vDecay": 415, "vThMant": 6, "refDelay": 1}
    layer = {"type": "dense", "shape": [256], "weight": truth["weight"].astype(float),
             "neuron": neuron}  # fmt: skip
    path = write_net(tmp_path / "dense.net", [{"type": "input", "shape": [200]}, layer])
    network, _ = from_lava_dl(path, classes=[str(k) for k in range(256)])
    probe = SpikeProbe((np.arange(256), np.arange(0)), 2000)
    events = spikes_of(truth["in"][None, :, None, :])
    fired = network.advance(events, 2000, probe=probe).fired[0]
    # The input's first step acts in the second.
    differ = fired[1:] != truth["out"].T[1:]
    assert (int(differ.sum()), differ.size) == (0, 511_744)
