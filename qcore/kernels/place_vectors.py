"""LLVM loops that list spikes by column, and sum their weights in registers.

The functions are those of :mod:`place_sums`, for processors with vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire.qcore.kernels.dot_product import has_feature
from spikewire.qcore.kernels.vectors import I8, I16, I32, I64, first_element, length_of, load_from

COPIED = 16
"""Numbers copied at a time: lists are so much longer, as the last copy may go beyond the end."""

HAS_WIDE = has_feature("avx512bw")
WIDTHS = (
    ((4, 32), (1, 32), (1, 16), (1, 8), (1, 1)) if HAS_WIDE else ((4, 16), (1, 16), (1, 8), (1, 1))
)
"""Vectors of a neuron's drive that are summed together, and lanes of each."""

Body = Callable[[Any, list[Any]], list[Any]]


def _loop(
    builder: Any, start: Any, end: Any, step: Any, carried: list[Any], body: Body
) -> list[Any]:
    """Make a loop over ``range(start, end, step)`` that carries values from turn to turn."""
    before = builder.block
    loop, after = builder.append_basic_block("turn"), builder.append_basic_block("turned")
    builder.cbranch(builder.icmp_signed("<", start, end), loop, after)
    builder.position_at_end(loop)
    n = builder.phi(I64)
    running = [builder.phi(value.type) for value in carried]
    left = body(n, running)
    ended = builder.block
    following = builder.add(n, step)
    builder.cbranch(builder.icmp_signed("<", following, end), loop, after)
    builder.position_at_end(after)
    n.add_incoming(start, before)
    n.add_incoming(following, ended)
    results = [builder.phi(value.type) for value in carried]
    for phi, result, first, last in zip(running, results, carried, left, strict=True):
        for one in (phi, result):
            one.add_incoming(first, before)
            one.add_incoming(last, ended)
    return results


def _number(builder: Any, base: Any, place: Any) -> Any:
    """Load an int32 of a list as int64."""
    return builder.sext(builder.load(builder.gep(base, [place])), I64)


