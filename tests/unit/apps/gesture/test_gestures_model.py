"""The network that comes with spikewire: small, and right about people it has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.cli.models import open_network
from spikewire.apps.training.evaluation import predictions
from spikewire.qcore import Batch, bin_events, shipped_model
from spikewire.sensors import GESTURES, open_recording, simulate


def ask(recordings: list[np.ndarray]) -> list[str]:  # type: ignore[type-arg]
    """Show recordings side by side to the frozen network."""
    net = open_network("gestures", (), 0)
    shown = [
        bin_events(
            *(np.ascontiguousarray(events[name]) for name in "txyp"), sensor_size=(128, 128),
            input_size=(net.spec.width, net.spec.height), origin_us=0, origin_tick=0,
            tick_us=net.spec.tick_us,
        )
        for events in recordings
    ]  # fmt: skip
    told = predictions(Batch(net, len(shown)).show(shown, None, 1_500_000 // net.tick_us))
    return [net.classes[n] if n >= 0 else "nothing" for n in told]


def test_it_is_small_and_knows_the_eleven_gestures() -> None:
    path = shipped_model("gestures")
    assert path is not None
    assert path.stat().st_size < 304_828
    net = open_network("gestures", (), 0)
    assert net.classes == GESTURES
    assert net.spec.name == "edge10"
    assert net.spec.result_every * net.tick_us == 10_000
    grown = open_network("gestures", ("fist",), 0)
    assert grown.classes == (*GESTURES, "fist")


@pytest.mark.slow
def test_it_knows_gestures_of_unseen_people() -> None:
    shown = [(gesture, person) for gesture in GESTURES for person in (701, 702)]
    told = ask([simulate(g, seed=7, subject=p, seconds=1.5) for g, p in shown])
    right = sum(name == gesture for name, (gesture, _) in zip(told, shown, strict=True))
    assert right >= 19, list(zip(told, shown, strict=True))


@pytest.mark.data
def test_it_names_four_of_five_real_clips(data_dir: Path) -> None:
    clips = sorted((data_dir / "dvs_gesture").glob("class_*.bin"))
    recordings = [
        np.concatenate(list(open_recording(clip, size=(128, 128)).chunks())) for clip in clips
    ]
    told = ask(recordings)
    truth = [GESTURES[int(clip.stem[-2:]) - 1] for clip in clips]
    assert sum(a == b for a, b in zip(told, truth, strict=True)) >= 4, told
