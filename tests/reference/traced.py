"""Layers on traces, in plain Python integers and fractions: the slow twins of their kernels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from spikewire.qcore.kernels import layout as at
from tests.reference import kernels as naive
from tests.reference import paper_learning as paper
from tests.reference.network import NaiveLayer


def nearest(value: Fraction) -> int:
    """Round, halves up."""
    return math.floor(value + Fraction(1, 2))


def follow(
    q: int, p: int, spikes: int, decays: tuple[int, int], kick: int, widths: tuple[int, int]
) -> tuple[int, int]:
    """Advance Q and P by one tick; ``kick`` is in 4096ths, ``widths`` are those of Q and P."""
    decay_q, decay_p = (Fraction(one, 4096) for one in decays)
    in_units_of_p = Fraction(q) * Fraction(2) ** (widths[1] - widths[0])
    p_next = nearest((1 - decay_p) * p + decay_p * in_units_of_p)
    q_next = nearest((1 - decay_q) * q + Fraction(kick * spikes, 4096))
    return min(q_next, 2 ** widths[0] - 1), min(p_next, 2 ** widths[1] - 1)


def wrap32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def sums(P: Any, weights: Any, shape: tuple[int, int, int], stride: int, pad: int) -> Any:
    """Convolve traces with weights, modulo 2**32."""
    out = np.zeros(shape, object)
    for oy, ox, k in np.ndindex(shape):
        total = 0
        for c, ky, kx in np.ndindex(weights.shape[:3]):
            y, x = oy * stride + ky - pad, ox * stride + kx - pad
            if 0 <= y < P.shape[0] and 0 <= x < P.shape[1]:
                total += int(P[y, x, c]) * int(weights[c, ky, kx, k])
        out[oy, ox, k] = wrap32(total)
    return out


def reached(P: Any, kernel: tuple[int, int], shape: tuple[int, int], stride: int, pad: int) -> int:
    """Count the places of a layer that each trace other than zero reaches."""
    count = 0
    for y, x, c in np.ndindex(P.shape):
        for oy, ox in np.ndindex(shape):
            ky, kx = y + pad - oy * stride, x + pad - ox * stride
            if P[y, x, c] and 0 <= ky < kernel[0] and 0 <= kx < kernel[1]:
                count += 1
    return count


def fire(
    total: int, r: int, bias: int, threshold: int, keep: int, kick: int, *, lift: int, slope: int,
    rail: int, bits: int, rounded: bool,
) -> tuple[int, int, int]:  # fmt: skip
    """Return refractory trace, spike and activation after one tick."""
    in_unit = math.floor(naive.clip(total * 2 ** max(lift, 0), *_range(lift)) / 2 ** max(-lift, 0))
    off = r if bits == 24 else r * kick // 2 ** (bits - 1)
    over = in_unit + bias - threshold - off
    u = nearest(Fraction(over, 2**slope))
    spike = int(u >= 0)
    decayed = Fraction(r * keep, 4096)
    added, most = (kick, naive.RAIL) if bits == 24 else (2 ** (bits - 1), 2**bits - 1)
    left = nearest(decayed) if rounded else math.floor(decayed)
    return min(left + added * spike, most), spike, naive.clip(u + (rail + 1) // 2, 0, rail)


def _range(lift: int) -> tuple[int, int]:
    most = 2**29 // 2 ** max(lift, 0) * 2 ** max(lift, 0)
    return -most, most


class TracedLayer(NaiveLayer):
    """A layer on traces: the sums are computed anew in every tick."""

    def trace(self, image: Any) -> None:
        """Leave the traces alone: they are not those of learning."""

    def step(self, image: Any) -> Any:
        L, w = self.L, self.widths
        for i in np.ndindex(self.inputs):
            self.Q[i], self.P[i] = follow(
                int(self.Q[i]), int(self.P[i]), int(image[i]), (L[at.DECAY_Q], L[at.DECAY_P]),
                L[at.KICK], (w.q, w.p),
            )  # fmt: skip
        self.v = sums(self.P, self.weights, self.v.shape, L[at.STRIDE], L[at.PAD_Y])
        fired = np.zeros(self.v.shape, int)
        for i in np.ndindex(self.v.shape):
            t = [int(row) for row in self.table[:, i[2]]]
            self.r[i], fired[i], self.activation[i] = fire(
                int(self.v[i]), int(self.r[i]), t[3], t[2], t[4], t[5],
                lift=L[at.SUM_LIFT], slope=L[at.SLOPE], rail=L[at.RAIL], bits=w.refractory,
                rounded=bool(L[at.R_NEAREST]),
            )  # fmt: skip
            if self.rule.surrogate == "sigmoid":
                self.activation[i] = paper.sigmoid(self.activation[i], self.widths.activation)
        return self.pool(fired, sum)
