"""The fixed-point leaky integrate-and-fire neuron, in its three kinds of reset.

Per tick, for a neuron of channel ``c`` (Loihi and lava's fixed-point LIF; ``tz`` truncates toward
zero, ``sat`` clips to 24 bits)::

    u <- sat(tz(u * (4096 - du) / 4096) + (drive << exponent))
    v <- sat(tz(v * (4096 - dv) / 4096) + u + bias)
    spike when v > threshold

All parameters of a channel stand in one int32[8, channels] table, rows named below. Refractory
values stand in int8 where all of them fit (coarse traces, and waits of up to 127 ticks), else in
int32: the kernels take both.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import clip, decay, leak, saturate

KEEP_U, KEEP_V, THRESHOLD, BIAS, KEEP_R, KICK_R, FLOOR, RESET_VALUE = range(8)
PARAMETERS = 8

RESET_ZERO, RESET_SUBTRACT, RESET_REFRACTORY, RESET_NONE = range(4)


@kernel(
    "int64(int16[:, ::1], int32[:, ::1], int32[:, ::1], int32[:, ::1], int32[:, ::1], int64, int64)"
)
def integrate(drive, spill, u, v, table, exponent, spilled):
    """Decay currents and membranes of every neuron and take in the tick's drive.

    Parameters
    ----------
    drive
        int16[places, channels]: summed weights of the tick's spikes; cleared.
    spill
        int32[places, channels]: earlier parts of the same sum, read where ``spilled``; cleared.
    u, v
        int32[places, channels]: current and membrane, 24-bit, changed in place.
    table
        int32[8, channels]: the channels' parameters.
    exponent
        The weights' shared power of two: at most 14, plus one for each bit below 8 of a weight.
    spilled
        1 if ``spill`` is not zero.

    Returns
    -------
    int
        0 if no value changed: the layer is at rest, and further ticks without input are no-ops.
    """
    shift = np.int32(exponent)
    # A sum beyond this saturates the current whatever it was, and may not leave 32 bits when
    # shifted. Sums that never spilled cannot: 255 * 2**7 * 2**14 + 2**23 < 2**31.
    most = np.int32(np.int32(1 << 25) >> shift)
    changed = np.int32(0)
    places, channels = u.shape
    keep_u = table[KEEP_U]
    keep_v = table[KEEP_V]
    bias = table[BIAS]
    for i in range(places):
        if spilled != 0:
            for c in range(channels):
                total = np.int32(spill[i, c] + np.int32(drive[i, c]))
                total = np.int32(clip(total, np.int32(-most), most) << shift)
                u_next = saturate(np.int32(decay(u[i, c], keep_u[c]) + total))
                changed |= np.int32(u_next ^ u[i, c])
                u[i, c] = u_next
                spill[i, c] = np.int32(0)
        else:
            for c in range(channels):
                total = np.int32(np.int32(drive[i, c]) << shift)
                u_next = saturate(np.int32(decay(u[i, c], keep_u[c]) + total))
                changed |= np.int32(u_next ^ u[i, c])
                u[i, c] = u_next
        for c in range(channels):
            drive[i, c] = np.int16(0)
        for c in range(channels):
            v_next = saturate(np.int32(np.int32(decay(v[i, c], keep_v[c]) + u[i, c]) + bias[c]))
            changed |= np.int32(v_next ^ v[i, c])
            v[i, c] = v_next
    return np.int64(changed != 0)


@kernel("int64(int16[::1], int32[::1], int32[::1], int64, int64, int64)")
def integrate_evenly(drive, u, v, exponent, leak_u, leak_v):
    """Do as :func:`integrate` for layers without biases whose decays are one power of two.

    With ``4096 - keep = 2**(12 - leak)`` the product is a shift and a subtraction: a layer of
    18,496 neurons takes 5 us instead of 23 us.

    Parameters
    ----------
    drive
        int16[n]: summed weights of the tick's spikes; cleared.
    u, v
        int32[n]: current and membrane, 24-bit, changed in place.
    exponent
        The weights' shared power of two.
    leak_u, leak_v
        A tick takes off ``ceil(|u| / 2**leak_u)`` and ``ceil(|v| / 2**leak_v)``.

    Returns
    -------
    int
        0 if no value changed.
    """
    shift = np.int32(exponent)
    changed = np.int32(0)
    bits_u = np.int32(leak_u)
    bits_v = np.int32(leak_v)
    for i in range(u.shape[0]):
        total = np.int32(np.int32(drive[i]) << shift)
        u_next = saturate(np.int32(leak(u[i], bits_u) + total))
        v_next = saturate(np.int32(leak(v[i], bits_v) + u_next))
        changed |= np.int32(np.int32(u_next ^ u[i]) | np.int32(v_next ^ v[i]))
        u[i] = u_next
        v[i] = v_next
        drive[i] = np.int16(0)
    return np.int64(changed != 0)


@kernel(
    [
        "void(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1],"
        " int64, int64, int64, int64)",
        "void(int32[:, ::1], int8[:, ::1], int32[:, ::1], int8[:, ::1],"
        " int64, int64, int64, int64)",
    ]
)
def activate(v, r, table, activation, slope, rail, reset, bits):
    """Take the activations of this tick, before the neurons fire and reset.

    ``(U - threshold >> slope) + (rail + 1) / 2``, clipped to ``[0, rail]``: a hard sigmoid whose
    linear part is the surrogate's window. ``U`` is what the neuron compares with its threshold.

    Parameters
    ----------
    v, r
        int32[places, channels]: membrane and refractory value, after :func:`integrate`.
    table
        int32[8, channels]: the channels' parameters.
    activation
        int8[places, channels], overwritten.
    slope, rail
        Shift, and the largest activation.
    reset
        How the neurons reset, which says what ``U`` is.
    bits
        Bits of a coarse refractory trace (:func:`fire_coarse`), or 0.
    """
    steep = np.int32(slope)
    high = np.int32(rail)
    middle = np.int32(np.int32(high + 1) >> 1)
    fraction = np.int32(max(bits - 1, 0))
    places, channels = v.shape
    threshold = table[THRESHOLD]
    kick = table[KICK_R]
    for i in range(places):
        if reset != RESET_REFRACTORY:
            for c in range(channels):
                membrane = np.int32(0) if r[i, c] > 0 else v[i, c]
                over = np.int32(np.int32(membrane - threshold[c]) >> steep)
                activation[i, c] = np.int8(clip(np.int32(over + middle), np.int32(0), high))
        elif bits > 0:
            for c in range(channels):
                taken = np.int32(np.int32(np.int32(r[i, c]) * kick[c]) >> fraction)
                over = np.int32(np.int32(np.int32(v[i, c] - taken) - threshold[c]) >> steep)
                activation[i, c] = np.int8(clip(np.int32(over + middle), np.int32(0), high))
        else:
            for c in range(channels):
                membrane = np.int32(v[i, c] - np.int32(r[i, c]))
                over = np.int32(np.int32(membrane - threshold[c]) >> steep)
                activation[i, c] = np.int8(clip(np.int32(over + middle), np.int32(0), high))


@kernel(
    [
        "int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1])",
        "int64(int32[:, ::1], int8[:, ::1], int32[:, ::1], int8[:, ::1])",
    ]
)
def fire_refractory(v, r, table, fired):
    """Fire with the paper's decaying refractory trace (Schaefer & Joshi 2020).

    ``U = v - r``; spike when ``U > threshold``; ``r <- tz(r * keep) + kick * spike``.
    The membrane itself is not reset.

    Returns
    -------
    int
        0 if no refractory trace changed.
    """
    changed = np.int32(0)
    places, channels = v.shape
    threshold = table[THRESHOLD]
    keep = table[KEEP_R]
    kick = table[KICK_R]
    for i in range(places):
        for c in range(channels):
            trace = np.int32(r[i, c])
            over = np.int32(np.int32(v[i, c] - trace) - threshold[c])
            spike = np.int32(1) if over > 0 else np.int32(0)
            fired[i, c] = np.int8(spike)
            r_next = saturate(np.int32(decay(trace, keep[c]) + np.int32(spike * kick[c])))
            changed |= np.int32(r_next ^ trace)
            r[i, c] = r_next
    return np.int64(changed != 0)


@inline
def _coarse_spike(v, r, threshold, kick, fraction):
    """Fire over the threshold and what a coarse refractory trace takes off: 1, or 0."""
    taken = np.int32(np.int32(r * kick) >> fraction)
    return np.int32(1) if np.int32(np.int32(v - taken) - threshold) > 0 else np.int32(0)


@inline
def _coarse_trace(r, keep, half, spike, one, most):
    """Decay a coarse refractory trace, and add a spike's part to it."""
    left = np.int32(np.int32(np.int32(r * keep) + half) >> np.int32(12))
    return min(np.int32(left + np.int32(spike * one)), most)


