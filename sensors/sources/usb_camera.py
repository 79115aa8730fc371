"""A USB camera through the neuromorphic-drivers package: no source build, no process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import trio

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import EVENT_DTYPE, Deliver, Events, Packet, check_events, no_events
from spikewire.sensors.formats.csv_layout import field_name
from spikewire.sensors.sources.outliers import NEWEST, LoneOutliers, stretches
from spikewire.sensors.sources.spif import HELD_S

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
        self._outliers = LoneOutliers(self._counts)
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
        outliers, newest, segment = self._outliers, NEWEST, 0
        before = time.monotonic_ns()
        broken: SourceError | None = None
        try:
            while broken is None:
                events = no_events()
                try:
                    events = await trio.to_thread.run_sync(self._read)
                except SourceError as error:
                    broken = error
                arrived = time.monotonic_ns()
                if len(events):
                    events = outliers.take(events, (arrived - before) // 1000)
                    before = arrived
                elif broken is not None or arrived - before >= HELD_S * 1e9:
                    events = outliers.release()
                for stretch, restarted in stretches(events, newest):
                    if restarted:
                        segment += 1  # the camera's clock was set back
                        self._counts["time_restarts"] += 1
                        newest = NEWEST
                    checked = check_events(
                        stretch, self.size, policy="drop", counters=self._counts, after=newest
                    )
                    if not len(checked):
                        continue
                    newest = int(checked["t"][-1])
                    self._counts["events"] += len(checked)
                    self._counts["packets"] += 1
                    await deliver(Packet(checked, self.size, newest, arrived, segment))
            raise broken
        finally:
            outliers.drop_held()
            self._device.close()

    def _read(self) -> Events:
        """Wait for the camera's next packet, for a moment at most."""
        packet = _next(self._device, self.name)
        raw = None if packet is None else packet.polarity_events
        lost = getattr(packet, "polarity_events_overflow_indices", None)
        if lost is not None:
            self._counts["usb_overflows"] += len(lost)
        return no_events() if raw is None or not len(raw) else _ours(raw)


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
