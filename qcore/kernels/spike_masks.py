"""Spikes of one place as bits of one number, so that silent neurons cost nothing.

The compiler's loop over the channels of a place takes 128 at a time, and fewer one by one. The
comparison of a vector with zero is a mask with a bit per channel, whose set bits are counted off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire._jit import inline
from spikewire.qcore.kernels.vectors import HAS_VECTORS, I8, I64, first_element, take_run

BITS = 64
"""Channels of one mask."""


def _piece(builder: Any, base: Any, place: Any, lanes: int) -> Any:
    """Compare ``lanes`` bytes with zero: a bit for each that is not, as int64."""
    octets = ir.VectorType(I8, lanes)
    pointer = builder.bitcast(builder.gep(base, [place]), octets.as_pointer())
    found = builder.load(pointer, align=1)
    some = builder.icmp_signed("!=", found, ir.Constant(octets, [0] * lanes))
    bits = builder.bitcast(some, ir.IntType(lanes))
    return bits if lanes == BITS else builder.zext(bits, I64)


@intrinsic
def _mask(typing: Any, place: Any, first: Any, count: Any) -> Any:
    """Do as :func:`mask_of`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        base = first_element(context, builder, sig.args[0], args[0])
        first, count = args[1:]
        whole, parts = builder.append_basic_block("whole"), builder.append_basic_block("parts")
        after = builder.append_basic_block("masked")
        builder.cbranch(builder.icmp_signed(">=", count, I64(BITS)), whole, parts)
        builder.position_at_end(whole)
        all_bits = _piece(builder, base, first, BITS)
        builder.branch(after)
        builder.position_at_end(parts)
        taken: Any = I64(0)
        mask: Any = I64(0)
        for lanes in (32, 16, 8, 4, 2, 1):
            before = builder.block
            some, none = builder.append_basic_block(), builder.append_basic_block()
            wanted = builder.icmp_signed("!=", builder.and_(count, I64(lanes)), I64(0))
            builder.cbranch(wanted, some, none)
            builder.position_at_end(some)
            bits = builder.shl(_piece(builder, base, builder.add(first, taken), lanes), taken)
            longer = builder.or_(mask, bits)
            further = builder.add(taken, I64(lanes))
            builder.branch(none)
            builder.position_at_end(none)
            merged, place = builder.phi(I64), builder.phi(I64)
            for phi, old, new in ((merged, mask, longer), (place, taken, further)):
                phi.add_incoming(old, before)
                phi.add_incoming(new, some)
            mask, taken = merged, place
        ended = builder.block
        builder.branch(after)
        builder.position_at_end(after)
        result = builder.phi(I64)
        result.add_incoming(all_bits, whole)
        result.add_incoming(mask, ended)
        return result

    return numba_types.uint64(place, first, count), generate


@intrinsic
def _zeros(typing: Any, mask: Any) -> Any:
    """Do as :func:`lowest`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return numba_types.int64(mask), generate


@intrinsic
def _or(typing: Any, target: Any, source: Any, run: Any) -> Any:
    """Do as :func:`or_into`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bases = [first_element(context, builder, sig.args[n], args[n]) for n in range(2)]

        def body(place: Any, lanes: int) -> None:
            kind = ir.VectorType(I8, lanes).as_pointer()
            to, of = (builder.bitcast(builder.gep(base, [place]), kind) for base in bases)
            both = builder.or_(builder.load(to, align=1), builder.load(of, align=1))
            builder.store(both, to, align=1)

        take_run(builder, args[2], ((1, 64), (1, 16), (1, 8), (1, 1)), body)
        return context.get_dummy_value()

    return numba_types.void(target, source, run), generate


if HAS_VECTORS:

    @inline
    def mask_of(place, first, count):
        """Give bit ``k`` to each of ``place[first : first + count]`` that is not zero.

        Parameters
        ----------
        place
            int8[channels].
        first, count
            First channel, and how many: 64 are taken at most.
        """
        return _mask(place, first, count)

    @inline
    def lowest(mask):
        """Find the lowest bit of a mask that is not zero."""
        return _zeros(mask)

    @inline
    def or_into(target, source, run):
        """Set the bits of the first ``run`` bytes of ``source`` in ``target``."""
        _or(target, source, run)

else:

    @inline
    def mask_of(place, first, count):
        """Give bit ``k`` to each of ``place[first : first + count]`` that is not zero."""
        mask = np.uint64(0)
        for k in range(min(count, BITS)):
            if place[first + k] != 0:
                mask |= np.uint64(1) << np.uint64(k)
        return mask

    @inline
    def lowest(mask):
        """Find the lowest bit of a mask that is not zero."""
        bit = np.int64(0)
        while (mask >> np.uint64(bit)) & np.uint64(1) == 0:
            bit += 1
        return bit

    @inline
    def or_into(target, source, run):
        """Set the bits of the first ``run`` bytes of ``source`` in ``target``."""
        for k in range(run):
            target[k] |= source[k]


@inline
def without_lowest(mask):
    """Clear the lowest bit of a mask."""
    return mask & (mask - np.uint64(1))
