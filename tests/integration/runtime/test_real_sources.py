"""The pipeline with real sources, the real network, and where named, real recordings."""

import pytest

from spikewire.qcore import Network, load_preset
from spikewire.runtime import WALL_CLOCK_FIELDS, RequestRefused, Service, Settings, connect
from spikewire.sensors import open_source

pytestmark = pytest.mark.slow


def nmnist(n, step_us, offset=0):
    """An N-MNIST file, byte by byte: x, y, then polarity (1 bit) and time (23 bits)."""
    made = bytearray()
    for i in range(n):
        t = offset + i * step_us
        made += bytes([i * 7 % 34, i * 11 % 34, (i % 2) << 7 | t >> 16, t >> 8 & 0xFF, t & 0xFF])
    return bytes(made)


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "first.bin").write_bytes(nmnist(2000, 97))
    (folder / "second.bin").write_bytes(nmnist(1500, 131, offset=5000))
    return folder


def untrained(*classes):
    return Network.build(load_preset("edge"), classes or ("a", "b"), seed=1)


async def replay(uri, network, **options):
    service = Service(open_source(uri, **options), network, Settings(labels="source"))
    results, publish = [], service.first.broker.publish

    def keep(topic, body):
        if topic == "result":
            results.append({k: v for k, v in body.items() if k not in WALL_CLOCK_FIELDS})
        publish(topic, body)

    service.first.broker.publish = keep
    summary = await service.serve(listen=False, signals=False)
    return results, summary


async def same_at_every_speed(uri, speeds):
    told = []
    for speed in speeds:
        network = untrained()
        results, summary = await replay(uri, network, speed=speed, label="b")
        told.append((results, network.to_bytes(), summary.events, dict(summary.drops)))
    assert len(told[0][0]) > 10
    assert told[0][2] > 1000
    assert told[0][3] == {}
    assert all(one == told[0] for one in told)


async def test_every_speed_gives_the_same_results_and_weights(shelf):
    await same_at_every_speed(f"file:{shelf}/first.bin;{shelf}/second.bin", [None, 1.0, 10.0])


@pytest.mark.data
async def test_a_real_recording_gives_the_same_at_every_speed(data_dir):
    await same_at_every_speed(f"file:{data_dir}/recordings/davis346.aedat4", [None, 10.0, 1.0])


async def test_excerpts_are_played_and_taught_over_the_socket(shelf, nursery):
    network = untrained("x")
    service = Service(
        open_source(f"shelf:{shelf}"), network, Settings(port=0, subscriber_messages=10_000)
    )

    async def serve(task_status):
        await service.serve(signals=False, task_status=task_status)

    await nursery.start(serve)
    async with connect(port=service.addresses[0][1], subscribe=["result"]) as client:
        await client.teach("new")
        first = await client.play("first.bin", stop_us=100_000)
        await client.teach(None)
        second = await client.play("second.bin", start_us=50_000, speed=20.0)
        assert (first["segment"], second["segment"]) == (0, 1)
        assert first["events"] == 1031  # 0 to 99,910 us in steps of 97
        assert second["events"] == 1500 - 382
        assert second["first_tick"] >= first["tick"] + 300
        with pytest.raises(RequestRefused, match="not on the shelf"):
            await client.play("../second.bin")
        with pytest.raises(RequestRefused, match="not on the shelf"):
            await client.play("third.bin")
        service.stop()
        results = [r async for r in client.results()]
        assert client.missed == 0
    taught = [r for r in results if r["segment"] == 0]
    assert all(r["teaching"] and r["label"] == "new" for r in taught)
    assert all(not r["teaching"] for r in results if r["segment"] == 1)
    assert len(taught) == len({r["tick"] for r in taught}) > 5
    assert network.classes == ("x", "new")
    assert network.updates > 0
