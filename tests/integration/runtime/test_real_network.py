"""The pipeline with the real network: the same bits at every speed, and after a restart."""

import numpy as np
import pytest

from spikewire.qcore import Network, load_preset
from spikewire.runtime import WALL_CLOCK_FIELDS, CheckpointStore, Service, Settings, resume
from spikewire.sensors import EVENT_DTYPE, Packet

SIZE = (128, 96)
pytestmark = pytest.mark.slow


def stream(segment, seed, n=8000, span_us=250_000):
    """Two bursts with a silence between them, at places drawn from the seed."""
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT_DTYPE)
    t = np.sort(rng.integers(0, span_us, n))
    events["t"] = 1_000_000 * segment + t + (t > span_us // 2) * 120_000
    events["x"] = (rng.normal(30 + 40 * (seed % 2), 8, n).clip(0, SIZE[0] - 1)).astype(np.uint16)
    events["y"] = rng.integers(0, SIZE[1], n)
    events["p"] = rng.integers(0, 2, n)
    return events


class Replay:
    """Cuts streams into packets of a size, with or without knowing what comes next."""

    name, live, size = "replay:", False, SIZE

    def __init__(self, cut, segments, *, eager=False):
        self.cut, self.segments, self.eager = cut, segments, eager
        self.counters: dict[str, int] = {}

    async def run(self, deliver):
        for number in self.segments:
            events = stream(number, seed=number)
            for at in range(0, len(events), self.cut):
                part, rest = events[at : at + self.cut], events[at + self.cut :]
                mark = int(rest["t"][0]) if self.eager and len(rest) else int(part["t"][-1])
                await deliver(
                    Packet(part, SIZE, mark, 0, number, "ab"[number % 2], last=not len(rest))
                )


class Recorder:
    """Keeps what a service publishes, without a socket."""

    def __init__(self, service):
        self.results = []
        publish = service.first.broker.publish

        def keep(topic, body):
            if topic == "result":
                self.results.append({k: v for k, v in body.items() if k not in WALL_CLOCK_FIELDS})
            publish(topic, body)

        service.first.broker.publish = keep


async def run(network, source, **settings):
    service = Service(source, network, Settings(labels="source", port=0, **settings))
    recorder = Recorder(service)
    await service.serve(listen=False, signals=False)
    return recorder.results


def untrained():
    return Network.build(load_preset("edge"), ("a", "b"), seed=3)


async def test_results_and_weights_are_the_same_at_every_cut():
    whole = untrained()
    expected = await run(whole, Replay(10**6, range(4)))
    assert len(expected) > 80
    assert whole.updates > 0
    for cut, eager in ((311, False), (37, True)):
        network = untrained()
        assert await run(network, Replay(cut, range(4), eager=eager)) == expected
        assert network.to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("learning", [False, True])
async def test_a_run_over_an_array_gives_the_same_bits_as_the_service(learning):
    played, ran = untrained(), untrained()
    results = await run(played, Replay(997, [1]), learn=learning)
    result = ran.run(stream(1, seed=1), size=SIZE, label="b", learn=learning)
    assert len(result) == len(results) > 20
    rows = zip(
        results, result.tick.tolist(), result.time_us.tolist(), result.labels,
        result.scores.tolist(), result.spike_counts.tolist(), strict=True,
    )  # fmt: skip
    for body, tick, t_us, winner, scores, spikes in rows:
        assert (body["tick"], body["t_us"], body["class"]) == (tick, t_us, winner)
        assert list(body["scores"].values()) == scores
        assert body["spikes"] == spikes
    # Only a service has learned how many events its camera gives.
    assert played.calibration != ran.calibration
    played.calibration = ran.calibration
    assert ran.to_bytes() == played.to_bytes()


async def test_a_resumed_service_goes_on_bit_for_bit(tmp_path):
    whole = untrained()
    expected = await run(whole, Replay(1000, range(4)))

    folder = str(tmp_path)
    first = await run(untrained(), Replay(1000, range(2)), checkpoint_folder=folder)
    found = resume(folder)
    assert found is not None
    network, path = found
    assert path == CheckpointStore(folder).paths()[-1]
    second = await run(network, Replay(1000, range(2, 4)), checkpoint_folder=folder)
    assert first + second == expected
    assert network.to_bytes() == whole.to_bytes()


async def test_frozen_weights_stay_as_they_are():
    network = untrained()
    store = network.read_store().copy()
    results = await run(network, Replay(1000, range(2)), learn=False)
    assert results
    assert not any(result["teaching"] for result in results)
    assert np.array_equal(network.read_store(), store)
