"""The ledger knows every array, and its count follows the widths."""

from __future__ import annotations

import dataclasses

from spikewire.qcore import Network, Widths, bytes_by_kind, load_preset, paper_bits, paper_code_bits
from spikewire.qcore.accounting.memory import KINDS
from spikewire.qcore.kernels import layout


def test_every_array_of_the_layout_has_a_kind() -> None:
    known = {column for kind in KINDS.values() for column in kind[3]}
    # AT_FEATURES points into the readout's features, which AT_FEATURE places.
    assert {name for name in vars(layout) if name.startswith("AT_")} == known | {"AT_FEATURES"}


def test_the_count_follows_the_widths() -> None:
    spec = load_preset("schaefer2020")
    base = paper_bits(Network.build(spec, ["a"]))
    narrow = dataclasses.replace(spec, widths=Widths(weight=4))
    assert base.bits - paper_bits(Network.build(narrow, ["a"])).bits == 4 * 1_210_496
    full = dataclasses.replace(spec, widths=Widths(refractory=24))
    units = 14_400 + 21_632 + 3_200
    assert paper_bits(Network.build(full, ["a"])).bits - base.bits == 22 * units


def test_layers_that_do_not_learn_count_what_they_have() -> None:
    network = Network.build(load_preset("edge"), ["a", "b"])
    names = {item.name for item in paper_bits(network).items if item.numbers}
    assert names == {"weights", "R", "U"}
    assert paper_code_bits(network) is None
    assert "collected gradients" not in [
        kind.name for kind in bytes_by_kind(network) if kind.size > 4096
    ]


def test_growing_by_a_class_shows() -> None:
    network = Network.build(load_preset("paper"), ["a", "b"])
    before = {kind.name: kind.size for kind in bytes_by_kind(network)}
    network.add_class("c")
    after = {kind.name: kind.size for kind in bytes_by_kind(network)}
    units = 14_400 + 21_632 + 3_200
    assert after["readout matrices"] - before["readout matrices"] == 2 * units
    assert after["weights"] == before["weights"]
