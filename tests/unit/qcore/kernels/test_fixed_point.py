"""Fixed-point scalars against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import fixed_point as _fixed
from tests.reference import kernels as naive

FEW = settings(max_examples=60, deadline=None)


@given(st.integers(-(2**24) + 1, 2**24 - 1), st.integers(0, 4096))
@FEW
def test_decay_truncates_toward_zero(value: int, keep: int) -> None:
    assert int(_fixed.decay(np.int32(value), np.int32(keep))) == naive.decay(value, keep)


@pytest.mark.parametrize("value", [-(2**31), -_fixed.RAIL - 1, _fixed.RAIL + 1, 2**31 - 1])
def test_saturation_stops_at_the_rails(value: int) -> None:
    wanted = int(np.sign(value)) * int(_fixed.RAIL)
    assert int(_fixed.saturate(np.int32(value))) == wanted
