"""A real service on a real socket, in a thread of its own, for the commands that talk to one."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trio

from spikewire.qcore import Network, load_preset
from spikewire.runtime import Service, Settings
from spikewire.sensors import EVENT_DTYPE, SourceError
from tests.support.patience import patience


class Shelf:
    """Plays one invented recording: 200 ms of a bar that walks over a 16x16 sensor."""

    name = "shelf:invented"
    live = False
    size = (16, 16)

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self._asked, self._wanted = trio.open_memory_channel[Any](0)
        self._segment = 0

    async def run(self, deliver: Callable[[Any], Awaitable[None]]) -> None:
        async for packet, played in self._wanted:
            await deliver(packet)
            played.set()

    async def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
    ) -> Any:
        if name != "bar.bin":
            raise SourceError(f"There is no {name} on this shelf.")
        t = np.arange(0, 200_000, 50)
        t = t[(t >= start_us) & (t < (stop_us or 200_000))]
        events = np.zeros(len(t), EVENT_DTYPE)
        events["t"], events["x"], events["y"] = t, t // 12_500, t // 50 % 16
        self._segment += 1
        packet = SimpleNamespace(
            events=events, size=self.size, watermark=int(t[-1]) + 1, last=True, label=None,
            arrived_ns=time.monotonic_ns(), segment=self._segment,
        )  # fmt: skip
        played = trio.Event()
        await self._asked.send((packet, played))
        await played.wait()
        return SimpleNamespace(segment=self._segment)


@dataclass
class Running:
    """A service that runs: where it listens, and how to end it."""

    address: str
    service: Service
    stop: Callable[[], None]


@contextlib.contextmanager
def in_a_thread(**settings: Any) -> Iterator[Running]:
    """Run a service for as long as the block lasts."""
    ready: list[Running] = []
    started = threading.Event()

    async def main() -> None:
        network = Network.build(load_preset("edge"), ("left", "right"), 0)
        chosen = Settings(**{"port": 0, "stats_every_s": 0.05, **settings})
        service = Service(Shelf(), network, chosen)
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: Any) -> None:
                await service.serve(signals=False, task_status=task_status)

            await nursery.start(serve)
            host, port = service.addresses[0]
            token = trio.lowlevel.current_trio_token()
            ready.append(
                Running(f"{host}:{port}", service, lambda: token.run_sync_soon(service.stop))
            )
            started.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert started.wait(patience(60))
    yield ready[0]
    with contextlib.suppress(trio.RunFinishedError):  # the test has ended it already
        ready[0].stop()
    thread.join(patience(30))
    assert not thread.is_alive()


@pytest.fixture
def running(tmp_path: Any) -> Iterator[Running]:
    with in_a_thread(checkpoint_folder=str(tmp_path / "saved")) as service:
        yield service


@pytest.fixture(scope="session")
def serving() -> Callable[..., contextlib.AbstractContextManager[Running]]:
    """Runs a service with the settings given."""
    return in_a_thread


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented data set in N-MNIST's layout: each digit is a bar at a place of its own.

    Five recordings of 60 ms each, which differ by jitter: the last one validates.
    """
    folder = tmp_path_factory.mktemp("digits")
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for number in range(5):
            draw = np.random.default_rng([digit, number])
            t = np.sort(draw.integers(0, 60_000, 480))
            along = draw.integers(0, 12, 480)
            x = 4 + 5 * (digit % 5) + along * (digit % 2) // 2 + draw.integers(0, 2, 480)
            y = 4 + 14 * (digit // 5) + along + draw.integers(0, 2, 480)
            p = draw.integers(0, 2, 480)
            rows = zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True)
            data = (bytes([a, b]) + struct.pack(">I", s << 23 | when)[1:] for when, a, b, s in rows)
            (folder / str(digit) / f"{number:05}.bin").write_bytes(b"".join(data))
    return folder
