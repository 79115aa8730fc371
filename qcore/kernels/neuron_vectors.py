"""Integration and firing in one go, sixteen neurons at a time.

The loops of :mod:`~spikewire.qcore.kernels.neuron` are left to the compiler, which takes eight
neurons at a time of those of one place: layers of 16 and 24 channels are shorter than its unrolled
body. The loops here go over places and channels alike. A layer of 18,496 neurons in 16 channels
takes 9 us instead of 29 us, and one of 128 channels half of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.neuron import (
    BIAS,
    KEEP_R,
    KEEP_U,
    KEEP_V,
    KICK_R,
    PARAMETERS,
    RESET_REFRACTORY,
    RESET_SUBTRACT,
    RESET_ZERO,
    THRESHOLD,
)
from spikewire.qcore.kernels.vectors import (
    HAS_VECTORS,
    I8,
    I16,
    I32,
    I64,
    LANES,
    WORDS,
    Vectors,
    first_element,
    length_of,
    repeat,
)

RESET_COARSE = 3
"""The refractory reset with a trace of few bits (:func:`~.neuron.fire_coarse`)."""

MOST_LEAK = 511
"""A decay of at most so many parts takes one product: ``(2**23 - 1) * 511 + 4095 < 2**32``."""

FEW_LEAK = 255
"""A decay of at most so many parts takes a signed one: ``(2**23 - 1) * 255 + 4095 < 2**31``."""

LEAK_U, LEAK_V = PARAMETERS, PARAMETERS + 1
"""Rows behind a table's own: ``4096 - keep`` of currents and membranes, in lowest terms."""

ROWS = PARAMETERS + 2


def _fire(to: Vectors, reset: int, v: Any, r: Any, row: Any, coarse: Any) -> tuple[Any, Any, Any]:
    """Fire and reset: the spikes as booleans, the membranes and the refractory values after it."""
    builder = to.builder
    nothing = repeat(0)
    threshold, kick = row(THRESHOLD), row(KICK_R)
    if reset == RESET_COARSE:
        fraction, one, most, nearest = coarse
        taken = builder.ashr(builder.mul(r, kick), fraction)
        over = builder.sub(builder.sub(v, taken), threshold)
        spike = builder.icmp_signed(">", over, nothing)
        left = builder.ashr(builder.add(builder.mul(r, row(KEEP_R)), nearest), repeat(12))
        return spike, v, to.lesser(builder.add(left, builder.select(spike, one, nothing)), most)
    if reset == RESET_REFRACTORY:
        spike = builder.icmp_signed(">", builder.sub(builder.sub(v, r), threshold), nothing)
        left = to.decay(r, row(KEEP_R))
        return spike, v, to.saturate(builder.add(left, builder.select(spike, kick, nothing)))
    held = builder.icmp_signed(">", r, nothing)
    membrane = builder.select(held, nothing, v)
    over = builder.icmp_signed(">", builder.sub(membrane, threshold), nothing)
    spike = builder.and_(over, builder.not_(held))
    waiting = builder.select(spike, kick, nothing)
    waiting = builder.select(held, builder.sub(r, repeat(1)), waiting)
    if reset == RESET_ZERO:
        return spike, builder.select(spike, nothing, membrane), waiting
    taken = builder.select(spike, threshold, nothing)
    return spike, to.saturate(builder.sub(membrane, taken)), waiting


def _intrinsic(reset: int) -> Any:
    """Make the loop of one kind of reset."""

    @intrinsic
    def step(
        typing: Any, drive: Any, u: Any, v: Any, r: Any, table: Any, fired: Any, size: Any,
        exponent: Any, bits: Any, nearest: Any, down_u: Any, down_v: Any,
    ) -> Any:  # fmt: skip
        numbers = (size, exponent, bits, nearest, down_u, down_v)
        r_kind = I8 if r.dtype == numba_types.int8 else I32
        signature = numba_types.int64(drive, u, v, r, table, fired, *numbers)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = [first_element(context, builder, sig.args[n], args[n]) for n in range(6)]
            length, exponent, bits, nearest, *downs = args[6:]
            columns = length_of(context, builder, sig.args[4], args[4], 1)
            few = builder.icmp_signed(">=", downs[0], I64(0))
            after = builder.append_basic_block("stepped")
            one, two = builder.append_basic_block("one"), builder.append_basic_block("two")
            builder.cbranch(few, one, two)
            ends = []
            for block, one_product in ((one, True), (two, False)):
                builder.position_at_end(block)
                changed = _loop(
                    builder, reset, r_kind, first, columns, length,
                    (exponent, bits, nearest), downs if one_product else None,
                )  # fmt: skip
                ends.append((changed, builder.block))
                builder.branch(after)
            builder.position_at_end(after)
            result = builder.phi(WORDS)
            for changed, block in ends:
                result.add_incoming(changed, block)
            some = builder.icmp_signed("!=", result, repeat(0))
            some = builder.bitcast(some, ir.IntType(LANES))
            return builder.zext(builder.icmp_signed("!=", some, ir.IntType(LANES)(0)), I64)

        return signature, generate

    return step


