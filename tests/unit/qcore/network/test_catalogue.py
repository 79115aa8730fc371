"""`Network.load` by every kind of name."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.qcore import (
    ModelError,
    Network,
    is_untrained,
    load_spec,
    preset_names,
    shipped_model,
    shipped_names,
)
from tests.unit.qcore.network.test_network import build

TOML = """
width = 8
height = 8
[[layers]]
kind = "dense"
channels = 4
"""


def test_a_shipped_network_is_loaded_by_its_name() -> None:
    assert shipped_names() == ["gestures"]
    network = Network.load("gestures")
    assert network.classes[0] == "hand_clapping"
    path = shipped_model("gestures")
    assert path is not None
    assert network.to_bytes() == path.read_bytes() == Network.load(path).to_bytes()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_built_with_its_classes(name: str) -> None:
    assert is_untrained(name)
    with pytest.raises(ModelError, match=f"The network {name} is not trained, and needs names"):
        Network.load(name)
    network = Network.load(name, ("a", "b"), seed=4)
    assert network.to_bytes() == Network.build(load_spec(name), ("a", "b"), 4).to_bytes()


def test_a_toml_file_is_read_like_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML, encoding="utf-8")
    for what in (file, str(file)):
        assert Network.load(what, ["a"]).spec.name == "mine"
    file.write_text("width = [", encoding="utf-8")
    with pytest.raises(ModelError, match=r"mine.toml is no preset: "):
        Network.load(file, ["a"])
    with pytest.raises(ModelError, match=r"none.toml is neither a preset \(edge, "):
        Network.load(tmp_path / "none.toml", ["a"])


def test_a_model_file_keeps_its_classes_and_gains_others(tmp_path: Path) -> None:
    path = tmp_path / "edge"  # a path is a file, whatever its name is
    build().save(path)
    assert Network.load(path).classes == ("a", "b", "c")
    assert Network.load(str(path), ("c", "d")).classes == ("a", "b", "c", "d")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    says = (
        r"The model huge cannot be read: No such file.*gestures, edge, edge10, edge10l, edge10t, nm"
    )
    with pytest.raises(ModelError, match=says):
        Network.load("huge")
