"""From events in microseconds and sensor pixels to spikes in ticks and the model's plane."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel


@dataclass(frozen=True, slots=True)
class BinnedEvents:
    """Events in a network's own units, in tick order.

    Attributes
    ----------
    tick
        int64[n].
    x, y
        uint16[n]: places inside the model's plane.
    p
        uint8[n]: polarities in {0, 1}.
    merged
        How many further events there were, which a network does not tell from these.
    placed
        Whether the places are those behind the network's front end.
    """

    tick: npt.NDArray[np.int64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    p: npt.NDArray[np.uint8]
    merged: int = 0
    placed: bool = False

    def __len__(self) -> int:
        return len(self.tick)

    def __getitem__(self, part: slice) -> BinnedEvents:
        """Some of the events, as views; ``merged`` is 0."""
        return BinnedEvents(
            self.tick[part], self.x[part], self.y[part], self.p[part], placed=self.placed
        )

    def before(self, tick: int) -> tuple[BinnedEvents, BinnedEvents]:
        """Split into the events before ``tick``, with all merged ones, and the rest."""
        n = int(np.searchsorted(self.tick, tick))
        return replace(self[:n], merged=self.merged), self[n:]


@kernel(
    "void(int64[::1], uint16[::1], uint16[::1], int64, int64, int64, int64[::1], int64[::1],"
    " int64[::1], uint16[::1], uint16[::1])",
    live=True,
)
def _bin(t, x, y, origin_us, origin_tick, tick_us, to_x, to_y, tick, out_x, out_y):
    for i in range(t.shape[0]):
        tick[i] = origin_tick + (t[i] - origin_us) // tick_us
        out_x[i] = np.uint16(to_x[x[i]])
        out_y[i] = np.uint16(to_y[y[i]])


def bin_events(
    t: npt.NDArray[np.int64],
    x: npt.NDArray[np.uint16],
    y: npt.NDArray[np.uint16],
    p: npt.NDArray[np.uint8],
    *,
    sensor_size: tuple[int, int],
    input_size: tuple[int, int],
    origin_us: int,
    origin_tick: int,
    tick_us: int,
) -> BinnedEvents:
    """Put events into ticks, and scale their places to the model's plane.

    A place maps by integer division, ``x * input_width // sensor_width``: nothing is cropped.

    Parameters
    ----------
    t, x, y, p
        Contiguous int64[n] microseconds in time order, uint16[n] places inside ``sensor_size``,
        uint8[n] polarities in {0, 1}.
    sensor_size, input_size
        (width, height) of the sensor and of the model's plane.
    origin_us, origin_tick
        The event time at which tick ``origin_tick`` begins; no event may lie before it.
    tick_us
        Length of a tick in microseconds.

    Raises
    ------
    ValueError
        If a place lies outside the sensor.
    """
    width, height = sensor_size
    if len(x) and (int(x.max()) >= width or int(y.max()) >= height):
        raise ValueError(f"An event lies outside the sensor's {width}x{height} pixels.")
    to_x = np.arange(width, dtype=np.int64) * input_size[0] // width
    to_y = np.arange(height, dtype=np.int64) * input_size[1] // height
    tick = np.empty(len(t), np.int64)
    out_x = np.empty(len(t), np.uint16)
    out_y = np.empty(len(t), np.uint16)
    _bin(t, x, y, origin_us, origin_tick, tick_us, to_x, to_y, tick, out_x, out_y)
    return BinnedEvents(tick, out_x, out_y, p)
