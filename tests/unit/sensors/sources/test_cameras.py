"""Cameras: the real aestream program, programs that behave like it, and a verified fake of USB."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from spikewire.sensors import AestreamCamera, Packet, SourceError, UsbCamera, open_source
from spikewire.sensors.sources.aestream_camera import TRIES

SENDER = """
import socket, struct, sys
port = int(sys.argv[sys.argv.index("127.0.0.1") + 1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for n in range(20):
        out.sendto(struct.pack("<II", n << 16 | 1 << 15 | 7, 1000 + n), ("127.0.0.1", port))
print("usb: the cable was pulled", file=sys.stderr)
sys.exit(3)
"""


async def collect(source: Any, enough: int) -> list[Packet]:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)
        if sum(len(p.events) for p in packets) >= enough:
            nursery.cancel_scope.cancel()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run, take)
    return packets


def camera(script: Path, text: str) -> AestreamCamera:
    script.write_text(text)
    return AestreamCamera("inivation", size=(346, 260), program=[sys.executable, str(script)])


@pytest.mark.skipif(find_spec("aestream") is None, reason="aestream has wheels up to Python 3.11")
@pytest.mark.parametrize("maker", ["inivation", "prophesee"])
async def test_the_real_program_without_drivers_is_one_sentence(maker: str) -> None:
    source = open_source(f"aestream:{maker}")
    with pytest.RaisesGroup(
        pytest.RaisesExc(SourceError, match="was built without the driver"), flatten_subgroups=True
    ):
        await collect(source, 1)


async def test_a_camera_that_drops_out_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewire.sensors.sources.aestream_camera.FIRST_WAIT_S", 0.01)
    source = camera(tmp_path / "camera.py", SENDER)
    packets = await collect(source, 50)
    assert source.counters["camera_restarts"] >= 2
    segments = [packet.segment for packet in packets]
    assert segments == sorted(segments)
    assert len(set(segments)) >= 3
    assert packets[0].events.tolist()[0] == (1000, 0, 7, 1)


async def test_a_program_that_never_sends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def no_sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("spikewire.sensors.sources.aestream_camera.trio.sleep", no_sleep)
    source = camera(tmp_path / "camera.py", "import sys; sys.exit('no device at address 3')")
    with pytest.RaisesGroup(
        pytest.RaisesExc(SourceError, match=r"no events in 6 starts; .*code 1, .*no device at"),
        flatten_subgroups=True,
    ):
        await collect(source, 1)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(waits) == TRIES - 1


async def test_a_cancelled_camera_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(1e6)"
    source = camera(tmp_path / "camera.py", text)

    async def ignore(_: Packet) -> None:
        pass

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run, ignore)
            while not pid.exists() or not pid.read_text():  # noqa: ASYNC110
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_missing_program_is_said(tmp_path: Path) -> None:
    source = AestreamCamera("inivation", size=(1, 1), program=[str(tmp_path / "none")])
    with pytest.RaisesGroup(
        pytest.RaisesExc(SourceError, match="cannot be started: No such file"),
        flatten_subgroups=True,
    ):
        await collect(source, 1)
    with pytest.raises(SourceError, match="allowed are inivation, prophesee"):
        open_source("aestream:canon")


# -- USB ------------------------------------------------------------------------------------------

RAW = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")]


class FakeProperties:
    width, height = 346, 260


class FakeName:
    value = "inivation_davis346"


class FakePacket:
    def __init__(self, rows: list[tuple[int, int, int, bool]], overflows: list[int]) -> None:
        self.polarity_events = np.array(rows, RAW) if rows else None
        self.polarity_events_overflow_indices = np.array(overflows) if overflows else None


class FakeDevice:
    """A camera that plays packets, then is unplugged."""

    def __init__(self, packets: list[FakePacket | None]) -> None:
        self.packets: Iterator[FakePacket | None] = iter(packets)
        self.closed = False

    def __iter__(self) -> FakeDevice:
        return self

    def __next__(self) -> tuple[object, FakePacket | None]:
        try:
            return object(), next(self.packets)
        except StopIteration:
            raise RuntimeError("No device") from None

    def properties(self) -> FakeProperties:
        return FakeProperties()

    def name(self) -> FakeName:
        return FakeName()

    def close(self) -> None:
        self.closed = True


class FakeDrivers:
    """The part of neuromorphic_drivers that is used; held against the real one below."""

    def __init__(self, device: FakeDevice | None) -> None:
        self.device = device
        self.opened: dict[str, Any] = {}

    def open(self, *, iterator_timeout: float | None = None, serial: str | None = None) -> Any:
        self.opened = {"iterator_timeout": iterator_timeout, "serial": serial}
        if self.device is None:
            raise RuntimeError("Other error")
        return self.device

    def list_devices(self) -> list[Any]:
        return []


async def test_usb_events_are_checked_counted_and_in_order() -> None:
    device = FakeDevice(
        [
            None,
            FakePacket([(10, 1, 2, True), (20, 345, 259, False), (15, 3, 3, True)], []),
            FakePacket([], []),
            FakePacket([(30, 346, 0, True), (40, 5, 5, True)], [1]),
            FakePacket([(5_000_000, 5, 5, True)], []),
            FakePacket([(7, 6, 6, True)], []),
        ]
    )
    drivers = FakeDrivers(device)
    source = UsbCamera("00000104", drivers=drivers)
    assert drivers.opened["serial"] == "00000104"
    assert drivers.opened["iterator_timeout"] > 0
    assert source.size == (346, 260)
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    with pytest.raises(SourceError, match="camera:00000104 broke: No device"):
        await source.run(take)
    assert [e for p in packets for e in p.events.tolist()] == [
        (10, 1, 2, 1), (20, 345, 259, 0), (40, 5, 5, 1), (5_000_000, 5, 5, 1), (7, 6, 6, 1),
    ]  # fmt: skip
    assert [p.segment for p in packets] == [0, 0, 0, 1]
    assert source.counters == {
        "time_backwards": 1, "out_of_bounds": 1, "usb_overflows": 1, "events": 5, "packets": 4,
        "time_restarts": 1,
    }  # fmt: skip
    assert device.closed


async def test_a_cancelled_camera_is_closed(autojump_clock: MockClock) -> None:
    device = FakeDevice([None] * 100_000)
    source = UsbCamera(drivers=FakeDrivers(device))
    assert source.name == "camera:inivation_davis346"

    async def take(_: Packet) -> None:
        raise AssertionError("there are no events")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, take)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert device.closed


def test_no_camera_is_one_sentence() -> None:
    with pytest.raises(SourceError, match=r"No camera can be opened \(Other error\); none is plug"):
        UsbCamera(drivers=FakeDrivers(None))
    with pytest.raises(SourceError, match="serial number 7 can be opened"):
        UsbCamera("7", drivers=FakeDrivers(None))


def test_missing_drivers_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neuromorphic_drivers", None)
    with pytest.raises(SourceError, match=r"pip install 'spikewire\[camera\]'"):
        open_source("camera:")


def test_the_fake_is_like_the_real_drivers() -> None:
    real = pytest.importorskip("neuromorphic_drivers")
    ours = inspect.signature(FakeDrivers.open).parameters
    theirs = inspect.signature(real.open).parameters
    assert {name for name in ours if name != "self"} <= theirs.keys()
    for name, kind in vars(FakeDevice).items():
        if callable(kind) and not name.startswith("__init__"):
            assert callable(getattr(real.device.Device, name, None)), name
    packets = inspect.getsource(real.packet)
    for name in vars(FakePacket([], [])):
        assert f"    {name}: numpy.ndarray | None" in packets
    properties = real.name_to_properties if hasattr(real, "name_to_properties") else None
    listed = inspect.getsource(sys.modules["neuromorphic_drivers.generated.devices_types"])
    assert "def properties(self) -> Properties" in listed
    assert properties is None or properties(real.Name.INIVATION_DAVIS346).width == 346
    # No camera is plugged into a machine that tests: the real drivers say so, and so do we.
    with pytest.raises(SourceError, match="can be opened"):
        UsbCamera("no-such-serial")
