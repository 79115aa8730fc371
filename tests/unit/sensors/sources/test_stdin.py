"""Standard input: recordings through a pipe, whole, cut, and of formats that need a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import trio

from spikewire.sensors import DecodeError, Packet, SensorError
from spikewire.sensors.sources.stdin import StdinSource
from tests.reference.formats import EVENTS, WRITERS
from tests.support.patience import patience

SIZED = {"csv", "text", "nmnist"}
ZIPPED = {"npz", "npz_compressed", "npz_evimo", "npz_streamed", "text_zipped"}
FILES = {"mat", "mat_compressed", "npy", *ZIPPED}


def piped(data: bytes, step: int) -> int:
    """Return the reading end of a pipe into which ``data`` flows in small pieces."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb", buffering=0) as out:
            try:
                for first in range(0, len(data), step):
                    out.write(data[first : first + step])
            except BrokenPipeError:
                pass

    threading.Thread(target=write, daemon=True).start()
    return reader


async def read(source: StdinSource) -> list[Packet]:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    with trio.fail_after(patience(30)):
        await source.run(take)
    return packets


@pytest.mark.parametrize("step", [7, 100_000])
@pytest.mark.parametrize("name", [name for name in WRITERS if name not in FILES])
async def test_formats_come_through_a_pipe(name: str, step: int) -> None:
    kind = {"nmnist": "nmnist", "aedat1": "aedat1"}.get(name)
    reader = piped(WRITERS[name][1](EVENTS), step)
    size = (34, 34) if name in SIZED else None
    source = StdinSource(file=reader, size=size, format=kind)
    packets = await read(source)
    assert [e for p in packets for e in p.events.tolist()] == EVENTS
    assert packets[-1].last
    assert source.counters["events"] == len(EVENTS)
    os.close(reader)


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_needs_a_file_says_so(name: str) -> None:
    told = "a ZIP archive, which needs a file" if name in ZIPPED else "which needs a file"
    with pytest.raises(SensorError, match=told):
        StdinSource(file=piped(WRITERS[name][1](EVENTS), 100))


def test_a_text_needs_a_size_and_nothing_is_empty() -> None:
    with pytest.raises(SensorError, match=r"stdin:\?size=346x260"):
        StdinSource(file=piped(WRITERS["csv"][1](EVENTS), 100))
    with pytest.raises(SensorError, match="Standard input is empty"):
        StdinSource(file=piped(b"", 1))
    with pytest.raises(SensorError, match="allowed are nmnist, aedat1"):
        StdinSource(file=0, format="mp4")


async def test_a_cut_pipe_gives_what_came_and_the_byte(tmp_path: Path) -> None:
    data = WRITERS["dat"][1](EVENTS)
    source = StdinSource(file=piped(data[:-3], 5))
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    with pytest.raises(DecodeError, match=f"at byte {len(data) - 8:,}"):
        await source.run(take)
    assert [e for p in packets for e in p.events.tolist()] == EVENTS[:-1]
