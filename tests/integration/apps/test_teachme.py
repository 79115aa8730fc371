"""`spikewire bench teachme`: an unseen gesture, learned from one showing by the shipped network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trio

from spikewire.apps import commands as cli
from spikewire.apps.bench.learning.answers import Answers
from spikewire.apps.bench.learning.live_lesson import Rounds, live_lesson
from spikewire.apps.bench.learning.one_lesson import summary, teach
from spikewire.apps.bench.learning.people import BEFORE_MS, Person
from spikewire.apps.cli.models import open_network
from spikewire.qcore import Network, load_preset
from spikewire.qcore.kernels import layout as at
from spikewire.sensors import EXTRA_GESTURES


def test_answers_by_clip_and_by_result() -> None:
    told = Answers(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.0, 1.0]]))
    assert told.named(1) == pytest.approx(2 / 3)
    assert told.named(np.array([0, 0, 1])) == pytest.approx(2 / 3)
    assert told.named_by_result(1) == pytest.approx(1.7 / 3)
    assert told.named_by_result(np.array([0, 0, 1])) == pytest.approx(2.3 / 3)


def test_a_summary_tells_the_worst() -> None:
    runs = [
        {
            "gesture": "push",
            "person": n,
            "recall": recall,
            "lost_points": lost,
            "false_alarms": lost,
        }
        for n, recall, lost in ((1, 1.0, -1.0), (2, 0.5, 2.0))
    ]
    told = summary(runs)
    assert (told["lessons"], told["recall"], told["lost_points"]) == (2, 0.75, 0.5)
    assert (told["recall_worst"], told["lost_points_worst"]) == (0.5, 2.0)


def test_results_are_sorted_by_round_once_the_hands_have_arrived() -> None:
    rounds = Rounds(2, 2_000_000)
    shown = [(0.5, "a", "b"), (1.0, "a", "b"), (3.0, "b", "b"), (4.1, "b", "a"), (5.0, "b", "b")]
    numbers = [
        rounds.take({"t_us": round(1e6 * s), "truth": truth, "class": said})
        for s, truth, said in shown
    ]
    assert numbers == [0, 0, 0, 1, 1]
    first, second = rounds.rounds
    assert first.results == [("a", "b"), ("b", "b")]
    assert second.results == [("b", "b")]
    assert first.accuracy(("a", "b")) == 0.5
    assert first.called("b", ("a",)) == 1.0
    assert second.accuracy(("a",)) == 0.0


def test_a_lesson_is_told_apart_from_what_went_before() -> None:
    network = open_network("gestures", (), 0)
    taught = teach(network, "push", Person(7, 1), 0.3)
    assert taught.classes == (*network.classes, "push")
    assert taught.tick == (BEFORE_MS + 300) * 1000 // network.tick_us
    # Every 5 ms (in ticks of 10 ms every tick) from 100 ms after the label on.
    lessons = 200_000 // (network.spec.readout.every * network.tick_us)
    assert taught.state.registers[at.REGISTERS + 11] == lessons
    assert not network.tick


@pytest.mark.slow
def test_the_shipped_network_learns_a_twelfth_gesture(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--gesture", "jumping_jack", "--people", "1", "--others", "1", "--json"]
    assert cli.run(["bench", "teachme", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    (run,) = report["runs"]
    assert run["recall"] == report["recall"] >= 0.9
    assert report["lost_points"] <= 2
    assert report["old_before"] >= 0.8


@pytest.mark.slow
def test_a_live_lesson_over_the_socket() -> None:
    known = ("air_drums", "right_arm_clockwise")
    report = trio.run(live_lesson, "gestures", known, "both_hands_wave", 8, 3.0)
    assert report["recall"] >= 0.9
    assert report["results_new"] > 100
    assert 2.9 <= report["taught_s"] <= 4.0
    assert report["lost_points"] <= 5


def test_gestures_that_it_knows_cannot_be_taught(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "teachme", "--gesture", "arm_roll"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"arm_roll is none of {EXTRA_GESTURES[0]}" in told.err


def test_a_lesson_lasts_as_long_in_longer_ticks() -> None:
    network = Network.build(load_preset("edge10"), ("arm_roll", "air_drums"))
    taught = teach(network, "push", Person(7, 1), 0.3)
    assert taught.tick == 130
    assert taught.state.registers[at.REGISTERS + 2] == 20


@pytest.mark.slow
def test_lessons_change_the_temporal_layer_unless_the_readout_alone_learns() -> None:
    network = Network.build(load_preset("edge10t"), ("arm_roll", "air_drums"))
    for on in (False, True):
        network.layers_learn = on
        taught = teach(network, "push", Person(7, 1), 0.3)
        assert taught.temporal is not None
        assert network.temporal is not None
        assert taught.temporal.read_store.any()
        assert (taught.temporal.store != network.temporal.store).any() == on


def test_a_service_is_told_by_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "teachme", "--live", "--readout-only"]) == 2
    assert "--readout-only is for lessons without --live" in capsys.readouterr().err
