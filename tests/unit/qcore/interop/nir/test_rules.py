"""What a graph does not carry: options asked for by name, frameworks' rules, neurons' numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import ModelError
from spikewire.qcore.interop.nir.convention import FRAMEWORKS, Choices, decide
from spikewire.qcore.interop.nir.graph import Node
from spikewire.qcore.interop.nir.neurons import Dynamics, dynamics_of
from tests.support.nir_files import affine, chain, integrate, lif

LIF_GRAPH = chain(affine(np.eye(3)), lif(), shape=(3,))
IF_GRAPH = chain(affine(np.eye(3)), integrate(), shape=(3,))
BY_HAND = {"dt": 1e-3, "reset": "zero", "floor": "none"}


def _neurons(node: tuple[str, Any], like: str | None = None, **choices: Any) -> Dynamics:
    graph = chain(affine(np.eye(3)), node, shape=(3,))
    if like is None:
        choices = {**BY_HAND, **choices}
    return dynamics_of(Node("n", *node), (3, 1, 1), decide(graph, like, Choices(**choices)))


@pytest.mark.parametrize("missing", ["dt", "reset", "floor"])
def test_what_decides_the_answer_is_asked_for_by_its_name(missing: str) -> None:
    choices = {name: value for name, value in BY_HAND.items() if name != missing}
    with pytest.raises(ModelError, match=f"give {missing} .*or like, the framework"):
        decide(LIF_GRAPH, None, Choices(**choices))


def test_a_graph_without_time_constants_needs_no_step() -> None:
    assert decide(IF_GRAPH, None, Choices(reset="zero", floor="none")).dt == 1.0


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("dt", 0.0, "1e-09 to 1000"),
        ("dt", "fast", "no number"),
        ("reset", "soft", "zero, subtract, late"),
        ("floor", 0.5, "none, threshold"),
        ("floor", "low", "no number"),
        ("decay", "linear", "euler, exponential"),
        ("spikes", "few", "one, many"),
        ("gain", "two", "step, one"),
    ],
)
def test_impossible_choices_are_refused_with_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ModelError, match=f"^{name} is .*{allowed}"):
        decide(LIF_GRAPH, None, Choices(**{**BY_HAND, name: value}))


def test_another_framework_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=", ".join(FRAMEWORKS)):
        decide(LIF_GRAPH, "brian", Choices())


@pytest.mark.parametrize(
    ("like", "reset", "spikes", "reached"),
    [
        ("snntorch", "late", "one", False),
        ("norse", "zero", "one", False),
        ("sinabs", "subtract", "many", True),
        ("spikingjelly", "zero", "one", True),
    ],
)
def test_a_framework_fills_in_what_it_means(
    like: str, reset: str, spikes: str, reached: bool
) -> None:
    found = decide(LIF_GRAPH, like, Choices())
    assert (found.reset, found.spikes, found.reached) == (reset, spikes, reached)
    assert len(found.assumptions) == 2
    assert decide(LIF_GRAPH, like, Choices(reset="zero")).reset == "zero"


def test_eulers_steps_and_exponential_decays() -> None:
    euler = _neurons(lif(tau=4e-3, r=2.0))
    assert np.ravel(euler.keep_v)[0] == pytest.approx(0.75)
    assert np.ravel(euler.gain)[0] == pytest.approx(0.5)
    exact = _neurons(lif(tau=4e-3, r=2.0), decay="exponential")
    assert np.ravel(exact.keep_v)[0] == pytest.approx(np.exp(-0.25))
    assert np.ravel(exact.gain)[0] == pytest.approx(2 * (1 - np.exp(-0.25)))
    assert np.ravel(_neurons(lif(tau=4e-3, r=2.0), gain="one").gain)[0] == 1.0


def test_a_time_constant_below_the_step_is_refused() -> None:
    with pytest.raises(ModelError, match=r"tau is 0.0005, shorter than the step dt = 0.001"):
        _neurons(lif(tau=5e-4))


def test_norse_writes_tau_times_dt_and_older_versions_tau() -> None:
    # Norse 1.1.0 writes 1e-5 for a membrane of 10 ms; the NIR paper's files hold 2.5e-3 for 2.5 ms.
    assert np.ravel(_neurons(lif(tau=1e-5), "norse").keep_v)[0] == pytest.approx(0.9)
    assert np.ravel(_neurons(lif(tau=2.5e-3), "norse").keep_v)[0] == pytest.approx(0.6)


def test_rockpools_step_is_told_by_its_resistance() -> None:
    # The numbers of the NIR paper's file: tau 2.5 ms, dt 0.1 ms.
    found = decide(chain(lif(tau=2.5e-3, r=24.019737), shape=(1,)), "rockpool", Choices())
    assert found.dt == pytest.approx(1e-4, rel=1e-3)
    with pytest.raises(ModelError, match="give dt"):
        decide(IF_GRAPH, "rockpool", Choices())


def test_spikingjellys_neurons_without_a_leak_have_a_gain_of_one() -> None:
    assert np.ravel(_neurons(integrate(r=1e4), "spikingjelly").gain)[0] == pytest.approx(1.0)


def test_the_gain_of_integrators_is_one_or_asked_for() -> None:
    assert np.ravel(_neurons(integrate(r=1.0)).gain)[0] == 1.0
    assert np.ravel(_neurons(integrate(r=1e3)).gain)[0] == pytest.approx(1.0)
    with pytest.raises(ModelError, match="give gain"):
        _neurons(integrate(r=7.0))
    assert np.ravel(_neurons(integrate(r=7.0), gain="step").gain)[0] == pytest.approx(7e-3)


def test_membranes_are_counted_from_their_reset() -> None:
    values = {"v_reset": np.array([-0.5]), "v_leak": np.array([-0.5])}
    found = _neurons(lif(tau=4e-3, **values))
    assert found.threshold is not None
    assert np.ravel(found.threshold)[0] == pytest.approx(1.5)
    assert np.ravel(found.leak)[0] == pytest.approx(0.0)
    with pytest.raises(ModelError, match="v_reset is not 0"):
        _neurons(lif(v_reset=np.array([-0.5])), reset="subtract")


def test_floors_by_number_and_by_threshold() -> None:
    for floor, wanted in (("threshold", -2.0), (-0.3, -0.3)):
        found = _neurons(lif(threshold=2.0), floor=floor)
        assert found.floor is not None
        assert np.ravel(found.floor)[0] == pytest.approx(wanted)
    assert _neurons(lif()).floor is None
    # Sinabs' reader gives a floor to its IF neurons alone.
    assert _neurons(lif(tau=20.0), "sinabs").floor is None
    assert _neurons(integrate(), "sinabs").floor is not None


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_a_threshold_has_to_be_positive(threshold: float) -> None:
    with pytest.raises(ModelError, match="v_threshold is not above 0"):
        _neurons(lif(threshold=threshold))
