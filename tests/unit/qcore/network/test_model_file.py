"""Model files: continued bit for bit, those of older versions too, and refused in sentences."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from spikewire.qcore import ModelError, Network
from tests.unit.qcore.network.old_model import OLD_MODEL
from tests.unit.qcore.network.test_network import build, draw, same


def test_a_model_of_the_old_version_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Expected values come from the program that wrote it. A checkpoint is such a file, too."""
    network = Network.from_bytes(OLD_MODEL)
    assert network.to_bytes() == OLD_MODEL
    assert (network.classes, network.tick) == (("a", "b", "c"), 150)
    steps = network.advance(draw(np.random.default_rng(4), range(150, 230), 300, (6, 5)), 230,
                            label=1, learn=True)  # fmt: skip
    assert network.updates == 4142
    assert steps.scores.sum(0).tolist() == [-174205, 2162986, 714813]
    assert steps.spikes.sum(0).tolist() == [38, 121, 46]
    digest = hashlib.sha256(network.to_bytes()).hexdigest()
    assert digest == "085c81230dc835c3673c78cbd6fbf9935c49e66294f4d12e6d8409e365c401e3"
    (tmp_path / "old.model").write_bytes(OLD_MODEL)
    assert Network.load(tmp_path / "old.model").to_bytes() == OLD_MODEL


def test_damaged_model_files_are_refused_in_sentences(tmp_path: Path) -> None:
    network = build()
    data = network.to_bytes()
    for cut in (0, 7, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(ModelError, match=r"cut short|damaged"):
            Network.from_bytes(data[:cut], "x")
    with pytest.raises(ModelError, match="version 9"):
        Network.from_bytes(data.replace(b'\\"version\\": 4', b'\\"version\\": 9'), "x")
    with pytest.raises(ModelError, match="cannot be read"):
        Network.load(tmp_path / "none")
    with pytest.raises(ModelError, match="no model file"):
        Network.from_bytes(b"\x08\0\0\0\0\0\0\0notjson!", "x")
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(data[:8], "little")
    survived = 0
    nothing = draw(rng, range(1), 0, (8, 7))
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(header, len(data), 20):
            broken[place] ^= int(rng.integers(1, 256))
        try:
            loaded = Network.from_bytes(bytes(broken), "x")
        except ModelError:
            continue
        # What loads must also run: weights may be anything, tables may not.
        survived += 1
        loaded.advance(nothing, loaded.tick + 3)
    assert survived > 0


def test_a_saved_learner_continues_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    first, second = (draw(rng, range(s, s + 100), 800, (8, 7)) for s in (0, 100))
    straight = build()
    straight.advance(first, 100, label=0, learn=True)
    straight.save(tmp_path / "model.safetensors")
    resumed = Network.load(tmp_path / "model.safetensors")
    assert same(straight, resumed)
    for network in (straight, resumed):
        network.advance(second, 200, label=2, learn=True)
    assert same(straight, resumed)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
