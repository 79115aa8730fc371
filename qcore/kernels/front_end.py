"""The front end: events of the sensor's plane, summed, cut and turned to the network's."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel

MERGE, POOL_Y, POOL_X, TOP, LEFT, FLIP_X, FLIP_Y, SWAP, ROWS, COLUMNS = range(10)
"""Settings of a front end, int64[10]; rows and columns are those of the network's plane."""


@kernel(
    "int64(int64[::1], int64[::1], uint16[::1], uint16[::1], uint8[::1], int64[::1], uint16[::1],"
    " uint16[::1], uint8[::1])",
    soon=True,
)
def map_events(front, tick, x, y, p, out_tick, out_x, out_y, out_p):
    """Move events to the network's plane; those outside the crop are left out.

    Parameters
    ----------
    front
        int64[10]: the settings.
    tick, x, y, p
        The events.
    out_tick, out_x, out_y, out_p
        As long as the events; their heads are overwritten.

    Returns
    -------
    int
        How many events are left.
    """
    swap = front[SWAP] != 0
    # The crop, before it is transposed.
    rows = front[COLUMNS] if swap else front[ROWS]
    columns = front[ROWS] if swap else front[COLUMNS]
    n = np.int64(0)
    for i in range(tick.shape[0]):
        row = np.int64(y[i]) // front[POOL_Y] - front[TOP]
        column = np.int64(x[i]) // front[POOL_X] - front[LEFT]
        if not (0 <= row < rows and 0 <= column < columns):
            continue
        if front[FLIP_X] != 0:
            column = columns - 1 - column
        if front[FLIP_Y] != 0:
            row = rows - 1 - row
        out_tick[n] = tick[i]
        out_x[n] = np.uint16(row if swap else column)
        out_y[n] = np.uint16(column if swap else row)
        out_p[n] = np.uint8(0) if front[MERGE] != 0 else p[i]
        n += 1
    return n