@intrinsic
def joined_columns(
    typing: Any, starts: Any, listed: Any, row: Any, edges: Any, first: Any, count: Any, high: Any
) -> Any:
    """Do as ``place_sums.join_columns``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        starts, listed, row, edges = (
            first_element(context, builder, sig.args[n], args[n]) for n in range(4)
        )
        first, count, high = args[4:]
        wide = builder.sub(length_of(context, builder, sig.args[3], args[3], 0), I64(1))
        sixteen = ir.VectorType(I32, COPIED)

        def column(x: Any, carried: list[Any]) -> list[Any]:
            at = builder.add(builder.mul(x, high), first)
            low = _number(builder, starts, at)
            size = builder.sub(_number(builder, starts, builder.add(at, count)), low)
            builder.store(builder.trunc(carried[0], I32), builder.gep(edges, [x]))
            source, target = builder.gep(listed, [low]), builder.gep(row, [carried[0]])

            def copy(n: Any, nothing: list[Any]) -> list[Any]:
                numbers = load_from(builder, source, n, sixteen)
                place = builder.bitcast(builder.gep(target, [n]), sixteen.as_pointer())
                builder.store(numbers, place, align=4)
                return nothing

            # Nearly all columns take one copy: a loop from 0 on would end now here, now there.
            copy(I64(0), [])
            _loop(builder, I64(COPIED), size, I64(COPIED), [], copy)
            return [builder.add(carried[0], size)]

        (total,) = _loop(builder, I64(0), wide, I64(1), [I64(0)], column)
        builder.store(builder.trunc(total, I32), builder.gep(edges, [wide]))
        return total

    return numba_types.int64(starts, listed, row, edges, first, count, high), generate


Parts = list[tuple[Any, Any, list[int]]]


def _added(builder: Any, drives: list[Any], sums: list[Any], most: Any) -> tuple[list[Any], Any]:
    """Add sums to drives of 16 bits, with saturation; int64 0 tells that none exceeds ``most``."""
    words = drives[0].type
    lanes = words.count
    add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(words, [words, words]), f"llvm.sadd.sat.v{lanes}i16"
    )
    high = builder.trunc(most, I16)
    high = builder.insert_element(ir.Constant(words, ir.Undefined), high, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    high = builder.shuffle_vector(high, high, zeros)
    low = builder.sub(ir.Constant(words, [0] * lanes), high)
    strange = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [0] * lanes)
    added = []
    for drive, total in zip(drives, sums, strict=True):
        # A drive of 16 bits that does not fit is at a rail, beyond any ``most``, at last.
        added.append(builder.call(add, [drive, total]))
        for sign, rail in ((">", high), ("<", low)):
            strange = builder.or_(strange, builder.icmp_signed(sign, added[-1], rail))
    some = builder.bitcast(strange, ir.IntType(lanes))
    return added, builder.zext(builder.icmp_unsigned("!=", some, ir.IntType(lanes)(0)), I64)


def _sum(builder: Any, to: Any, base: Any, row: Any, channels: Any, most: Any, parts: Parts) -> Any:
    """Sum the weights of some spikes, and add the sums to the drive of one or two places.

    Parameters
    ----------
    to, base
        The drive of the first place, and what the numbers of ``row`` are added to.
    row
        int32: places of the spikes' weights.
    channels
        Channels of a place, int64.
    most
        The largest drive, int64.
    parts
        First and last spike (exclusive) of each part of the list, and the places that it reaches.

    Returns
    -------
    ir.Value
        int64: 0 if no drive is beyond ``most``.
    """
    places = max(place for _, _, reached in parts for place in reached) + 1

    def take(channel: Any, beyond: Any, vectors: int, lanes: int) -> Any:
        words, octets = ir.VectorType(I16, lanes), ir.VectorType(I8, lanes)
        nothing = ir.Constant(words, [0] * lanes)
        at = [
            builder.add(builder.add(channel, I64(n * lanes)), builder.mul(channels, I64(place)))
            for place in range(places)
            for n in range(vectors)
        ]
        sums: list[Any] = [nothing] * len(at)
        for low, high, reached in parts:
            own = [k for k in range(len(at)) if k // vectors in reached]

            def add(n: Any, carried: list[Any], own: list[int] = own) -> list[Any]:
                weights = builder.gep(base, [_number(builder, row, n)])
                return [
                    builder.add(
                        total, builder.sext(load_from(builder, weights, at[k], octets), words)
                    )
                    for k, total in zip(own, carried, strict=True)
                ]

            added = _loop(builder, low, high, I64(1), [sums[k] for k in own], add)
            for k, total in zip(own, added, strict=True):
                sums[k] = total
        drives = [load_from(builder, to, place, words) for place in at]
        drives, strange = _added(builder, drives, sums, most)
        for place, drive in zip(at, drives, strict=True):
            target = builder.bitcast(builder.gep(to, [place]), words.as_pointer())
            builder.store(drive, target, align=1)
        return builder.or_(beyond, strange)

    start: Any = I64(0)
    beyond: Any = I64(0)
    for vectors, lanes in WIDTHS:

        def chunk(
            channel: Any, carried: list[Any], vectors: int = vectors, lanes: int = lanes
        ) -> list[Any]:
            following = builder.add(channel, I64(vectors * lanes))
            return [following, take(channel, carried[1], vectors, lanes)]

        last = builder.sub(channels, I64(vectors * lanes - 1))
        start, beyond = _loop(
            builder, start, last, I64(vectors * lanes), [start, beyond], chunk
        )  # fmt: skip
    return beyond


@intrinsic
def summed_row(
    typing: Any, drive: Any, weights: Any, row: Any, edges: Any, oy: Any, stride: Any, most: Any
) -> Any:
    """Do as ``place_sums.sum_row``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to, base, row, edges = (
            first_element(context, builder, sig.args[n], args[n]) for n in range(4)
        )
        oy, stride, most = args[4:]
        columns, channels = (length_of(context, builder, sig.args[0], args[0], n) for n in (1, 2))
        taps = length_of(context, builder, sig.args[1], args[1], 2)
        to = builder.gep(to, [builder.mul(oy, builder.mul(columns, channels))])
        # The numbers of the list count rows from the top, and columns from the last tap.
        down = builder.sub(builder.mul(builder.mul(oy, stride), taps), builder.sub(taps, I64(1)))
        base = builder.gep(base, [builder.neg(builder.mul(down, channels))])

        def take(ox: Any, carried: list[Any], places: int) -> list[Any]:
            """Sum up what one or two places see: those reached by the first alone, both, ..."""
            x = builder.mul(ox, stride)
            ends = [x, builder.add(x, taps)]
            if places == 2:
                ends = [x, builder.add(x, I64(1)), ends[1], builder.add(ends[1], I64(1))]
            at = [_number(builder, edges, end) for end in ends]
            reached = [[0]] if places == 1 else [[0], [0, 1], [1]]
            parts = list(zip(at[:-1], at[1:], reached, strict=True))
            target = builder.gep(to, [builder.mul(ox, channels)])
            source = builder.gep(base, [builder.mul(x, channels)])

            def once(_: Any, beyond: list[Any]) -> list[Any]:
                more = _sum(builder, target, source, row, channels, most, parts)
                return [builder.or_(beyond[0], more)]

            seen, beyond, _ = carried
            (beyond,) = _loop(builder, at[0], at[-1], builder.sub(at[-1], at[0]), [beyond], once)
            for low, high, both in parts:
                more = builder.sub(high, low)
                seen = builder.add(seen, builder.mul(more, I64(len(both))))
            return [seen, beyond, builder.add(ox, I64(places))]

        by_one = builder.icmp_signed("==", stride, I64(1))
        pairs = builder.select(by_one, builder.sub(columns, I64(1)), I64(0))
        carried = [I64(0), I64(0), I64(0)]
        carried = _loop(builder, I64(0), pairs, I64(2), carried, lambda ox, now: take(ox, now, 2))
        seen, beyond, _ = _loop(
            builder, carried[2], columns, I64(1), carried, lambda ox, now: take(ox, now, 1)
        )
        return builder.select(builder.icmp_signed("==", beyond, I64(0)), seen, I64(-1))

    return numba_types.int64(drive, weights, row, edges, oy, stride, most), generate
