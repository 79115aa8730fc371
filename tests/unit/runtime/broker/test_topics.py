"""The topics that show what goes on: pictures of events, rasters of spikes, lessons."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import trio

from spikewire.qcore import Network, SpikeProbe, load_preset
from spikewire.runtime import RequestRefused
from spikewire.runtime.pipeline.compute import compute_piece
from spikewire.runtime.pipeline.event_parts import EventParts
from spikewire.runtime.pipeline.preview import Picture, Raster, picked
from spikewire.runtime.pipeline.segment import TickRange
from spikewire.sensors import simulate


async def until(client, topic, count=1):
    """The next messages of a topic."""
    found = []
    while len(found) < count:
        message = await anext(client)
        if message.get("topic") == topic:
            found.append(message)
    return found


# -- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "shape"),
    [((64, 48), (64, 48)), ((128, 128), (128, 128)), ((346, 260), (116, 87)),
     ((1280, 720), (128, 72)), ((1, 1), (1, 1))],
)  # fmt: skip
def test_a_picture_counts_every_event_in_its_cell(size, shape):
    rng = np.random.default_rng(1)
    events = np.zeros(5000, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
    events["x"], events["y"] = rng.integers(0, size[0], 5000), rng.integers(0, size[1], 5000)
    events["p"] = rng.integers(0, 2, 5000)
    counts = Picture(EventParts.of(events).columns(), size).counts()
    scale = -(-max(size) // 128)
    naive = np.zeros((2, shape[1], shape[0]), np.int64)
    for x, y, p in zip(*(events[n].tolist() for n in "xyp"), strict=True):
        naive[p, y // scale, x // scale] += 1
    assert counts.shape == (2, shape[1], shape[0])
    assert np.array_equal(counts, naive)


@pytest.mark.parametrize("portion", [1, 700, 9_000, 20_000])
def test_pictures_join_however_they_are_cut(portion):
    rng = np.random.default_rng(2)
    events = np.zeros(40_000, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
    events["x"], events["y"] = rng.integers(0, 346, 40_000), rng.integers(0, 260, 40_000)
    joined = Picture(EventParts.of(events[:0]).columns(), (346, 260))
    for start in range(0, 40_000 if portion > 1 else 500, portion):
        joined.join(Picture(EventParts.of(events[start : start + portion]).columns(), (346, 260)))
    whole = Picture(EventParts.of(events[: 40_000 if portion > 1 else 500]).columns(), (346, 260))
    assert np.array_equal(joined.counts(), whole.counts())
    assert np.array_equal(joined.counts(), whole.counts())  # to look changes nothing


async def test_pictures_hold_all_events_and_are_made_only_if_wanted(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        source.push(fakes.packet(range(0, 50_000, 100)))
        await trio.sleep(1)
        assert run.service.first.broker.seq["events"] == 0
        await client.subscribe("events")
        await trio.sleep(1)
        assert run.service.first.broker.seq["events"] == 0
        shown = []
        for start in range(60_000, 160_000, 20_000):
            source.push(fakes.packet(range(start, start + 20_000, 100)))
            await trio.sleep(0.1)
            shown += await until(client, "events")
        assert [m["size"] for m in shown] == [[64, 48]] * 5
        assert [m["shape"] for m in shown] == [[64, 48]] * 5
        for before, message in pairwise(shown):
            assert message["span_us"] == message["t_us"] - before["t_us"] > 0
            assert message["tick"] > before["tick"]
        on, off = (sum(sum(m[name]) for m in shown) for name in ("on", "off"))
        assert (on, off) == tuple(sum(m[f"{n}_events"] for m in shown) for n in ("on", "off"))
        # All but those of the tick that is not over yet.
        first = shown[0]["t_us"] - shown[0]["span_us"]
        sent = [*range(0, 50_000, 100), *range(60_000, 160_000, 100)]
        assert on + off == sum(first <= t < 159_000 for t in sent)


async def test_pictures_come_at_a_steady_pace_however_many_events_there_are(
    fakes, running, autojump_clock
):
    source = fakes.Source()
    async with running(source, preview_per_s=10) as run, run.client() as client:
        await client.subscribe("events")
        await trio.sleep(1)
        seq = run.service.first.broker.seq
        for start in range(0, 5_000_000, 5_000):
            source.push(fakes.packet(range(start, start + 5_000, 1000)))
            await trio.sleep(0.005)
        assert 45 <= seq["events"] <= 51
        before = seq["events"]
        await trio.sleep(10)
        assert seq["events"] <= before + 1


# -- rasters -------------------------------------------------------------------------------------


def gesture(ticks):
    events = simulate("air_drums", seconds=ticks / 1000)
    return TickRange(EventParts.of(events), ticks, None)


def test_a_raster_changes_nothing_and_names_who_fired():
    piece = gesture(200)
    segment = SimpleNamespace(size=(128, 128), origin_us=0, origin_tick=0)
    plain, watched, slow = (Network.build(load_preset("edge"), ("a", "b"), 3) for _ in range(3))
    first = compute_piece(plain, segment, piece, 1, True)
    probe = SpikeProbe(tuple(picked(slow.layers[n].spikes.size) for n in range(3)), 64)
    seen = compute_piece(watched, segment, piece, 1, True, probe=probe)
    assert plain.to_bytes() == watched.to_bytes()
    for name in ("tick", "scores", "spikes"):
        assert np.array_equal(getattr(first, name), getattr(seen, name))
    assert first.raster is None
    assert seen.raster is not None
    body = seen.raster.body([slow.layers[n].spikes.size for n in range(3)])
    assert (body["first_tick"], body["ticks"]) == (136, 64)
    wanted = [set() for _ in range(3)]
    rest = piece.events
    for tick in range(200):
        now, rest = rest.split(rest.before(1000 * (tick + 1)))
        compute_piece(slow, segment, TickRange(now, tick + 1, None), 1, True)
        for n in range(3):
            units = slow.layers[n].spikes.reshape(-1)
            for row in range(min(units.size, 128)):
                if tick >= 136 and units[row * units.size // min(units.size, 128)]:
                    wanted[n].add((tick - 136, row))
    assert all(len(one) > 5 for one in wanted)
    for layer, one in zip(body["layers"], wanted, strict=True):
        assert layer["units"] == 128
        assert sorted(zip(layer["tick"], layer["unit"], strict=True)) == sorted(one)


def test_rasters_join_as_far_back_as_one_goes():
    whole = None
    for first in range(0, 100, 10):
        part = Raster(first, first + 10, [np.full((10, 2), first > 50, np.int8)])
        whole = part if whole is None else whole.join(part)
    body = whole.body([2])
    assert (body["first_tick"], body["ticks"]) == (36, 64)
    assert list(body["layers"][0]["tick"]) == [n for n in range(24, 64) for _ in range(2)]
    # After a stretch that was not looked at, it begins anew.
    later = Raster(500, 501, [np.ones((1, 2), np.int8)])
    assert whole.join(later).first == 500


def test_rows_are_spread_over_a_layer():
    assert list(picked(3)) == [0, 1, 2]
    assert list(picked(1024)) == list(range(0, 1024, 8))
    assert len(set(picked(129))) == 128


async def test_spikes_are_published_only_if_wanted(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        await client.subscribe("spikes")
        await trio.sleep(1)
        source.push(fakes.packet(range(0, 50_000, 500)))
        (message,) = await until(client, "spikes")
        assert message["first_tick"] + message["ticks"] <= 50
        (layer,) = message["layers"]
        assert (layer["units"], layer["of"]) == (128, 240)
        assert len(layer["tick"]) == len(layer["unit"]) > 0
        await client.unsubscribe("spikes")
        await trio.sleep(1)
        told = run.service.first.broker.seq["spikes"]
        source.push(fakes.packet(range(50_000, 90_000, 500)))
        await trio.sleep(1)
        assert run.service.first.broker.seq["spikes"] == told


# -- lessons -------------------------------------------------------------------------------------


async def test_a_lesson_is_told_from_its_begin_to_its_end(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        await client.subscribe("learning")
        (first,) = await until(client, "learning")
        assert (first["lessons"], first["lesson"], first["undo"]) == (0, None, None)
        await client.teach("a")
        (begun,) = await until(client, "learning")
        assert (begun["label"], begun["lessons"], begun["undo"]) == ("a", 1, "a")
        assert begun["lesson"]["end_tick"] is None
        source.push(fakes.packet(range(0, 50_000, 500)))
        (during,) = await until(client, "learning")
        assert during["updated"] == during["lesson"]["updates"] > 50
        await client.teach(None)
        (ended,) = await until(client, "learning")
        assert ended["label"] is None
        assert ended["lesson"]["end_tick"] == run.service.first.network_task.tick
        assert ended["lesson"]["updates"] == ended["updates"]
        await client.learn(False)
        assert not (await until(client, "learning"))[0]["on"]
        await client.teach("b")
        await client.learn(True)
        switched, begun = await until(client, "learning", 2)
        assert begun["label"] == "b" or switched["label"] == "b"
        assert run.service.first.network_task.teaching.lessons.count == 2


async def test_undo_takes_back_lesson_after_lesson(fakes, running, autojump_clock):
    source, network = fakes.Source(), fakes.Network()
    async with running(source, network, undo_lessons=2) as run, run.client() as client:
        known = []
        for n, label in enumerate(("a", "b", "new")):
            known.append((network.classes, list(network.taught)))
            await client.teach(label)
            source.push(fakes.packet(range(n * 50_000, n * 50_000 + 40_000, 500)))
            await trio.sleep(1)
        assert network.classes == ("a", "b", "new")
        assert network.taught[2] > 0
        # The last one is still going on: it ends, and is taken back, its class with it.
        reply = await client.request("undo")
        assert reply["label"] == "new"
        assert reply["tick"] == network.tick
        assert (network.classes, network.taught) == known[2]
        status = (await client.status())["status"]
        assert (status["label"], status["classes"]) == (None, ["a", "b"])
        assert (await client.request("undo"))["label"] == "b"
        assert (network.classes, network.taught) == known[1]
        with pytest.raises(RequestRefused, match="no lesson") as refused:
            await client.request("undo")
        assert refused.value.code == "nothing_to_undo"
        await client.subscribe("learning")
        (message,) = await until(client, "learning")
        assert message["lesson"]["undone"]
        # And it goes on.
        await client.teach("b")
        source.push(fakes.packet(range(200_000, 240_000, 500)))
        await trio.sleep(1)
        assert network.taught[1] > known[1][1][1]


async def test_labels_of_the_source_make_lessons_too(fakes, running, autojump_clock):
    source, network = fakes.Source(), fakes.Network()
    async with running(source, network, labels="source") as run, run.client() as client:
        for n, label in enumerate(("a", "c", None)):
            source.push(fakes.packet(range(n * 50_000, n * 50_000 + 50_000, 500), label=label))
        await trio.sleep(1)
        lessons = run.service.first.network_task.teaching.lessons
        assert (lessons.count, lessons.undoable, lessons.label) == (2, "c", None)
        await client.request("undo")
        assert network.classes == ("a", "b")
        assert network.taught[0] > 0


async def test_without_memory_for_it_nothing_can_be_taken_back(fakes, running, autojump_clock):
    async with running(fakes.Source(), undo_lessons=0) as run, run.client() as client:
        assert "undo" not in client.hello["offers"]
        await client.teach("a")
        with pytest.raises(RequestRefused) as refused:
            await client.request("undo")
        assert refused.value.code == "nothing_to_undo"
        assert run.service.first.network_task.teaching.lessons.count == 1
