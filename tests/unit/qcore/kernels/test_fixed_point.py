"""Fixed-point scalars against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import fixed_point
from tests.reference import kernels as naive

FEW = settings(max_examples=60, deadline=None)


@given(st.integers(-(2**24) + 1, 2**24 - 1), st.integers(0, 4096))
@FEW
def test_decay_truncates_toward_zero(value: int, keep: int) -> None:
    assert int(fixed_point.decay(np.int32(value), np.int32(keep))) == naive.decay(value, keep)


@pytest.mark.parametrize(
    "value", [-(2**31), -fixed_point.RAIL - 1, fixed_point.RAIL + 1, 2**31 - 1]
)
def test_saturation_stops_at_the_rails(value: int) -> None:
    wanted = int(np.sign(value)) * int(fixed_point.RAIL)
    assert int(fixed_point.saturate(np.int32(value))) == wanted
