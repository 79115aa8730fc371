"""One neuron, read tick by tick: its membrane, the bar before it, and its spikes."""

import numpy as np
import pytest

from spikewire.qcore import Network, NeuronView, bin_events, load_preset
from spikewire.sensors import simulate


def watched(preset, layer, ticks=120):
    """Return [ticks, 3] of the layer's neuron that fires most: membrane, bar, spikes."""
    spec = load_preset(preset)
    events = simulate("air_drums", seconds=ticks * spec.tick_us / 1e6)
    first = Network.build(spec, ("a", "b"), 3)
    result = first.run(events, size=(128, 128), spikes=[layer])
    assert first.layers[layer].units == first.layers[layer].neurons
    place = np.unravel_index(result.spikes[layer].sum(0).argmax(), first.layers[layer].neurons)
    network = Network.build(spec, ("a", "b"), 3)
    view, seen = NeuronView(network.layers[layer], tuple(map(int, place))), []
    for tick in range(len(result.spikes[layer])):
        here = events[(events["t"] - events["t"][0]) // spec.tick_us == tick]
        binned = network_ticks(network, here, tick)
        network.advance(binned, tick + 1)
        seen.append(view.read())
    wanted = result.spikes[layer].reshape(len(seen), *first.layers[layer].neurons)
    assert [row[2] for row in seen] == wanted[(slice(None), *place)].tolist()
    return np.array(seen)


def network_ticks(network, events, tick):
    return bin_events(
        *(np.ascontiguousarray(events[name]) for name in "txyp"), sensor_size=(128, 128),
        input_size=network.input_size, origin_us=int(events["t"][0]) if len(events) else 0,
        origin_tick=tick, tick_us=network.tick_us,
    )  # fmt: skip


@pytest.mark.parametrize("preset", ["edge", "schaefer2020"])
def test_a_neuron_fires_where_its_membrane_is_above_the_bar(preset):
    seen = watched(preset, 1)
    membrane, bar, spikes = seen[1:, 0], seen[:-1, 1], seen[1:, 2]
    assert spikes.sum() > 3
    assert ((membrane > bar) == (spikes > 0)).all()


def test_a_neuron_that_resets_is_below_its_bar_after_a_spike():
    seen = watched("edge10", 1, ticks=60)
    assert seen[:, 2].sum() > 1
    assert len(set(seen[:, 1].tolist())) == 1
    assert (seen[seen[:, 2] == 0, 0] <= seen[0, 1]).all()


def test_a_neuron_that_is_not_there_is_named():
    network = Network.build(load_preset("edge"), ("a", "b"), 3)
    with pytest.raises(ValueError, match=r"counted from 0: there is none at \[0, 99, 0\]"):
        NeuronView(network.layers[0], (0, 99, 0))
