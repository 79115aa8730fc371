"""Drawn spikes and weights of a convolution, and its drive checked against the naive twin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import kernels as naive

Words = npt.NDArray[np.int16]
Weights = npt.NDArray[np.int8]


def drawn_spikes(
    rng: np.random.Generator, stride: int, kernel: int, pad: int, n: int, most: int
) -> tuple[Words, Weights, tuple[int, int, int]] | None:
    """Draw ``n`` spikes, weights, and the shape of the drive; None where no place is left.

    The input has fewer than ``most`` rows and columns.
    """
    rows_in, columns_in, c_in, c_out = *rng.integers(1, most, 2), *rng.integers(1, 5, 2)
    rows, columns = (np.array([rows_in, columns_in]) + 2 * pad - kernel) // stride + 1
    if min(rows, columns) < 1:
        return None
    weights = rng.integers(-128, 128, (c_in, kernel, kernel, c_out)).astype(np.int8)
    spikes = rng.integers(0, [c_in, rows_in, columns_in], (n, 3)).astype(np.int16)
    return spikes, weights, (rows, columns, c_out)


def check_drive(
    found: Words, operations: int, spikes: Words, weights: Weights, stride: int, pad: int
) -> None:
    """Check a drive and the number of operations against the naive twin's."""
    wanted, expected = naive.drive(
        [tuple(map(int, s)) for s in spikes], weights, found.shape, stride, (pad, pad)
    )
    assert {i: int(v) for i, v in np.ndenumerate(found)} == wanted
    assert operations == expected
