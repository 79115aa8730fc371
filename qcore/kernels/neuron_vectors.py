"""Integration and firing in one go, sixteen neurons at a time.

The loops of :mod:`~spikewire.qcore.kernels.neuron` are left to the compiler, which takes eight
neurons at a time of those of one place: layers of 16 and 24 channels are shorter than its unrolled
body. The loops here are written in vectors of sixteen, over places and channels alike. LLVM splits
them where the processor's are shorter. The bits are the same.
"""

from __future__ import annotations

from typing import Any

import numba
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

LANES = 16
RESET_COARSE = 3
"""The refractory reset with a trace of few bits (:func:`~.neuron.fire_coarse`)."""

MOST_LEAK = 511
"""A decay of at most so many 4096ths takes one product: ``(2**23 - 1) * 511 + 4095 < 2**32``."""

_CONFIG: Any = numba.config
HAS_VECTORS = not _CONFIG.DISABLE_JIT

_I8, _I16, _I32, _I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_I32, LANES)


def _all(value: int) -> Any:
    return ir.Constant(_WORDS, [value] * LANES)


class _Vectors:
    """Builder of operations on sixteen numbers of 32 bits."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def load(self, base: Any, place: Any, kind: Any = _I32) -> Any:
        builder = self.builder
        source = builder.gep(base, [place])
        vector = ir.VectorType(kind, LANES)
        loaded = builder.load(builder.bitcast(source, vector.as_pointer()), align=1)
        return loaded if kind is _I32 else builder.sext(loaded, _WORDS)

    def store(self, value: Any, base: Any, place: Any, kind: Any = _I32) -> None:
        builder = self.builder
        if kind is not _I32:
            value = builder.trunc(value, ir.VectorType(kind, LANES))
        target = builder.bitcast(builder.gep(base, [place]), value.type.as_pointer())
        builder.store(value, target, align=1)

    def spread(self, value: Any) -> Any:
        """Repeat an int64 in all lanes."""
        builder = self.builder
        nothing = ir.Constant(_WORDS, ir.Undefined)
        one = builder.insert_element(nothing, builder.trunc(value, _I32), _I32(0))
        return builder.shuffle_vector(one, nothing, _all(0))

    def lesser(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def greater(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)

    def saturate(self, value: Any) -> Any:
        return self.lesser(self.greater(value, _all(-8388607)), _all(8388607))

    def decay(self, value: Any, keep: Any, *, one_product: bool) -> Any:
        """``trunc(value * keep / 4096)``; in one product, where ``4096 - keep <= MOST_LEAK``."""
        builder = self.builder
        sign = builder.ashr(value, _all(31))
        magnitude = builder.sub(builder.xor(value, sign), sign)
        if one_product:
            lost = builder.mul(magnitude, builder.sub(_all(4096), keep))
            lost = builder.lshr(builder.add(lost, _all(4095)), _all(12))
            left = builder.sub(magnitude, lost)
        else:
            high = builder.mul(builder.ashr(magnitude, _all(12)), keep)
            low = builder.mul(builder.and_(magnitude, _all(4095)), keep)
            left = builder.add(high, builder.ashr(low, _all(12)))
        return builder.sub(builder.xor(left, sign), sign)


def _fire(to: _Vectors, reset: int, v: Any, r: Any, row: Any, coarse: Any) -> tuple[Any, Any, Any]:
    """Fire and reset: the spikes as booleans, the membranes and the refractory values after it."""
    builder = to.builder
    nothing = _all(0)
    threshold, kick = row(THRESHOLD), row(KICK_R)
    if reset == RESET_COARSE:
        fraction, one, most, nearest = coarse
        taken = builder.ashr(builder.mul(r, kick), fraction)
        over = builder.sub(builder.sub(v, taken), threshold)
        spike = builder.icmp_signed(">", over, nothing)
        left = builder.ashr(builder.add(builder.mul(r, row(KEEP_R)), nearest), _all(12))
        return spike, v, to.lesser(builder.add(left, builder.select(spike, one, nothing)), most)
    if reset == RESET_REFRACTORY:
        spike = builder.icmp_signed(">", builder.sub(builder.sub(v, r), threshold), nothing)
        left = to.decay(r, row(KEEP_R), one_product=False)
        return spike, v, to.saturate(builder.add(left, builder.select(spike, kick, nothing)))
    held = builder.icmp_signed(">", r, nothing)
    membrane = builder.select(held, nothing, v)
    over = builder.icmp_signed(">", builder.sub(membrane, threshold), nothing)
    spike = builder.and_(over, builder.not_(held))
    waiting = builder.select(spike, kick, nothing)
    waiting = builder.select(held, builder.sub(r, _all(1)), waiting)
    if reset == RESET_ZERO:
        return spike, builder.select(spike, nothing, membrane), waiting
    taken = builder.select(spike, threshold, nothing)
    return spike, to.saturate(builder.sub(membrane, taken)), waiting


def _intrinsic(reset: int) -> Any:
    """Make the loop of one kind of reset."""

    @intrinsic
    def step(
        typing: Any, drive: Any, u: Any, v: Any, r: Any, table: Any, fired: Any, size: Any,
        exponent: Any, bits: Any, nearest: Any, leaks: Any,
    ) -> Any:  # fmt: skip
        numbers = (size, exponent, bits, nearest, leaks)
        r_kind = _I8 if r.dtype == numba_types.int8 else _I32
        signature = numba_types.int64(drive, u, v, r, table, fired, *numbers)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = [
                context.make_array(sig.args[n])(context, builder, args[n]).data for n in range(6)
            ]
            length, exponent, bits, nearest, leaks = args[6:]
            columns = builder.extract_value(
                context.make_array(sig.args[4])(context, builder, args[4]).shape, 1
            )
            few = builder.icmp_signed("<=", leaks, _I64(MOST_LEAK))
            after = builder.append_basic_block("stepped")
            one, two = builder.append_basic_block("one"), builder.append_basic_block("two")
            builder.cbranch(few, one, two)
            ends = []
            for block, one_product in ((one, True), (two, False)):
                builder.position_at_end(block)
                changed = _loop(
                    builder, reset, r_kind, first, columns, length,
                    (exponent, bits, nearest), one_product=one_product,
                )  # fmt: skip
                ends.append((changed, builder.block))
                builder.branch(after)
            builder.position_at_end(after)
            result = builder.phi(_WORDS)
            for changed, block in ends:
                result.add_incoming(changed, block)
            some = builder.icmp_signed("!=", result, _all(0))
            some = builder.bitcast(some, ir.IntType(LANES))
            return builder.zext(builder.icmp_signed("!=", some, ir.IntType(LANES)(0)), _I64)

        return signature, generate

    return step


def _loop(
    builder: Any, reset: int, r_kind: Any, first: list[Any], columns: Any, length: Any,
    numbers: tuple[Any, Any, Any], *, one_product: bool,
) -> Any:  # fmt: skip
    """Make a loop over all neurons, and return the bits that changed, or-ed by lane."""
    to = _Vectors(builder)
    at_drive, at_u, at_v, at_r, at_table, at_fired = first
    exponent, bits, nearest = numbers
    shift = to.spread(exponent)
    fraction = builder.sub(bits, _I64(1))
    coarse = (
        to.spread(fraction),
        to.spread(builder.shl(_I64(1), fraction)),
        to.spread(builder.sub(builder.shl(_I64(1), bits), _I64(1))),
        to.spread(nearest),
    )
    before = builder.block
    loop, after = builder.append_basic_block("neurons"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed("<=", length, _I64(0)), after, loop)

    builder.position_at_end(loop)
    n, column, changed = builder.phi(_I64), builder.phi(_I64), builder.phi(_WORDS)

    def row(number: int) -> Any:
        place = builder.add(builder.mul(columns, _I64(number)), column)
        return to.load(at_table, place)

    u, v, r = to.load(at_u, n), to.load(at_v, n), to.load(at_r, n, r_kind)
    total = builder.shl(to.load(at_drive, n, _I16), shift)
    u_next = to.saturate(builder.add(to.decay(u, row(KEEP_U), one_product=False), total))
    v_next = builder.add(to.decay(v, row(KEEP_V), one_product=one_product), u_next)
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
    to.store(builder.zext(spike, ir.VectorType(_I8, LANES)), at_fired, n, _I32)
    to.store(ir.Constant(ir.VectorType(_I16, LANES), [0] * LANES), at_drive, n, _I32)
    n_next = builder.add(n, _I64(LANES))
    column_next = builder.add(column, _I64(LANES))
    wrapped = builder.icmp_signed(">=", column_next, columns)
    column_next = builder.select(wrapped, _I64(0), column_next)
    builder.cbranch(builder.icmp_signed("<", n_next, length), loop, after)
    for phi, start, following in ((n, _I64(0), n_next), (column, _I64(0), column_next)):
        phi.add_incoming(start, before)
        phi.add_incoming(following, loop)
    changed.add_incoming(_all(0), before)
    changed.add_incoming(moved, loop)

    builder.position_at_end(after)
    result = builder.phi(_WORDS)
    result.add_incoming(_all(0), before)
    result.add_incoming(moved, loop)
    return result


_ARGUMENTS = (
    "int64(int16[::1], int32[::1], int32[::1], {}[::1], int32[:, ::1], int8[::1],"
    " int64, int64, int64, int64)"
)
_STEP = [_ARGUMENTS.format("int32"), _ARGUMENTS.format("int8")]

if HAS_VECTORS:
    _zero, _subtract = _intrinsic(RESET_ZERO), _intrinsic(RESET_SUBTRACT)
    _refractory, _coarse = _intrinsic(RESET_REFRACTORY), _intrinsic(RESET_COARSE)

    @kernel(_STEP)
    def step_zero(drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
        """Do ``integrate`` and ``fire_zero`` in one go; see :func:`step_coarse_vectors`."""
        return _zero(drive, u, v, r, table, fired, u.size, exponent, bits, nearest, leaks)

    @kernel(_STEP)
    def step_subtract(drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
        """Do ``integrate`` and ``fire_subtract`` in one go; see :func:`step_coarse_vectors`."""
        return _subtract(drive, u, v, r, table, fired, u.size, exponent, bits, nearest, leaks)

    @kernel(_STEP)
    def step_refractory(drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
        """Do ``integrate`` and ``fire_refractory`` in one go; see :func:`step_coarse_vectors`."""
        return _refractory(drive, u, v, r, table, fired, u.size, exponent, bits, nearest, leaks)

    @kernel(_STEP)
    def step_coarse_vectors(drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
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
            int32[8, columns]: the parameters of neuron ``i`` in column ``i % columns``; 16 divides
            the number of columns.
        fired
            int8[n], overwritten.
        exponent
            The weights' shared power of two.
        bits, nearest
            Of a coarse refractory trace, and 2,048 where it is rounded to the nearest.
        leaks
            The largest ``4096 - keep`` of the membranes.

        Returns
        -------
        int
            0 if no value changed.
        """
        return _coarse(drive, u, v, r, table, fired, u.size, exponent, bits, nearest, leaks)

    @inline
    def step_whole(kind, drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
        """Do one tick of neurons with a reset of this ``kind``."""
        if kind == RESET_COARSE:
            return step_coarse_vectors(drive, u, v, r, table, fired, exponent, bits, nearest, leaks)
        if kind == RESET_REFRACTORY:
            return step_refractory(drive, u, v, r, table, fired, exponent, bits, nearest, leaks)
        if kind == RESET_SUBTRACT:
            return step_subtract(drive, u, v, r, table, fired, exponent, bits, nearest, leaks)
        return step_zero(drive, u, v, r, table, fired, exponent, bits, nearest, leaks)

else:

    @inline
    def step_whole(kind, drive, u, v, r, table, fired, exponent, bits, nearest, leaks):
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
def repeated(table, channels):
    """Repeat the channels' parameters until sixteen divides the number of columns."""
    together = places_together(channels)
    if together == 1:
        return table
    long = np.empty((PARAMETERS, channels * together), np.int32)
    for row in range(PARAMETERS):
        for first in range(0, channels * together, channels):
            for c in range(channels):
                long[row, first + c] = table[row, c]
    return long


@inline
def largest_leak(table):
    """Find the largest ``4096 - keep`` of the membranes."""
    least = np.int64(4096)
    for c in range(table.shape[1]):
        least = min(least, np.int64(table[KEEP_V, c]))
    return 4096 - least
