"""The paper's way of learning in plain Python: twins of the quantiser and the sigmoid's table."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from tests.reference.kernels import clip


def nearest_power(value: int) -> int:
    """The power of two nearest to a positive number by its logarithm."""
    # 2**(n - 1/2) <= value, squared.
    return max(n for n in range(70) if Fraction(2) ** (2 * n - 1) <= value * value)


def rounded(value: Fraction) -> int:
    """Round to the nearest whole number, halves away from zero."""
    size = math.floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


def quantised(values: list[int], rail: int) -> list[int]:
    largest = max((abs(v) for v in values), default=0)
    if largest == 0:
        return [0] * len(values)
    unit = Fraction(2 ** nearest_power(largest), rail + 1)
    return [clip(rounded(v / unit), -rail, rail) for v in values]


def normalised_error(
    y: list[int], mean: list[int], label: int, target: int, shift: int, rail: int, dead: int
) -> tuple[list[int], list[int]]:
    gaps, means = [], []
    for k, value in enumerate(y):
        slow = mean[k] or 16 * value
        gap = (target if k == label else -(target >> 3)) - (value - (slow >> 4))
        quiet = abs(clip(gap >> shift, -rail, rail)) <= dead
        gaps.append(0 if quiet else clip(gap, -(2**31 - 1), 2**31 - 1))
        means.append(slow + ((16 * value - slow) >> 7))
    return quantised(gaps, rail), means


def normalised_delta(
    G: Any, errors: list[int], activation: list[int], rail: int, delta_rail: int
) -> list[int]:
    back = [sum(e * int(G[k, i]) for k, e in enumerate(errors)) for i in range(len(activation))]
    inside = [0 < a < rail for a in activation]
    return [d * i for d, i in zip(quantised(back, delta_rail), inside, strict=True)]


def finished_delta(
    delta: list[int], activation: list[int], rail: int, delta_rail: int, sigmoid: bool,
    largest: bool,
) -> list[int]:  # fmt: skip
    """Multiply by the slope of the sigmoid; divide by the largest, or by the steepest slope."""
    slopes = [a * (rail - a) if sigmoid else 1 for a in activation]
    steep = [d * s for d, s in zip(delta, slopes, strict=True)]
    if largest:
        return quantised(steep, delta_rail)
    middle = ((rail + 1) // 2) ** 2
    return [clip(rounded(Fraction(v, middle)), -delta_rail, delta_rail) for v in steep]


def sigmoid(activation: int, bits: int) -> int:
    """The sigmoid's activation for a linear one; the ends stay."""
    rail = 2**bits - 1
    if activation in (0, rail):
        return activation
    x = 8 * (activation + 0.5) / 2**bits - 4
    return math.floor(rail / (1 + math.exp(-x)) + 0.5)


def gradient_scale(g: Any, centre: bool, tensor: bool) -> tuple[list[int], list[int]]:
    """Return what is taken off each output's gradient, and the power of two that divides it."""
    rows, outputs = g.shape
    columns = [[int(v) for v in g[:, k]] for k in range(outputs)]
    mean = [sum(column) // rows if centre else 0 for column in columns]
    largest = [max(abs(v - m) for v in column) for column, m in zip(columns, mean, strict=True)]
    if tensor:
        return mean, [nearest_power(max(1, *largest))] * outputs
    return mean, [value.bit_length() for value in largest]
