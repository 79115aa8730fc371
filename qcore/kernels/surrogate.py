"""The sigmoid as a table: activations that follow it, instead of the linear ones."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel

_ONE = 1 << 60


def _exponential(x: int) -> int:
    """``exp(x / 32)`` for ``x >= 0``, in parts of ``2**60``: its series, in integers."""
    term, total, n = _ONE, 0, 1
    while term:
        total += term
        term = term * x // (32 * n)
        n += 1
    return total


def _sigmoid(bits: int) -> list[int]:
    """Tabulate the sigmoid from -4 to 4 over the linear activation of so many bits, 2 to 7.

    ``a`` stands for the middle of its step, ``x = 8 * (a + 1/2) / 2**bits - 4``. The ends of the
    linear activation stay ends: such neurons are outside the surrogate's window.
    """
    count = 1 << bits
    rail = count - 1
    upper = []
    for a in range(count // 2, count):
        grown = _exponential(128 * (2 * a + 1) // count - 128)
        upper.append((2 * rail * grown + grown + _ONE) // (2 * (grown + _ONE)))
    upper[-1] = rail
    return [rail - value for value in reversed(upper)] + upper


SIGMOID = np.zeros((8, 128), np.int8)
"""A row per number of bits, 2 to 7: the sigmoid's activation for each linear one."""

for _bits in range(2, 8):
    SIGMOID[_bits, : 1 << _bits] = _sigmoid(_bits)


@kernel("void(int8[::1], int64)")
def follow_sigmoid(activation, bits):
    """Replace linear activations by those of a sigmoid with the same ends.

    The linear activation's window, ``2**bits`` slopes of the membrane around its threshold, is -4
    to 4 of the sigmoid. Its derivative is then ``a * (rail - a)``, up to a factor.

    Parameters
    ----------
    activation
        int8[n] in ``[0, 2**bits - 1]``, changed in place.
    bits
        2 to 7.
    """
    table = SIGMOID[bits]
    for i in range(activation.shape[0]):
        activation[i] = table[np.int64(activation[i])]