@kernel(
    [
        "int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1], int64, int64)",
        "int64(int32[:, ::1], int8[:, ::1], int32[:, ::1], int8[:, ::1], int64, int64)",
    ]
)
def fire_coarse(v, r, table, fired, bits, nearest):
    """Fire with a refractory trace of few bits, which counts in parts of its kick.

    ``r`` is a whole number of ``bits`` bits in units of ``kick / 2**(bits - 1)``::

        U = v - (r * kick >> (bits - 1));  spike when U > threshold
        r <- min(tz(r * keep) + 2**(bits - 1) * spike, 2**bits - 1)

    With 2 bits and a ``keep`` of 0.65 a spike takes off its whole kick in the next tick, half of it
    in the one after, then none. At most 8 bits: then ``r * kick`` fits 32. Where ``nearest`` is 1
    the decayed trace is rounded to the nearest, halves up, as the paper's is: it stays where the
    decay of a tick is less than half a step, and half of that kick is taken off from then on.
    Otherwise as :func:`fire_refractory`.

    Returns
    -------
    int
        0 if no refractory trace changed.
    """
    changed = np.int32(0)
    fraction = np.int32(bits - 1)
    one = np.int32(1 << (bits - 1))
    most = np.int32((1 << bits) - 1)
    half = np.int32(2048) if nearest != 0 else np.int32(0)
    places, channels = v.shape
    threshold = table[THRESHOLD]
    keep = table[KEEP_R]
    kick = table[KICK_R]
    for i in range(places):
        for c in range(channels):
            trace = np.int32(r[i, c])
            spike = _coarse_spike(v[i, c], trace, threshold[c], kick[c], fraction)
            fired[i, c] = np.int8(spike)
            r_next = _coarse_trace(trace, keep[c], half, spike, one, most)
            changed |= np.int32(r_next ^ trace)
            r[i, c] = r_next
    return np.int64(changed != 0)


