"""Events on their way into a network: checked, and moved to its plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.kernels.front_end import map_events
from spikewire.qcore.network.packet_binner import PacketBinner
from spikewire.qcore.network.spec import NetworkSpec

_largest = np.maximum.reduce


class FrontEnd:
    """Checks the events of a call, and applies the front end of a network's specification.

    Parameters
    ----------
    spec
        The specification.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec = spec
        self._binner: PacketBinner | None = None
        self._plane = spec.plane
        self._channels = 1 if spec.front.merge else spec.polarities
        front = spec.front
        self._settings = np.array(
            [
                front.merge, front.pool, front.pool_x or front.pool, front.top, front.left,
                front.flip_x, front.flip_y, front.swap_xy, spec.height, spec.width,
            ],
            np.int64,
        ) if front.maps_places() else None  # fmt: skip

    def binner(self, sensor_size: tuple[int, int]) -> PacketBinner:
        """Return what bins the packets of a sensor of (width, height) pixels."""
        if self._binner is None or self._binner.sensor_size != sensor_size:
            self._binner = PacketBinner(self._spec, sensor_size)
        return self._binner

    def take(
        self, events: BinnedEvents, now: int, until: int, registers: npt.NDArray[np.int64]
    ) -> BinnedEvents:
        """Check the events of ticks ``now`` to ``until - 1``, and return them as the network's.

        Events that were merged before are counted in the registers.

        Raises
        ------
        ValueError
            If an event lies outside those ticks or the plane, or is of no channel.
        """
        if events.merged:
            registers[[at.EVENTS, at.MERGED]] += events.merged
        if not len(events):
            return events
        if int(events.tick[0]) < now or int(events.tick[-1]) >= until:
            raise ValueError(
                f"Events of ticks {events.tick[0]} to {events.tick[-1]} do not fall into "
                f"ticks {now} to {until - 1}."
            )
        # Every packet comes by here, and x.max() takes longer.
        placed = events.placed
        width, height = (self._spec.width, self._spec.height) if placed else self._plane
        if _largest(events.x) >= width or _largest(events.y) >= height:
            raise ValueError(f"An event lies outside the model's {width}x{height} plane.")
        if self._channels > 1 and _largest(events.p) >= self._channels:
            raise ValueError(f"An event is of none of the model's {self._channels} channels.")
        return events if placed else self.map(events)

    def map(self, events: BinnedEvents) -> BinnedEvents:
        """Move events of the plane that sensors are scaled to, to the network's."""
        if self._settings is None:
            return events
        count = len(events)
        out = BinnedEvents(
            np.empty(count, np.int64), np.empty(count, np.uint16),
            np.empty(count, np.uint16), np.empty(count, np.uint8),
        )  # fmt: skip
        n = map_events(
            self._settings, events.tick, events.x, events.y, events.p,
            out.tick, out.x, out.y, out.p,
        )  # fmt: skip
        return out[:n]
