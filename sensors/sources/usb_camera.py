"""A USB camera through the neuromorphic-drivers package: no source build, no process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import trio

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import EVENT_DTYPE, Deliver, Events, Packet, check_events
from spikewire.sensors.formats.csv_layout import field_name

WAIT_S = 0.02
"""Longest time in the driver: so soon a cancelled source ends."""


def load_drivers() -> Any:
    """Import the drivers.

    Raises
    ------
    SourceError
        If they are not installed; the message names the extra.
    """
    try:
        import neuromorphic_drivers
    except ImportError:
        raise SourceError(
            "A camera: source needs its drivers: pip install 'spikewire[camera]'."
        ) from None
    return neuromorphic_drivers


class UsbCamera:
    """Events of a camera on USB.

    Parameters
    ----------
    serial
        Which one, where there are several; None for the first.
    drivers
        The module to use; None imports ``neuromorphic_drivers``.

    Raises
    ------
    SourceError
        If the drivers are not installed, or there is no such camera.
    """

    live = True

    def __init__(self, serial: str | None = None, *, drivers: Any = None) -> None:
        self._drivers = drivers if drivers is not None else load_drivers()
        self._counts: Counter[str] = Counter()
        try:
            self._device = self._drivers.open(iterator_timeout=WAIT_S, serial=serial)
            properties = self._device.properties()
            self.size = int(properties.width), int(properties.height)
            name = str(getattr(self._device.name(), "value", self._device.name()))
        except Exception as error:
            raise SourceError(self._explain(serial, error)) from None
        self.name = f"camera:{serial or name}"

    def _explain(self, serial: str | None, error: Exception) -> str:
        try:
            listed = self._drivers.list_devices()
        except Exception:
            listed = []
        found = [f"{one.name.value} {one.serial or one.error or ''}".strip() for one in listed]
        wanted = f"No camera with the serial number {serial}" if serial else "No camera"
        there = f"there are {', '.join(found)}" if found else "none is plugged in"
        return f"{wanted} can be opened ({str(error).rstrip('.')}); {there}."

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered; events dropped by reason; ``usb_overflows``."""
        return self._counts

    async def run(self, deliver: Deliver) -> None:
        """Deliver events until cancelled; raises SourceError if the camera is unplugged."""
        last = -(2**62)
        segment = 0
        device = self._device
        try:
            while True:
                packet = await trio.to_thread.run_sync(partial(_next, device, self.name))
                arrived = time.monotonic_ns()
                raw = None if packet is None else packet.polarity_events
                if raw is None or not len(raw):
                    continue
                lost = getattr(packet, "polarity_events_overflow_indices", None)
                if lost is not None:
                    self._counts["usb_overflows"] += len(lost)
                events = _ours(raw)
                if int(events["t"][0]) < last - 1_000_000:
                    segment += 1  # the camera's clock was set back
                    self._counts["time_restarts"] += 1
                    last = -(2**62)
                events = check_events(
                    events, self.size, policy="drop", counters=self._counts, after=last
                )
                if not len(events):
                    continue
                last = int(events["t"][-1])
                self._counts["events"] += len(events)
                self._counts["packets"] += 1
                await deliver(Packet(events, self.size, last, arrived, segment))
        finally:
            device.close()


def _next(device: Any, name: str) -> Any:
    try:
        return next(device)[1]
    except StopIteration:
        raise SourceError(f"{name} has ended.") from None
    except Exception as error:
        raise SourceError(f"{name} broke: {str(error).rstrip('.')}.") from None


def _ours(raw: Any) -> Events:
    """Convert the drivers' events, by their fields' names."""
    events = np.empty(len(raw), EVENT_DTYPE)
    for name in raw.dtype.names:
        if field_name(name):
            events[field_name(name)] = raw[name]
    return events