def _loop(
    builder: Any, reset: int, r_kind: Any, first: list[Any], columns: Any, length: Any,
    numbers: tuple[Any, Any, Any], downs: list[Any] | None,
) -> Any:  # fmt: skip
    """Make a loop over all neurons, and return the bits that changed, or-ed by lane."""
    to = Vectors(builder)
    at_drive, at_u, at_v, at_r, at_table, at_fired = first
    exponent, bits, nearest = numbers
    shift = to.spread(exponent)
    fraction = builder.sub(bits, I64(1))
    coarse = (
        to.spread(fraction),
        to.spread(builder.shl(I64(1), fraction)),
        to.spread(builder.sub(builder.shl(I64(1), bits), I64(1))),
        to.spread(nearest),
    )
    before = builder.block
    loop, after = builder.append_basic_block("neurons"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed("<=", length, I64(0)), after, loop)

    builder.position_at_end(loop)
    n, column, changed = builder.phi(I64), builder.phi(I64), builder.phi(WORDS)

    def row(number: int) -> Any:
        place = builder.add(builder.mul(columns, I64(number)), column)
        return to.load(at_table, place)

    u, v, r = to.load(at_u, n), to.load(at_v, n), to.load(at_r, n, r_kind)
    total = builder.shl(to.load(at_drive, n, I16), shift)
    if downs is None:
        u_left, v_left = to.decay(u, row(KEEP_U)), to.decay(v, row(KEEP_V))
    else:
        u_left = to.lose(u, row(LEAK_U), to.spread(downs[0]), few=False)
        v_left = to.lose(v, row(LEAK_V), to.spread(downs[1]), few=True)
    u_next = to.saturate(builder.add(u_left, total))
    v_next = builder.add(v_left, u_next)
    v_next = to.saturate(builder.add(v_next, row(BIAS)))
    spike, v_left, r_next = _fire(to, reset, v_next, r, row, coarse)
    pairs = ((u, u_next), (v, v_next), (v_next, v_left), (r, r_next))
    moved = changed
    for old, new in pairs:
        if old is not new:
            moved = builder.or_(moved, builder.xor(old, new))
    to.store(u_next, at_u, n)
    to.store(v_left, at_v, n)
    to.store(r_next, at_r, n, r_kind)
    to.store(builder.zext(spike, ir.VectorType(I8, LANES)), at_fired, n, I32)
    to.store(ir.Constant(ir.VectorType(I16, LANES), [0] * LANES), at_drive, n, I32)
    n_next = builder.add(n, I64(LANES))
    column_next = builder.add(column, I64(LANES))
    wrapped = builder.icmp_signed(">=", column_next, columns)
    column_next = builder.select(wrapped, I64(0), column_next)
    builder.cbranch(builder.icmp_signed("<", n_next, length), loop, after)
    for phi, start, following in ((n, I64(0), n_next), (column, I64(0), column_next)):
        phi.add_incoming(start, before)
        phi.add_incoming(following, loop)
    changed.add_incoming(repeat(0), before)
    changed.add_incoming(moved, loop)

    builder.position_at_end(after)
    result = builder.phi(WORDS)
    result.add_incoming(repeat(0), before)
    result.add_incoming(moved, loop)
    return result


_ARGUMENTS = (
    "int64(int16[::1], int32[::1], int32[::1], {}[::1], int32[:, ::1], int8[::1],"
    " int64, int64, int64, int64, int64)"
)
_STEP = [_ARGUMENTS.format("int32"), _ARGUMENTS.format("int8")]

