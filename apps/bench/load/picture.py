"""`spikewire bench picture`: what the picture of a large camera costs the service.

The same stream passes through a service with and without a subscriber of the topic `picture`, in
turns. The network computes nothing, so that the difference in CPU time is that of the picture: to
count, to pack, to publish, and to read it in the same process.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import trio
import trio.testing
import typer
from rich.table import Table

from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report

SIZE = (1280, 720)
MOST_SHARE = 0.10
_PACKET_US = 4000
_PACKETS = 25
_EDGES = 30


class IdleNetwork:
    """A network that takes ticks, and computes nothing."""

    classes = ("nothing",)
    input_size = (128, 128)
    tick_us = 1000
    at_rest = True
    updates = synaptic_ops = 0
    layers: Sequence[Any] = ()
    spec = SimpleNamespace(result_every=10, layers=())

    def __init__(self) -> None:
        from spikewire.qcore import Calibration

        self.tick = 0
        self.layers_learn = True
        self.calibration = Calibration()

    def advance(self, events: Any, until: int, /, **how: Any) -> Any:
        """Stand at ``until``."""
        self.tick = until
        none = np.zeros((0, 1), np.int64)
        return SimpleNamespace(tick=none[:, 0], scores=none.astype(np.int32), spikes=none, fired=[])

    def read_store(self) -> npt.NDArray[np.int16]:
        """Nothing."""
        return np.zeros(0, np.int16)

    def add_class(self, name: str, /) -> None:
        """Take no classes."""

    def to_bytes(self) -> bytes:
        """Nothing."""
        return b""

    def snapshot(self) -> None:
        """Nothing."""

    def restore(self, snapshot: Any, /) -> None:
        """Nothing."""


@dataclass
class Stream:
    """A camera in real time, which sends the same tenth of a second over and over."""

    scene: str
    rate: float
    seconds: float
    name: str = "synthetic"
    live: bool = False
    size: tuple[int, int] = SIZE
    counters: dict[str, int] = field(default_factory=lambda: {"events": 0})

    async def run(self, deliver: Callable[[Any], Awaitable[None]]) -> None:
        """Send all packets, each when it is due."""
        from spikewire.sensors import Packet

        packets = [self._packet(n) for n in range(_PACKETS)]
        began = trio.current_time()
        for n in range(round(self.seconds * 1e6 / _PACKET_US)):
            await trio.sleep_until(began + n * _PACKET_US / 1e6)
            events = packets[n % _PACKETS].copy()
            events["t"] += n * _PACKET_US
            self.counters["events"] += len(events)
            watermark = (n + 1) * _PACKET_US
            await deliver(Packet(events, SIZE, watermark, time.monotonic_ns(), 0))

    def _packet(self, number: int) -> npt.NDArray[np.void]:
        from spikewire.sensors import EVENT_DTYPE

        rng = np.random.default_rng(number)
        count = round(self.rate * _PACKET_US / 1e6)
        events = np.zeros(count, EVENT_DTYPE)
        events["t"] = np.sort(rng.integers(0, _PACKET_US, count))
        events["y"] = rng.integers(0, SIZE[1], count)
        if self.scene == "noise":
            events["x"] = rng.integers(0, SIZE[0], count)
        else:
            # Thirty upright edges that move on by a pixel in each packet.
            edge = rng.integers(0, _EDGES, count) * (SIZE[0] // _EDGES)
            events["x"] = (edge + number + rng.integers(0, 3, count)) % SIZE[0]
        events["p"] = rng.integers(0, 2, count)
        return events


def picture(
    rate: Annotated[float, typer.Option(min=1e3, max=1e8, help="Events per second.")] = 20e6,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.2, max=60, help="Seconds of each phase.")
    ] = 3.0,
    rounds: Annotated[
        int, typer.Option(min=1, max=20, help="Rounds, each with and without the picture.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Measure what the picture of a 1280x720 camera costs the service."""
    rows: list[dict[str, Any]] = []
    trio.run(partial(_phase, "edges", rate, 0.2, subscribed=True))  # kernels are loaded
    for scene in ("edges", "noise"):
        for _ in range(rounds):
            without, _nothing = trio.run(partial(_phase, scene, rate, seconds, subscribed=False))
            with_it, seen = trio.run(partial(_phase, scene, rate, seconds, subscribed=True))
            share = (with_it - without) / seconds
            rows.append(
                {"scene": scene, "without_s": without, "with_s": with_it, "share": share, **seen}
            )
    shares = {
        scene: round(float(np.median([r["share"] for r in rows if r["scene"] == scene])), 4)
        for scene in ("edges", "noise")
    }
    report = {
        "bench": "picture", "machine": machine(), "size": list(SIZE), "rate": rate,
        "seconds": seconds, "rounds": rows, "share_of_a_core": shares,
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


async def _phase(
    scene: str, rate: float, seconds: float, *, subscribed: bool
) -> tuple[float, dict[str, Any]]:
    """Return the CPU seconds of a run, and what was seen of its pictures."""
    from spikewire.runtime import Service, Settings, converse

    service = Service(Stream(scene, rate, seconds), IdleNetwork(), Settings())
    seen: dict[str, Any] = {"pictures": 0, "bytes_per_s": 0, "scales": {}}
    async with trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(service.converse, theirs)

        async def read() -> None:
            async with converse(ours) as client:
                if subscribed:
                    await client.subscribe("picture", policy="latest")
                began.set()
                async for message in client:
                    if message.get("topic") == "picture":
                        seen["pictures"] += 1
                        seen["bytes_per_s"] += len(message["cells"]) / seconds
                        scale = str(message["scale"])
                        seen["scales"][scale] = seen["scales"].get(scale, 0) + 1

        began = trio.Event()
        nursery.start_soon(read)
        await began.wait()
        before = time.process_time()
        await service.serve(listen=False, signals=False)
        used = time.process_time() - before
        nursery.cancel_scope.cancel()
    seen["bytes_per_s"] = round(seen["bytes_per_s"])
    return round(used, 4), seen


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table(
        "scene", "CPU without", "with", "share of a core", "pictures", "MB/s", "pixels a cell"
    )
    for row in report["rounds"]:
        table.add_row(
            row["scene"], f"{row['without_s']:.2f} s", f"{row['with_s']:.2f} s",
            f"{100 * row['share']:.1f} %", str(row["pictures"]),
            f"{row['bytes_per_s'] / 1e6:.1f}",
            ", ".join(f"{scale} ({times})" for scale, times in row["scales"].items()),
        )  # fmt: skip
    out.print(table)
    told = ", ".join(
        f"{scene} {100 * part:.1f} %" for scene, part in report["share_of_a_core"].items()
    )
    out.print(f"median share of a core: {told} (wanted: below {100 * MOST_SHARE:.0f} %)")
