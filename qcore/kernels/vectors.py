"""Operations on vectors of sixteen numbers of 32 bits, for loops that are written in LLVM's terms.

The compiler leaves short or mixed loops at eight numbers at a time, or one. A vector of sixteen is
one register of AVX-512. LLVM splits it where the processor's are shorter. The bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
from llvmlite import ir

LANES = 16
_CONFIG: Any = numba.config
HAS_VECTORS = not _CONFIG.DISABLE_JIT

I8, I16, I32, I64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
WORDS = ir.VectorType(I32, LANES)


def repeat(value: int) -> Any:
    """Make a constant with the same number in all lanes."""
    return ir.Constant(WORDS, [value] * LANES)


def first_element(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Point to the first element of an array argument."""
    return context.make_array(kind)(context, builder, array).data


def length_of(context: Any, builder: Any, kind: Any, array: Any, axis: int) -> Any:
    """Take the length of an array argument along an axis, int64."""
    return builder.extract_value(context.make_array(kind)(context, builder, array).shape, axis)


def load_from(builder: Any, base: Any, place: Any, kind: Any) -> Any:
    """Load a vector or number of a ``kind`` from ``base[place]`` on, wherever that lies."""
    pointer = builder.bitcast(builder.gep(base, [place]), kind.as_pointer())
    return builder.load(pointer, align=1)


def take_run(
    builder: Any, run: Any, widths: Sequence[tuple[int, int]], body: Callable[[Any, int], None]
) -> None:
    """Make loops over a run of numbers, each with narrower vectors for what the last one left.

    Parameters
    ----------
    builder
        LLVM's builder.
    run
        Length of the run, int64.
    widths
        Vectors that a loop takes together, and lanes of each. The last is one of one.
    body
        Called with a place and a number of lanes, to make what is done with the vector there.
    """
    start: Any = I64(0)
    for vectors, lanes in widths:
        total = vectors * lanes
        before = builder.block
        loop = builder.append_basic_block(f"take{total}")
        after = builder.append_basic_block(f"took{total}")
        last = builder.sub(run, I64(total))
        builder.cbranch(builder.icmp_signed("<=", start, last), loop, after)
        builder.position_at_end(loop)
        place = builder.phi(I64)
        for n in range(vectors):
            body(builder.add(place, I64(n * lanes)), lanes)
        following = builder.add(place, I64(total))
        builder.cbranch(builder.icmp_signed("<=", following, last), loop, after)
        place.add_incoming(start, before)
        place.add_incoming(following, loop)
        builder.position_at_end(after)
        ended = builder.phi(I64)
        ended.add_incoming(start, before)
        ended.add_incoming(following, loop)
        start = ended


class Vectors:
    """Builder of operations on sixteen numbers of 32 bits."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def load(self, base: Any, place: Any, kind: Any = I32) -> Any:
        """Load sixteen numbers from ``base[place]`` on, widened to 32 bits."""
        builder = self.builder
        loaded = load_from(builder, base, place, ir.VectorType(kind, LANES))
        return loaded if kind is I32 else builder.sext(loaded, WORDS)

    def store(self, value: Any, base: Any, place: Any, kind: Any = I32) -> None:
        """Store a vector from ``base[place]`` on, cut to ``kind``."""
        builder = self.builder
        if kind is not I32:
            value = builder.trunc(value, ir.VectorType(kind, LANES))
        target = builder.bitcast(builder.gep(base, [place]), value.type.as_pointer())
        builder.store(value, target, align=1)

    def spread(self, value: Any) -> Any:
        """Repeat an int64 in all lanes."""
        builder = self.builder
        nothing = ir.Constant(WORDS, ir.Undefined)
        one = builder.insert_element(nothing, builder.trunc(value, I32), I32(0))
        return builder.shuffle_vector(one, nothing, repeat(0))

    def lesser(self, a: Any, b: Any) -> Any:
        """Take the lesser number of each lane."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def greater(self, a: Any, b: Any) -> Any:
        """Take the greater number of each lane."""
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)

    def saturate(self, value: Any) -> Any:
        """Clip to the 24-bit rails."""
        return self.lesser(self.greater(value, repeat(-8388607)), repeat(8388607))

    def decay(self, value: Any, keep: Any) -> Any:
        """``trunc(value * keep / 4096)``."""
        builder = self.builder
        sign = builder.ashr(value, repeat(31))
        magnitude = builder.sub(builder.xor(value, sign), sign)
        high = builder.mul(builder.ashr(magnitude, repeat(12)), keep)
        low = builder.mul(builder.and_(magnitude, repeat(4095)), keep)
        left = builder.add(high, builder.ashr(low, repeat(12)))
        return builder.sub(builder.xor(left, sign), sign)

    def lose(self, value: Any, leak: Any, down: Any, *, few: bool) -> Any:
        """``trunc(value * (2**down - leak) / 2**down)``, in one product.

        ``leak`` is at most ``MOST_LEAK``, or ``FEW_LEAK`` with ``few``: then the product may be
        signed.
        """
        builder = self.builder
        sign = builder.ashr(value, repeat(31))
        round_up = builder.sub(builder.shl(repeat(1), down), repeat(1))
        if few:
            lost = builder.mul(value, leak)
            lost = builder.add(lost, builder.and_(builder.not_(sign), round_up))
            return builder.sub(value, builder.ashr(lost, down))
        magnitude = builder.sub(builder.xor(value, sign), sign)
        lost = builder.lshr(builder.add(builder.mul(magnitude, leak), round_up), down)
        return builder.sub(value, builder.sub(builder.xor(lost, sign), sign))
