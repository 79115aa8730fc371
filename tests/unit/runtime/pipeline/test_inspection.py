"""Layers, weights, readouts and membranes of a running network, as clients see them."""

from types import SimpleNamespace

import msgpack
import numpy as np
import pytest
import trio

from spikewire.qcore import LayerSpec, Network, NetworkSpec, SpikeProbe, load_preset
from spikewire.runtime import RequestRefused
from spikewire.runtime.pipeline.compute import compute_piece
from spikewire.runtime.pipeline.event_parts import EventParts
from spikewire.runtime.pipeline.inspection import inspect
from spikewire.runtime.pipeline.membrane import MOST_TICKS, NeuronPlace
from spikewire.runtime.pipeline.preview import picked
from spikewire.runtime.pipeline.segment import TickRange
from spikewire.runtime.protocol.messages import Inspect
from spikewire.sensors import simulate

PLACE = NeuronPlace(1, (3, 4, 5))


def preset(name, seed=3):
    return Network.build(load_preset(name), ("a", "b"), seed)


def test_a_watched_neuron_changes_no_bit_and_is_told_to_its_last_tick():
    events = simulate("air_drums", seconds=0.4)
    piece = TickRange(EventParts.of(events), 400, None)
    segment = SimpleNamespace(size=(128, 128), origin_us=0, origin_tick=0)
    plain, watched, run = (preset("edge") for _ in range(3))
    probe = SpikeProbe(tuple(picked(layer.spikes.size) for layer in plain.layers), 64)
    first = compute_piece(plain, segment, piece, 1, True, probe=probe)
    seen = compute_piece(watched, segment, piece, 1, True, probe=probe, place=PLACE)
    assert plain.to_bytes() == watched.to_bytes()
    for name in ("tick", "scores", "spikes"):
        assert np.array_equal(getattr(first, name), getattr(seen, name))
    for one, other in zip(first.raster.fired, seen.raster.fired, strict=True):
        assert np.array_equal(one, other)
    assert first.membrane is None
    body = seen.membrane.body()
    assert (body["first_tick"], body["ticks"]) == (400 - MOST_TICKS, MOST_TICKS)
    traced = run.run(events, size=(128, 128), label="b", learn=True, membranes=[1])
    membranes = traced.membranes[1].reshape(-1, *run.layers[1].neurons)[:400, 3, 4, 5]
    told = np.frombuffer(body["membrane"], "<i4")
    assert np.any(told)
    assert np.array_equal(told, membranes[400 - MOST_TICKS :])
    assert len(body["bar"]) == 4 * MOST_TICKS
    assert len(body["spikes"]) == MOST_TICKS


def test_a_piece_without_events_is_watched_too():
    segment = SimpleNamespace(size=(128, 128), origin_us=0, origin_tick=0)
    nothing = TickRange(EventParts.of(simulate("air_drums", seconds=0.1)[:0]), 10, None)
    seen = compute_piece(preset("edge"), segment, nothing, -1, False, place=PLACE)
    assert (seen.membrane.first, len(seen.membrane.rows)) == (0, 10)
    assert not seen.tick.size


@pytest.mark.parametrize("name", ["edge", "edge10", "nmnist", "schaefer2020"])
def test_every_layer_of_a_preset_tells_its_weights_and_its_readout(name):
    network = preset(name)
    read = [number for number, layer in enumerate(network.spec.layers) if layer.read]
    network.read_store()[...] = np.arange(network.read_store().size).reshape(2, -1)
    first = 0
    for number, view in enumerate(network.layers):
        reply = inspect(network, Inspect(layer=number, channel=2, label="b"))
        assert len(msgpack.packb(reply)) < 200_000
        told = reply["layer"]
        assert told["thresholds"] == view.threshold.tolist()
        weights = told["weights"]
        sent = np.frombuffer(weights["values"], np.int8).reshape(weights["shape"])
        assert np.array_equal(sent, view.weights[: weights["shape"][0], ..., 2])
        if number not in read:
            assert told["readout"] is None
            continue
        size = int(np.prod(view.units))
        stored = network.read_store()[1, first : first + size] >> 8
        sums = np.frombuffer(told["readout"]["values"], "<i4").reshape(told["readout"]["shape"])
        assert np.array_equal(sums, stored.astype(np.int32).reshape(view.units).sum(2))
        first += size


def dense(plane, channels, **more):
    layers = (LayerSpec("dense", channels, **more), LayerSpec("dense", 3))
    return Network.build(NetworkSpec("a", layers, width=plane, height=plane), ("a", "b"))


def test_dense_layers_are_pictures_of_their_input_and_strips_of_channels():
    told = inspect(dense(8, 5), Inspect(layer=0, channel=4, label="a"))["layer"]
    assert (told["kind"], told["weights"]["of"]) == ("dense", [2, 8, 8])
    assert told["readout"]["shape"] == [1, 5]
    told = inspect(dense(8, 300), Inspect(layer=1, channel=0))["layer"]
    assert told["weights"]["shape"] == [300, 1, 1]


def test_large_kernels_are_sent_in_part_and_say_so():
    weights = inspect(dense(200, 2), Inspect(layer=0, channel=1))["layer"]["weights"]
    assert (weights["of"], weights["every"], weights["shape"]) == ([2, 200, 200], 2, [2, 100, 100])


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Inspect(layer=3), "The network has the layers 0 to 2."),
        (Inspect(layer=0, channel=16), "Layer 0 has the channels 0 to 15."),
        (Inspect(layer=0, label="c"), "The network has no class 'c'."),
    ],
)
def test_what_is_not_there_is_refused(request_, sentence):
    reply = inspect(preset("edge"), request_)
    assert (reply["ok"], reply["code"], reply["message"]) == (False, "inspect_failed", sentence)


async def test_a_chosen_neuron_is_shown_while_somebody_looks(fakes, running, autojump_clock):
    network = preset("edge10")
    source = fakes.Source([], live=True)
    async with running(source, network) as run, run.client() as client:
        assert {"inspect", "probe"} <= set(client.hello["offers"])
        told = await client.inspect(1, channel=0, label="a")
        assert told["layer"]["neurons"] == [8, 8, 24]
        with pytest.raises(RequestRefused, match=r"there is none at \[0, 8, 0\]"):
            await client.probe(1, (0, 8, 0))
        await client.probe(1, (0, 7, 0))
        await client.subscribe("membrane")
        await trio.sleep(1)
        source.push(fakes.packet(range(0, 500_000, 500)))
        while (message := await anext(client)).get("topic") != "membrane":
            pass
        assert (message["layer"], message["neuron"]) == (1, [0, 7, 0])
        assert len(message["membrane"]) == 4 * message["ticks"] > 0
        await client.unsubscribe("membrane")
        await trio.sleep(1)
        assert run.service.first.network_task.previews.place is None
