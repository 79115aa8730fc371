"""Fixed-point scalars: decay, rounding and saturation.

Numba widens every small integer to 64 bits, so each operation is cast back to 32: the loops then
vectorise over 16 lanes instead of 8, and what could overflow is visible.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline

RAIL = np.int32(2**23 - 1)
"""Currents and membranes saturate at +-(2**23 - 1): 24 bits, symmetric as in lava."""


@inline
def decay(value, keep):
    """``trunc(value * keep / 4096)`` toward zero, for ``|value| < 2**24`` and ``keep <= 4096``.

    Splitting the magnitude at bit 12 keeps both products under 2**24, so nothing needs 64 bits:
    ``(hi * 4096 + lo) * keep >> 12 == hi * keep + (lo * keep >> 12)`` exactly.
    """
    sign = np.int32(value >> 31)
    magnitude = np.int32(np.int32(value ^ sign) - sign)
    high = np.int32(np.int32(magnitude >> 12) * keep)
    low = np.int32(np.int32(np.int32(magnitude & 4095) * keep) >> 12)
    decayed = np.int32(high + low)
    return np.int32(np.int32(decayed ^ sign) - sign)


@inline
def fine_decay(value, keep, fine):
    """``trunc(value * keep / 2**(12 + fine))`` toward zero, for ``keep <= 2**(12 + fine)``.

    :func:`decay`, with up to 4 more bits: both products stay under 2**28.
    """
    sign = np.int32(value >> 31)
    magnitude = np.int32(np.int32(value ^ sign) - sign)
    high = np.int32(np.int32(magnitude >> 12) * keep)
    low = np.int32(np.int32(np.int32(magnitude & 4095) * keep) >> 12)
    decayed = np.int32(np.int32(high + low) >> fine)
    return np.int32(np.int32(decayed ^ sign) - sign)


@inline
def leak(value, bits):
    """``trunc(value * (1 - 2**-bits))`` toward zero: :func:`decay` where that is a power of two."""
    sign = np.int32(value >> 31)
    up = np.int32(np.int32(np.int32(1) << bits) - np.int32(1))
    return np.int32(value - np.int32(np.int32(value + np.int32(up & ~sign)) >> bits))


@inline
def saturate(value):
    """Clip to the 24-bit rails."""
    return np.int32(min(max(value, np.int32(-8388607)), np.int32(8388607)))


@inline
def clip(value, low, high):
    """Clip a 32-bit value to ``[low, high]``."""
    return np.int32(min(max(value, low), high))


@inline
def shift_to_zero(value, bits):
    """``trunc(value / 2**bits)`` toward zero."""
    sign = np.int32(value >> 31)
    magnitude = np.int32(np.int32(value ^ sign) - sign)
    shifted = np.int32(magnitude >> bits)
    return np.int32(np.int32(shifted ^ sign) - sign)


@inline
def xorshift(state):
    """One step of a 32-bit xorshift lane (Marsaglia 2003, triple 13, 17, 5); never zero."""
    state = np.uint32(state ^ np.uint32(state << np.uint32(13)))
    state = np.uint32(state ^ np.uint32(state >> np.uint32(17)))
    return np.uint32(state ^ np.uint32(state << np.uint32(5)))


@inline
def bit_length(value):
    """Number of bits of a non-negative 64-bit integer (0 for 0)."""
    bits = np.int64(0)
    while value > 0:
        value >>= 1
        bits += 1
    return bits
