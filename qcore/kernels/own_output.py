"""Scores of a network whose last layer answers: its membranes, beside the trained readout's."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel


@kernel("void(int32[::1], int32[::1], int64, int64)")
def add_output(v, y, target, shared):
    """Add the membranes of the layer that answers to the scores of the first classes.

    Parameters
    ----------
    v
        int32[own]: membranes or counts.
    y
        int32[classes, at least own], changed in place: scores of the trained readout.
    target
        What the trained readout is taught to answer for the true class.
    shared
        0 to add the membranes as they are; 1 for their shares of ``target``, so that both readouts
        answer on one scale: each one less the lowest, divided by the sum of these.
    """
    low = np.int64(v[0])
    for k in range(v.shape[0]):
        low = min(low, np.int64(v[k]))
    total = np.int64(0)
    for k in range(v.shape[0]):
        total += np.int64(v[k]) - low
    for k in range(v.shape[0]):
        own = np.int64(v[k])
        if shared != 0:
            own = (own - low) * target // total if total > 0 else np.int64(0)
        y[k] = np.int32(min(max(np.int64(y[k]) + own, np.int64(-(2**31))), np.int64(2**31 - 1)))
