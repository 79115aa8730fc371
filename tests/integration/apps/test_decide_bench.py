"""What `bench decide` counts, on streams made by hand, and that it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from spikewire.apps import commands as cli
from spikewire.apps.bench.decision import command as decide
from spikewire.apps.bench.decision import streams
from spikewire.apps.bench.decision.metrics import answers, measure
from spikewire.apps.bench.decision.streams import Result
from spikewire.runtime import OFF, Rules

RAW = Rules(window_us=0, hold_us=0, strictness=OFF, motion_threshold=10, motion_window_us=10_000)


def stream(*parts: tuple[int, str | None, str, int]) -> list[Result]:
    """Results every 10 ms: how many, what is shown, what wins, and spikes."""
    told: list[Result] = []
    for count, truth, wins, spikes in parts:
        for _ in range(count):
            scores = {name: 5 * (name == wins) for name in ("a", "b", "other_gestures")}
            told.append(Result(0, 10_000 * (len(told) + 1), scores, [spikes], truth))
    return told


def test_time_waits_and_changes() -> None:
    told = stream(
        (1, "a", "a", 0), (9, "a", "b", 200), (110, "a", "a", 200),
        (10, None, "a", 0), (10, "other_gestures", "b", 200), (10, "b", "a", 200),
    )  # fmt: skip
    found = measure([told, told], RAW)
    assert found.time["gesture", "nothing"] == 2
    assert found.time["gesture", "wrong"] == 2 * (9 + 10)
    assert found.time["gesture", "right"] == 2 * 110
    assert found.shares("settled") == {"right": 1.0, "wrong": 0.0, "unknown": 0.0, "nothing": 0.0}
    assert found.shares("pause")["nothing"] == 1.0
    assert found.shares("other")["wrong"] == 1.0
    assert found.record()["by_class"]["b"] == {
        "right": 0.0, "wrong": 1.0, "unknown": 0.0, "nothing": 0.0,
    }  # fmt: skip
    # a was right from its 11th result on, 100 ms after the first; b never was.
    assert found.waits_us == [100_000] * 2
    assert (found.missed, found.record()["gestures"]) == (2, 4)
    # nothing, b, a, nothing, b, a: five changes in 1.49 s.
    assert found.changes == 10
    assert found.record()["changes_per_s"] == pytest.approx(10 / 2.98, abs=1e-3)


def test_what_is_no_gesture_is_counted_after_a_while() -> None:
    told = stream((10, None, "a", 200), (10, None, "b", 0))
    assert answers(told, RAW, 50_000)["named"] == pytest.approx(5 / 15, abs=1e-4)
    assert answers(told, RAW)["nothing"] == pytest.approx(11 / 20, abs=1e-4)


def events_of(source: object) -> np.ndarray:  # type: ignore[type-arg]
    return source._events  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("source", "least", "most"),
    [
        (streams.noise(1, 2.0, 5_000), 10_000, 10_000),
        (streams.walkers(1, 3.0), 90_000, 500_000),
    ],
)
def test_streams_without_gestures(source: object, least: int, most: int) -> None:
    events = events_of(source)
    assert least <= len(events) <= most
    assert (np.diff(events["t"]) >= 0).all()
    assert int(events["x"].max()) < 128
    assert int(events["y"].max()) < 128
    assert 0.4 < events["p"].mean() < 0.6


def test_it_runs_and_reports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(source: object) -> Sequence[Result]:
        return stream((30, "a", "a", 2000), (30, None, "b", 0))

    monkeypatch.setattr(streams, "results", told)
    monkeypatch.setattr(decide, "_SECONDS", 0.1)
    assert cli.run(["bench", "decide", "--people", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["modes"]) == {"no smoothing", "off", "normal", "strict"}
    assert report["modes"]["normal"]["gestures"] == 2
    assert len(report["curve"]) == 18
    assert set(report["no_gesture"]) >= {"camera shaken", "people walking through"}
    assert cli.run(["bench", "decide", "--people", "1"]) == 0
    shown = capsys.readouterr().out
    assert "1 s after its onset: right" in shown
    assert "…" not in shown  # in a pipe tables are whole


def test_a_folder_without_clips(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "decide", str(tmp_path)]) == 1
    assert "holds no class_NN.bin" in capsys.readouterr().err