if HAS_VECTORS:
    _zero, _subtract = _intrinsic(RESET_ZERO), _intrinsic(RESET_SUBTRACT)
    _refractory, _coarse = _intrinsic(RESET_REFRACTORY), _intrinsic(RESET_COARSE)

    @kernel(_STEP)
    def step_zero(drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Do ``integrate`` and ``fire_zero`` in one go; see :func:`step_coarse_vectors`."""
        return _zero(drive, u, v, r, table, fired, u.size, exponent, bits, nearest, down_u, down_v)

    @kernel(_STEP)
    def step_subtract(drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Do ``integrate`` and ``fire_subtract`` in one go; see :func:`step_coarse_vectors`."""
        return _subtract(
            drive, u, v, r, table, fired, u.size, exponent, bits, nearest, down_u, down_v
        )

    @kernel(_STEP)
    def step_refractory(drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Do ``integrate`` and ``fire_refractory`` in one go; see :func:`step_coarse_vectors`."""
        return _refractory(
            drive, u, v, r, table, fired, u.size, exponent, bits, nearest, down_u, down_v
        )

    @kernel(_STEP)
    def step_coarse_vectors(drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Do ``integrate`` and ``fire_coarse`` in one go, sixteen neurons at a time.

        Parameters
        ----------
        drive
            int16[n]: summed weights of the tick's spikes; cleared. ``n`` is divided by 16.
        u, v
            int32[n]: current and membrane, 24-bit, changed in place.
        r
            int8[n] or int32[n]: refractory values, changed in place.
        table
            int32[10, columns]: the parameters of neuron ``i`` in column ``i % columns``, from
            :func:`repeated`; 16 divides the number of columns.
        fired
            int8[n], overwritten.
        exponent
            The weights' shared power of two.
        bits, nearest
            Of a coarse refractory trace, and 2,048 where it is rounded to the nearest.
        down_u, down_v
            From :func:`decay_shift`, or -1 where a decay of the two takes two products.

        Returns
        -------
        int
            0 if no value changed.
        """
        return _coarse(
            drive, u, v, r, table, fired, u.size, exponent, bits, nearest, down_u, down_v
        )

    @inline
    def step_whole(kind, drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Do one tick of neurons with a reset of this ``kind``."""
        if kind == RESET_COARSE:
            return step_coarse_vectors(
                drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v
            )
        if kind == RESET_REFRACTORY:
            return step_refractory(
                drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v
            )
        if kind == RESET_SUBTRACT:
            return step_subtract(
                drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v
            )
        return step_zero(drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v)

else:

    @inline
    def step_whole(kind, drive, u, v, r, table, fired, exponent, bits, nearest, down_u, down_v):
        """Have no vectors: :func:`whole_places` gives this no neuron."""
        return np.int64(0)


@inline
def places_together(channels):
    """Tell how many places have a number of neurons that sixteen divides: 1, 2, 4, 8 or 16."""
    together = np.int64(LANES)
    while together > 1 and channels % 2 == 0:
        together >>= 1
        channels >>= 1
    return together


@inline
def whole_places(places, channels):
    """Tell how many places are stepped in vectors."""
    if not HAS_VECTORS:
        return np.int64(0)
    return places - places % places_together(channels)


@inline
def repeated(table, channels, down_u, down_v):
    """Repeat the channels' parameters until sixteen divides the number of columns; add leaks."""
    together = places_together(channels)
    long = np.empty((ROWS, channels * together), np.int32)
    for first in range(0, channels * together, channels):
        for row in range(PARAMETERS):
            for c in range(channels):
                long[row, first + c] = table[row, c]
        for c in range(channels):
            long[LEAK_U, first + c] = (4096 - table[KEEP_U, c]) >> max(12 - down_u, 0)
            long[LEAK_V, first + c] = (4096 - table[KEEP_V, c]) >> max(12 - down_v, 0)
    return long


@inline
def decay_shift(keep, most):
    """Find the least ``down`` with whole ``leak = (4096 - keep) / 2**(12 - down)`` of all channels.

    Returns -1 if one of these leaks is above ``most``.
    """
    all_bits, largest = np.int64(0), np.int64(0)
    for c in range(keep.shape[0]):
        leak = 4096 - np.int64(keep[c])
        all_bits |= leak
        largest = max(largest, leak)
    down = np.int64(12)
    while down > 0 and all_bits & 1 == 0:
        all_bits >>= 1
        largest >>= 1
        down -= 1
    return down if largest <= most else np.int64(-1)