@kernel(
    [
        "int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1])",
        "int64(int32[:, ::1], int8[:, ::1], int32[:, ::1], int8[:, ::1])",
    ]
)
def fire_subtract(v, r, table, fired):
    """Fire and subtract the threshold from the membrane.

    ``r`` counts refractory ticks: while it is above zero the neuron is silent and its membrane is
    held at zero (Loihi). Otherwise as :func:`fire_refractory`. Returns 0 if nothing changed.
    """
    changed = np.int32(0)
    places, channels = v.shape
    threshold = table[THRESHOLD]
    ticks = table[KICK_R]
    for i in range(places):
        for c in range(channels):
            held = r[i, c] > 0
            membrane = np.int32(0) if held else v[i, c]
            over = np.int32(membrane - threshold[c])
            spike = np.int32(0) if held else (np.int32(1) if over > 0 else np.int32(0))
            fired[i, c] = np.int8(spike)
            v_next = saturate(np.int32(membrane - np.int32(spike * threshold[c])))
            wait = np.int32(r[i, c])
            r_next = np.int32(wait - 1) if held else np.int32(spike * ticks[c])
            changed |= np.int32(np.int32(v_next ^ v[i, c]) | np.int32(r_next ^ wait))
            v[i, c] = v_next
            r[i, c] = r_next
    return np.int64(changed != 0)


@kernel(
    [
        "int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1])",
        "int64(int32[:, ::1], int8[:, ::1], int32[:, ::1], int8[:, ::1])",
    ]
)
def fire_zero(v, r, table, fired):
    """Fire and reset the membrane to zero; ``r`` counts refractory ticks as in subtraction."""
    changed = np.int32(0)
    places, channels = v.shape
    threshold = table[THRESHOLD]
    ticks = table[KICK_R]
    for i in range(places):
        for c in range(channels):
            held = r[i, c] > 0
            membrane = np.int32(0) if held else v[i, c]
            over = np.int32(membrane - threshold[c])
            spike = np.int32(0) if held else (np.int32(1) if over > 0 else np.int32(0))
            fired[i, c] = np.int8(spike)
            v_next = np.int32(0) if spike == 1 else membrane
            wait = np.int32(r[i, c])
            r_next = np.int32(wait - 1) if held else np.int32(spike * ticks[c])
            changed |= np.int32(np.int32(v_next ^ v[i, c]) | np.int32(r_next ^ wait))
            v[i, c] = v_next
            r[i, c] = r_next
    return np.int64(changed != 0)
