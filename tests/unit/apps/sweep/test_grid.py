"""Which networks a sweep compares, and the ones it refuses."""

from __future__ import annotations

import dataclasses

import pytest

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.sweep import grid
from spikewire.apps.sweep.ablation import PARTS, freeze, leave_out, read_without
from spikewire.apps.sweep.grid import Variation
from spikewire.qcore import LayerSpec, NetworkSpec, Widths, load_preset


def base(**widths: int) -> NetworkSpec:
    return NetworkSpec("tiny", (LayerSpec("conv", 8, reset="refractory"),), widths=Widths(**widths))


def test_one_width_after_the_other() -> None:
    varied = grid.read_vary(["weight=2,8", "trace=4-6,12"])
    found = grid.expand_grid("tiny", base(), varied)
    assert [str(one) for one in found] == [
        "base", "weight=2", "weight=8", "trace=4", "trace=5", "trace=6", "trace=12",
    ]  # fmt: skip
    assert [(one.spec.widths.p, one.spec.widths.q) for one in found[3:]] == [
        (4, 4), (5, 4), (6, 4), (12, 10),
    ]  # fmt: skip
    assert found[1].spec.widths == Widths(weight=2)
    assert found[2].spec == found[-1].spec == found[0].spec
    assert [one.spec.widths.q for one in grid.expand_grid("tiny", base(q=12), {"trace": [8]})] == [
        12,
        8,
    ]


def test_a_grid_combines_all() -> None:
    found = grid.expand_grid("tiny", base(), {"weight": [4, 6], "store": [6, 7]}, grid=True)[1:]
    assert {one.name for one in found} == {"weight,store"}
    assert [one.value for one in found] == ["4,6", "4,7", "6,6", "6,7"]
    assert str(found[1]) == "weight=4, store=7"
    assert (found[1].spec.widths.weight, found[1].spec.widths.store) == (4, 7)


def test_networks_are_told_apart_by_what_they_do() -> None:
    one = base()
    named = dataclasses.replace(one, name="other", description="other")
    assert grid.network_digest(one) == grid.network_digest(named)
    assert grid.network_digest(one) != grid.network_digest(base(error=5))
    assert grid.network_digest(one) != grid.network_digest(dataclasses.replace(one, tick_us=2000))


