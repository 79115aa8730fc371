"""Filters: each beside its naive twin, however the stream is cut into packets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import EVENT_DTYPE, SensorError, make_chain
from tests.reference import filters as naive

SIZE = (7, 5)
Twin = Callable[[list[naive.Event]], list[naive.Event]]
TWINS: dict[str, Twin] = {
    "refractory:3ms": partial(naive.refractory, dead=3_000),
    "background:2ms": partial(naive.background, window=2_000),
    "hot:4": partial(naive.hot, size=SIZE, least=4, factor=10, window=1_000_000),
    "polarity:on": partial(naive.polarity, mode="on"),
    "polarity:off": partial(naive.polarity, mode="off"),
    "polarity:flip": partial(naive.polarity, mode="flip"),
    "polarity:one": partial(naive.polarity, mode="one"),
    "crop:1,2,4x3": partial(naive.crop, left=1, top=2, width=4, height=3),
    "downsample:3": partial(naive.downsample, factor=3),
    "flip:x": partial(naive.turn, size=SIZE, axes="x", transpose=False),
    "flip:y": partial(naive.turn, size=SIZE, axes="y", transpose=False),
    "flip:xy": partial(naive.turn, size=SIZE, axes="xy", transpose=False),
    "transpose": partial(naive.turn, size=SIZE, axes="", transpose=True),
    "rate:500": partial(naive.rate, per_second=500),
}
SIZES = {"crop:1,2,4x3": (4, 3), "downsample:3": (3, 2), "transpose": (5, 7)}


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[naive.Event], list[int]]:
    """Draw a stream in which pixels repeat, pauses come, and some pixels are busy; and cuts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 150))
    steps = rng.choice(
        [0, 1, 400, 2_000, 9_000, 300_000], count, p=[0.2, 0.2, 0.3, 0.2, 0.08, 0.02]
    )
    t = np.cumsum(steps) + draw(st.sampled_from([0, -5_000_000, 10**15]))
    busy = rng.random(count) < 0.4
    x = np.where(busy, 3, rng.integers(0, SIZE[0], count))
    y = np.where(busy, 2, rng.integers(0, SIZE[1], count))
    p = rng.integers(0, 2, count)
    events = list(zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True))
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=6)))
    return events, cuts


def run(name: str, events: list[naive.Event], cuts: list[int]) -> list[Any]:
    chain = make_chain([name], SIZE)
    array = np.array(events, EVENT_DTYPE)
    out: list[Any] = []
    for first, last in zip([0, *cuts], [*cuts, len(events)], strict=True):
        out += chain.apply(array[first:last]).tolist()
    assert sum(chain.dropped.values()) == len(events) - len(out)
    return out


@pytest.mark.parametrize("name", TWINS)
def test_filters_equal_their_naive_twins(name: str) -> None:
    left_out = kept = 0

    @settings(max_examples=60, deadline=None)
    @given(streams())
    def compare(stream: tuple[list[naive.Event], list[int]]) -> None:
        nonlocal left_out, kept
        events, cuts = stream
        want = TWINS[name](events)
        assert run(name, events, cuts) == want
        left_out += len(events) - len(want)
        kept += len(want)

    compare()
    assert kept
    changes_places_only = name.split(":")[0] in ("downsample", "flip", "transpose")
    assert changes_places_only or name in ("polarity:flip", "polarity:one") or left_out


@pytest.mark.parametrize("name", TWINS)
def test_sizes(name: str) -> None:
    assert make_chain([name], SIZE).size == SIZES.get(name, SIZE)


def hot_stream(seconds: int) -> np.ndarray:  # type: ignore[type-arg]
    """One pixel fires 200 times a second, an edge sweeps over all others now and then."""
    events = [(t, 2, 2, 1) for t in range(0, seconds * 1_000_000, 5_000)]
    events += [
        (100_000 * n + 500 * x + y, x, y, 0)
        for n in range(10 * seconds)
        for x in range(SIZE[0])
        for y in range(SIZE[1])
    ]
    return np.array(sorted(events), EVENT_DTYPE)


