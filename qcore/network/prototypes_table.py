"""Settings and arrays of class means, in the first row of the layer table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import answers
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.spec import NetworkSpec

Take = Callable[[int], int]


def place_prototypes(
    layers: npt.NDArray[np.int64], spec: NetworkSpec, classes: int, take: tuple[Take, Take]
) -> None:
    """Place the arrays of class means behind all others, and fill in their settings.

    Parameters
    ----------
    layers
        The layer table, whose rows are filled in otherwise.
    spec
        A network with class means.
    classes
        Number of classes.
    take
        Give the place of so many int16, int32.
    """
    own, L = spec.prototypes, layers[0]
    i16, i32 = take
    L[at.M_SIZE], L[at.M_RIDGE_SHIFT], L[at.M_DOUBT] = own.size, own.ridge_shift, own.doubt
    L[at.M_SWEEPS], L[at.M_GAIN] = own.sweeps, own.readout_gain
    L[at.AT_M_MOMENT] = i16(own.size * (own.size + 1) // 2)
    L[at.AT_M_SUMS] = i32(classes * own.size)
    L[at.AT_M_WEIGHTS] = i32(classes * own.size)
    L[at.AT_M_COUNTS] = i32(classes * answers.COUNTS)
    L[at.AT_M_STATE] = i32(answers.STATES)
    L[at.M_SINCE] = -1
