"""The slow, obvious twins of qcore's kernels, in plain Python integers, from the equations.

Nothing here is shared with the package: a mistake would have to be made twice to go unseen.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

RAIL = 2**23 - 1


def tz_div(value: int, divisor: int) -> int:
    """Divide and truncate toward zero."""
    quotient = abs(value) // divisor
    return quotient if value >= 0 else -quotient


def clip(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def scaled(value: int, bits: int) -> int:
    return value * 2 ** max(bits, 0) // 2 ** max(-bits, 0)


def decay(value: int, keep: int) -> int:
    return tz_div(value * keep, 4096)


def xorshift(state: int) -> int:
    state ^= (state << 13) & 0xFFFFFFFF
    state ^= state >> 17
    state ^= (state << 5) & 0xFFFFFFFF
    return state


def splitmix_lanes(seed: int, stream: int, count: int) -> list[int]:
    mask = 2**64 - 1
    state = (seed ^ (stream * 0x9E3779B97F4A7C15)) & mask
    lanes = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        lanes.append((z >> 32) or 1)
    return lanes


def drive(
    spikes: list[tuple[int, int, int]], weights: Any, shape: tuple[int, int, int],
    stride: int, pad: tuple[int, int],
) -> tuple[dict[tuple[int, int, int], int], int]:  # fmt: skip
    """Sum, per output neuron, the weights of all spikes in its receptive field."""
    rows, columns, channels = shape
    _, kernel_y, kernel_x, _ = weights.shape
    present: dict[tuple[int, int, int], int] = {}
    for spike in spikes:
        present[spike] = present.get(spike, 0) + 1
    out: dict[tuple[int, int, int], int] = {}
    operations = 0
    for oy in range(rows):
        for ox in range(columns):
            for k in range(channels):
                total = 0
                for (c, y, x), times in present.items():
                    ky = y + pad[0] - oy * stride
                    kx = x + pad[1] - ox * stride
                    if 0 <= ky < kernel_y and 0 <= kx < kernel_x:
                        total += times * int(weights[c, ky, kx, k])
                        operations += times
                out[oy, ox, k] = total
    return out, operations


def integrate(
    u: int, v: int, total: int, keep_u: int, keep_v: int, bias: int, exponent: int
) -> tuple[int, int]:
    u = clip(decay(u, keep_u) + total * 2**exponent, -RAIL, RAIL)
    v = clip(decay(v, keep_v) + u + bias, -RAIL, RAIL)
    return u, v


def fire(
    kind: str, v: int, r: int, threshold: int, keep_r: int, kick: int, slope: int, rail: int
) -> tuple[int, int, int, int]:
    """Return membrane, refractory value, spike and activation after one tick.

    ``kind`` "coarse3" has a refractory trace of 3 bits, "lingering3" one that is rounded to the
    nearest.
    """
    middle = (rail + 1) // 2
    if kind.startswith("coarse"):
        one = 2 ** (int(kind[6:]) - 1)
        over = v - r * kick // one - threshold
        spike = int(over > 0)
        r = min(decay(r, keep_r) + one * spike, 2 * one - 1)
    elif kind.startswith("lingering"):
        one = 2 ** (int(kind[9:]) - 1)
        over = v - r * kick // one - threshold
        spike = int(over > 0)
        r = min((2 * r * keep_r + 4096) // 8192 + one * spike, 2 * one - 1)
    elif kind == "refractory":
        over = v - r - threshold
        spike = int(over > 0)
        r = clip(decay(r, keep_r) + kick * spike, -RAIL, RAIL)
    else:
        held = r > 0
        membrane = 0 if held else v
        over = membrane - threshold
        spike = int(over > 0 and not held)
        v = clip(membrane - threshold * spike, -RAIL, RAIL)
        if kind == "zero" and spike:
            v = 0
        r = r - 1 if held else kick * spike
    activation = clip(math.floor(over / 2**slope) + middle, 0, rail)
    return v, r, spike, activation


def trace(
    q: int, p: int, spikes: int, kick: int, fast: int, slow: int, rail: int = 1023, lift: int = 2
) -> tuple[int, int]:
    q = min(rail, q - math.ceil(q / 2**fast) + kick * spikes)
    return q, p + tz_div(scaled(q, lift) - p, 2**slow)


def pooled_activation(window: list[int], rail: int) -> int:
    """Average a window; at an end only if all are."""
    mean = sum(window) // len(window)
    if any(a > 0 for a in window):
        mean = max(mean, 1)
    if any(a < rail for a in window):
        mean = min(mean, rail - 1)
    return mean


def feature(f: int, spike: int, kick: int, slow: int) -> int:
    return min(32767, f - math.ceil(f / 2**slow) + kick * spike)


def remembered(f: list[int]) -> list[int]:
    total = sum(v * v for v in f)
    return [int(v * v * len(f) >= total) for v in f]


def recalled(bits: list[int]) -> list[int]:
    height = math.isqrt(2**20 // sum(bits))
    return [height * bit for bit in bits]


def shifts(seen: list[int], taught: int, shift: int, batched: bool) -> list[int]:
    """How boldly each class is corrected: a known one gently, unless it is the one taught."""
    gentle = max(shift, min(shift + 9, 30))
    return [
        gentle if n >= 512 and k != taught and not batched else shift for k, n in enumerate(seen)
    ]


def add_readout(scores: list[int], y: list[int], mean: list[int], gain: int) -> list[int]:
    rows = zip(scores, y, mean, strict=True)
    return [clip(s + gain * (own - m // 16), -(2**30), 2**30) if m else s for s, own, m in rows]


def local_error(
    y: list[int], mean: list[int], label: int, target: int, shift: int, rail: int, dead: int
) -> tuple[list[int], list[int]]:
    errors, means = [], []
    for k, value in enumerate(y):
        wanted = target if k == label else -(target >> 3)
        slow = mean[k] or 16 * value
        error = clip((wanted - (value - (slow >> 4))) >> shift, -rail, rail)
        errors.append(0 if abs(error) <= dead else error)
        means.append(slow + ((16 * value - slow) >> 7))
    return errors, means


def trained_errors(y: list[int], label: int, target: int, dead: int, bits: int) -> list[int]:
    """Errors of the trained readout, in parts of the target that ``bits`` bits hold."""
    unit = 2 ** max(target.bit_length() - bits, 0)
    errors = []
    for k, score in enumerate(y):
        e = (target if k == label else 0) - score
        kept = e > dead if k == label else e < -dead
        rounded = math.floor(e / unit + 0.5)
        errors.append(clip(rounded, 1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if kept else 0)
    return errors


def delta(
    G: Any, errors: list[int], activation: list[int], shift: int, rail: int, delta_rail: int = 127,
    more: list[int] | None = None,
) -> list[int]:  # fmt: skip
    """Bring errors back to units; ``more`` is added to each unit's sum."""
    out = []
    for i, a in enumerate(activation):
        back = sum(e * int(G[k, i]) for k, e in enumerate(errors)) + (more[i] if more else 0)
        out.append(clip(back >> shift, -delta_rail, delta_rail) if 0 < a < rail else 0)
    return out