def test_hot_pixels_are_found_kept_through_a_restart_and_forgiven() -> None:
    chain = make_chain(["hot"], SIZE)
    events = hot_stream(3)
    out = chain.apply(events)
    late = out[out["t"] >= 1_000_000]
    assert not ((late["x"] == 2) & (late["y"] == 2)).any()
    assert len(late) == 2 * 10 * (SIZE[0] * SIZE[1] - 1)
    assert chain.filters[0].hot_pixels == [(2, 2)]  # type: ignore[attr-defined]
    again = make_chain(["hot"], SIZE)
    again.restore(chain.save())
    first = again.apply(events[events["t"] < 900_000])
    assert not ((first["x"] == 2) & (first["y"] == 2)).any()
    # Quiet for a second: the pixel is a pixel again.
    calm = events[(events["x"] != 2) | (events["y"] != 2)].copy()
    calm["t"] += 5_000_000
    again.apply(calm)
    assert again.filters[0].hot_pixels == []  # type: ignore[attr-defined]


def test_a_busy_neighbourhood_is_not_hot() -> None:
    chain = make_chain(["hot"], SIZE)
    events = [
        (t + x, x, y, 1) for t in range(0, 2_000_000, 5_000) for x in range(7) for y in (1, 2)
    ]
    array = np.array(sorted(events), EVENT_DTYPE)
    assert len(chain.apply(array)) == len(array)


def test_rate_is_held() -> None:
    rng = np.random.default_rng(0)
    events = np.zeros(400_000, EVENT_DTYPE)
    events["t"] = np.sort(rng.integers(0, 2_000_000, len(events)))
    out = make_chain(["rate:50k"], SIZE).apply(events)
    assert len(out[out["t"] >= 10_000]) / 1.99 == pytest.approx(50_000, rel=0.02)
    assert len(out[out["t"] < 10_000]) <= 1000
    calm = events[::20]
    assert len(make_chain(["rate:50k"], SIZE).apply(calm)) == len(calm)


def test_chains_pass_their_sizes_on_and_reset() -> None:
    chain = make_chain(["crop:1,1,6x4", "downsample:2", "transpose", "refractory:1ms"], SIZE)
    assert chain.size == (2, 3)
    events = np.array([(10, 1, 1, 1), (20, 2, 2, 1), (5_000, 6, 4, 0)], EVENT_DTYPE)
    assert chain.apply(events).tolist() == [(10, 0, 0, 1), (5_000, 1, 2, 0)]
    assert chain.dropped["filter_refractory"] == 1
    chain.reset()
    assert len(chain.apply(events)) == 2


def test_what_was_saved_of_other_filters_is_refused() -> None:
    saved = make_chain(["hot"], (8, 8)).save()
    with pytest.raises(SensorError, match="The saved filters are not these"):
        make_chain(["hot"], SIZE).restore(saved)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blur", "'blur' is no filter; there are refractory:1ms, "),
        ("refractory", "takes a time from 1us"),
        ("refractory:0us", "takes a time"),
        ("background:1", "takes a time"),
        ("hot:1", "takes a number from 2"),
        ("polarity:up", "takes on, off, flip or one"),
        ("crop:1,2", "takes left,top,WIDTHxHEIGHT"),
        ("crop:4,0,4x5", "leaves the sensor, which is 7x5 there"),
        ("downsample:0", "takes a number from 1"),
        ("flip:z", "takes x, y or xy"),
        ("transpose:x", "is no filter"),
        ("rate:fast", "takes events per second"),
        ("rate:99", "takes events per second"),
    ],
)
def test_wrong_filters_are_one_sentence(text: str, says: str) -> None:
    with pytest.raises(SensorError, match=says):
        make_chain([text], SIZE)