@pytest.mark.parametrize(
    ("spec", "given", "part"),
    [
        (base(store=6), "weight=4,8", "weight=8: weights of 8 bits are kept and learned in a"),
        (base(), "store=6", "store must be at least weight"),
        (base(), "store=17", "allowed are whole numbers from 8 to 16"),
        (base(), "weight=1-8", "weight=1: widths.weight is 1; allowed are whole numbers from 2"),
        (base(), "weight=9", "weight=9: widths.weight is 9; allowed are whole numbers from 2 to 8"),
        (base(), "weight=12", "widths.weight is 12; allowed are whole numbers from 2 to 8"),
        (base(), "trace=3", "trace=3: widths.p is 3; allowed are whole numbers from 4 to 15"),
        (base(), "refractory=9", "whole numbers from 1 to 8, and 24"),
        (base(), "weights=2", "there is no such width; there are trace, weight, store, q, p"),
        (base(), "weight", "'weight' is not WIDTH=BITS"),
        (base(), "weight=", "'' is neither a list"),
        (base(), "weight=a", "'a' is neither a list such as 2,4,8"),
        (base(), "weight=-3", "'-3' is neither"),
        (base(), "weight=8-2", "'8-2' is no range"),
        (base(), "weight=2-4,3", "names 3 twice"),
        (
            NetworkSpec("still", (LayerSpec("conv", 8, reset="zero", plastic=False),)),
            "trace=6", "no layer of still is plastic",
        ),
        (
            NetworkSpec("still", (LayerSpec("conv", 8, reset="zero"),)),
            "refractory=2", "no layer of still has the reset 'refractory'",
        ),
    ],
)  # fmt: skip
def test_impossible_widths(spec: NetworkSpec, given: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        grid.expand_all({"tiny": spec}, Variation(grid.read_vary([given])))
    assert part in str(error.value)


@pytest.mark.parametrize("version", [1, 2])
def test_points_that_cannot_learn_are_remarked_upon(
    version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = dataclasses.replace(base(), version=version)
    assert len(grid.expand_grid("tiny", spec, {"trace": [5, 7]})) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("note: --vary trace=5: layers[0] can never learn: its trace P of 5")
    grid.expand_grid(
        "tiny", dataclasses.replace(base(p=5, q=4), version=version), {"p": [12], "q": [9]}
    )
    assert capsys.readouterr().err.count("note: tiny: layers[0] can never learn") == 1


def test_a_width_without_effect_in_one_network_is_left_out_there() -> None:
    still = NetworkSpec("still", (LayerSpec("conv", 8, reset="zero", plastic=False),))
    varied = grid.read_vary(["error=2,3", "weight=2"])
    found, left_out = grid.expand_all({"tiny": base(), "still": still}, Variation(varied))
    assert [f"{one.model} {one}" for one in found] == [
        "tiny base", "tiny error=2", "tiny error=3", "tiny weight=2", "still base",
        "still weight=2",
    ]  # fmt: skip
    assert left_out == ["--vary error: no layer of still is plastic, so these bits decide nothing"]


def test_frozen_networks_vary_what_decides_their_spikes() -> None:
    varied = grid.read_vary(["error=2", "weight=2", "refractory=4"])
    found, _ = grid.expand_all({"tiny": base()}, Variation(varied, frozen=True))
    still = [one for one in found if one.model == "tiny frozen"]
    assert [str(one) for one in still] == ["base", "weight=2", "refractory=4"]
    assert all(one.spec.learning.step == one.spec.learning.last_step == 0 for one in still)
    assert all(layer.plastic for one in still for layer in one.spec.layers)
    assert freeze(base()).widths == base().widths


def test_frozen_networks_that_traces_drive_vary_these_too() -> None:
    varied = grid.read_vary(["p=8", "q=7", "error=2"])
    found, _ = grid.expand_all({"paper": load_preset("paper")}, Variation(varied, frozen=True))
    assert [str(one) for one in found if one.model == "paper frozen"] == ["base", "p=8", "q=7"]


def test_bits_of_a_readout_that_layers_do_not_have_are_refused() -> None:
    varied = grid.read_vary(["readout=3", "error=4"])
    found, notes = grid.expand_all(
        {"nmnist": load_preset("nmnist"), "schaefer2020": load_preset("schaefer2020")},
        Variation(varied),
    )
    assert [str(one) for one in found if one.model == "nmnist"] == ["base", "error=4"]
    assert "layers of nmnist have no readout of their own" in notes[0]
    with pytest.raises(UsageError, match="these bits decide nothing"):
        grid.expand_all({"nmnist": load_preset("nmnist")}, Variation(grid.read_vary(["readout=3"])))


def test_parts_are_left_out_one_by_one() -> None:
    spec = load_preset("schaefer2020")
    given = read_without(["gain,regulation", "learning,centring"])
    found, _ = grid.expand_all({"schaefer2020": spec}, Variation({}, given))
    assert [str(one) for one in found] == [
        "base", "without=gain", "without=regulation", "without=learning",
        "without=centring",
    ]  # fmt: skip
    gain, regulation, learning, centring = (one.spec for one in found[1:])
    assert (spec.readout.local_gain, gain.readout.local_gain) == (8, 0)
    assert (spec.learning.period, regulation.learning.period) == (1, 0)
    assert (learning.learning.step, learning.readout.local_gain) == (0, 0)
    assert spec.learning.centre_gradients
    assert not centring.learning.centre_gradients
    with pytest.raises(UsageError, match="--without gain: tiny has none"):
        grid.expand_all({"tiny": base()}, Variation({}, ["gain"]))
    still = NetworkSpec("still", (LayerSpec("conv", 8, reset="zero", plastic=False),))
    with pytest.raises(
        UsageError, match=r"--without readout: still would be impossible: .*plastic"
    ):
        grid.expand_all({"still": still}, Variation({}, ["readout"]))
    for part in PARTS:
        assert leave_out(spec, part) != spec
        leave_out(spec, part).check()


@pytest.mark.parametrize(
    ("given", "part"), [("gains", "there is no such part; there are learning,"), ("gain,gain", "")]
)
def test_parts_that_cannot_be_left_out(given: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        read_without([given])
    assert (part or "is given twice") in str(error.value)