def carried_back(
    d: Any, weights: Any, inputs: tuple[int, int, int], stride: int, pad: tuple[int, int]
) -> Any:
    """Sum, per unit of the input map, the errors of the neurons it reaches times its weights."""
    sums = np.zeros(inputs, np.int64)
    for y, x, c in np.ndindex(inputs):
        for oy, ox, k in np.ndindex(d.shape):
            ky, kx = y + pad[0] - oy * stride, x + pad[1] - ox * stride
            if 0 <= ky < weights.shape[1] and 0 <= kx < weights.shape[2]:
                sums[y, x, c] += int(weights[c, ky, kx, k]) * int(d[oy, ox, k])
    return sums


def gradient(
    d: Any, P: Any, shape: tuple[int, int, int, int], stride: int, pad: int, shift: int
) -> Any:
    g = np.zeros(shape, np.int64)
    rows, columns, channels = d.shape
    rows_in, columns_in, inputs = P.shape
    for c in range(shape[0]):
        for ky in range(shape[1]):
            for kx in range(shape[2]):
                for k in range(channels):
                    for oy in range(rows):
                        for ox in range(columns):
                            y, x = oy * stride + ky - pad, ox * stride + kx - pad
                            if 0 <= y < rows_in and 0 <= x < columns_in and c < inputs:
                                g[c, ky, kx, k] += scaled(int(P[y, x, c]), -shift) * int(
                                    d[oy, ox, k]
                                )
    return g


def normalise(F: list[int]) -> list[int]:
    root = math.isqrt(sum(f * f for f in F))
    if root == 0:
        return [0] * len(F)
    return [(f * (2**26 // root)) >> 16 for f in F]


def used_weight(stored: int, width: int, used: int, rounded: bool) -> int:
    """Cut a weight of ``used`` bits from a stored one of ``width`` bits."""
    if not rounded:
        return math.floor(Fraction(stored, 2 ** (width - used)))
    # Halves go up, as those of an integer that is shifted after half was added.
    most = 2 ** (used - 1) - 1
    return clip(math.floor(Fraction(stored, 2 ** (width - used)) + Fraction(1, 2)), -most, most)


def step_by_gradient(
    g: Any, store: Any, lanes: list[int], step: int, step_bits: int, low: int, high: int,
    scale: tuple[list[int], list[int]] | None = None,
) -> list[int]:  # fmt: skip
    """Step a 2-D store by its gradient; return the lanes.

    ``scale`` has what is taken off the gradient of each output channel, and the power of two that
    divides it: by default its mean, and the one above its largest.
    """
    rows, outputs = g.shape
    lanes = list(lanes)
    mean = [sum(int(v) for v in g[:, k]) // rows for k in range(outputs)]
    centred = [[int(g[i, k]) - mean[k] for k in range(outputs)] for i in range(rows)]
    powers = [max(abs(row[k]) for row in centred).bit_length() for k in range(outputs)]
    if scale is not None:
        mean, powers = scale
    for i in range(rows):
        for k in range(outputs):
            shift = powers[k] + 4 + step_bits
            spare = max(0, shift - 31)
            lanes[k] = xorshift(lanes[k])
            value = (int(g[i, k]) - mean[k]) * step >> spare
            moved = (value + lanes[k] % 2 ** (shift - spare)) >> (shift - spare)
            store[i, k] = clip(int(store[i, k]) + moved, low, high)
    return lanes


def regulated(now: int, count: int, chances: int, low: int, high: int, gain_shift: int) -> int:
    """Move a threshold by ``1 / 2**gain_shift`` of itself, at least by one."""
    rate = count * 65536 // chances
    step = max(1, now // 2**gain_shift)
    if rate > high:
        return min(now + step, 2**22)
    if rate < low:
        return max(now - step, 64)
    return now
