"""Products of traces and errors summed over places, four at a time where the processor can.

AVX-512 VNNI multiplies 64 bytes by 64 bytes, and adds each four products to one of sixteen sums, in
one instruction (``vpdpbusd``). Numba does not find it in a loop. Here it is asked for by name, on
processors that have it. AVX2 multiplies 16 numbers of 16 bits and adds each two products
(``vpmaddwd``): traces are laid out in 16 bits for it. Elsewhere a plain loop gives the same sums.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, codegen
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.vectors import LANES, first_element, load_from

ROWS = 8
"""Sums of so many synapses' places are taken together: the instruction's latency is hidden."""
PLACES = 4
"""Places that one instruction adds."""

_CONFIG: Any = numba.config


def has_feature(name: str) -> bool:
    """Tell whether the code that Numba makes here may hold a processor's instructions (avx2)."""
    if _CONFIG.DISABLE_JIT:
        return False
    features = _CONFIG.CPU_FEATURES
    if features is None:
        features = codegen.get_host_cpu_features()
    return f"+{name}" in str(features).split(",")


HAS_DOT_PRODUCT = has_feature("avx512vnni")
HAS_PAIR_PRODUCT = has_feature("avx2")
PLANE = "int16" if HAS_PAIR_PRODUCT and not HAS_DOT_PRODUCT else "uint8"
"""Type of laid out traces, whose values are below 256."""
plane_type: Any = getattr(np, PLANE)


def _join(phis: list[Any], ends: list[Any], start: Any, before: Any, loop: Any) -> None:
    """Let values be ``start`` where they come from before a loop, and ``ends`` from the loop."""
    for phi, end in zip(phis, ends, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, loop)


@intrinsic
def _dot_rows(
    typing: Any, planes: Any, bases: Any, offsets: Any, errors: Any, count: Any, sums: Any
) -> Any:
    """Do as :func:`dot_plainly`: a loop over the places, with the sums in registers."""
    signature = numba_types.void(planes, bases, offsets, errors, count, sums)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        i8, i32, i64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
        words, octets = ir.VectorType(i32, LANES), ir.VectorType(i8, PLACES * LANES)
        dot = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(words, [words, octets, octets]),
            "llvm.x86.avx512.vpdpbusd.512",
        )

        def first(n: int) -> Any:
            return first_element(context, builder, sig.args[n], args[n])

        at_base, at_offset, at_error, at_sum = first(1), first(2), first(3), first(5)
        rows = [
            builder.gep(first(0), [builder.load(builder.gep(at_base, [i64(j)]))])
            for j in range(ROWS)
        ]
        nothing = ir.Constant(words, [0] * LANES)
        undefined = ir.Constant(words, ir.Undefined)
        before = builder.block
        loop, after = builder.append_basic_block("places"), builder.append_basic_block("sums")
        builder.cbranch(builder.icmp_signed("<=", args[4], i64(0)), after, loop)

        builder.position_at_end(loop)
        n = builder.phi(i64)
        running = [builder.phi(words) for _ in range(ROWS)]
        offset = builder.sext(builder.load(builder.gep(at_offset, [n])), i64)
        error = load_from(builder, at_error, builder.mul(n, i64(PLACES * LANES)), octets)
        added = []
        for j in range(ROWS):
            four = load_from(builder, rows[j], offset, i32)
            four = builder.insert_element(undefined, four, i32(0))
            four = builder.shuffle_vector(four, undefined, ir.Constant(words, [0] * LANES))
            added.append(builder.call(dot, [running[j], builder.bitcast(four, octets), error]))
        following = builder.add(n, i64(1))
        builder.cbranch(builder.icmp_signed("<", following, args[4]), loop, after)
        _join([n], [following], i64(0), before, loop)
        _join(running, added, nothing, before, loop)

        builder.position_at_end(after)
        totals = [builder.phi(words) for _ in range(ROWS)]
        _join(totals, added, nothing, before, loop)
        for j, total in enumerate(totals):
            place = builder.gep(at_sum, [i64(LANES * j)])
            builder.store(total, builder.bitcast(place, words.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, generate


ROWS_OF_PAIRS = 4
"""Synapses whose sums fit into AVX2's registers beside a group's errors."""


def _add_pairs(builder: Any, dot: Any, row: Any, groups: list[Any], totals: list[Any]) -> list[Any]:
    """Add the products of a synapse's traces at four places, two by two, to its two sums."""
    i32, i64 = ir.IntType(32), ir.IntType(64)
    words, halves = ir.VectorType(i32, 8), ir.VectorType(ir.IntType(16), LANES)
    undefined = ir.Constant(words, ir.Undefined)
    for pair in range(PLACES // 2):
        two = load_from(builder, row, i64(2 * pair), i32)
        two = builder.insert_element(undefined, two, i32(0))
        two = builder.shuffle_vector(two, undefined, ir.Constant(words, [0] * 8))
        two = builder.bitcast(two, halves)
        totals = [
            builder.add(total, builder.call(dot, [two, groups[2 * pair + half]]))
            for half, total in enumerate(totals)
        ]
    return totals


@intrinsic
def _pair_rows(
    typing: Any, planes: Any, bases: Any, offsets: Any, errors: Any, count: Any, sums: Any,
    first: Any,
) -> Any:  # fmt: skip
    """Do as :func:`dot_plainly` for four synapses, from ``first`` on."""
    signature = numba_types.void(planes, bases, offsets, errors, count, sums, first)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        i8, i16, i32, i64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
        words, octets, halves = (
            ir.VectorType(i32, 8), ir.VectorType(i8, LANES), ir.VectorType(i16, LANES)
        )  # fmt: skip
        dot = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(words, [halves, halves]),
            "llvm.x86.avx2.pmadd.wd",
        )
        nothing = ir.Constant(words, [0] * 8)

        def first_of(n: int) -> Any:
            return first_element(context, builder, sig.args[n], args[n])

        at_base, at_offset, at_error = first_of(1), first_of(2), first_of(3)
        at_sum = builder.gep(first_of(5), [builder.mul(args[6], i64(LANES))])
        rows = [
            builder.gep(
                first_of(0), [builder.load(builder.gep(at_base, [builder.add(args[6], i64(j))]))]
            )
            for j in range(ROWS_OF_PAIRS)
        ]
        before = builder.block
        loop, after = builder.append_basic_block("places"), builder.append_basic_block("sums")
        builder.cbranch(builder.icmp_signed("<=", args[4], i64(0)), after, loop)

        builder.position_at_end(loop)
        n = builder.phi(i64)
        running = [builder.phi(words) for _ in range(2 * ROWS_OF_PAIRS)]
        offset = builder.sext(builder.load(builder.gep(at_offset, [n])), i64)
        error = builder.gep(at_error, [builder.mul(n, i64(PLACES * LANES))])
        groups = [
            builder.sext(load_from(builder, error, i64(LANES * part), octets), halves)
            for part in range(PLACES)
        ]
        added = []
        for j in range(ROWS_OF_PAIRS):
            row = builder.gep(rows[j], [offset])
            added += _add_pairs(builder, dot, row, groups, running[2 * j : 2 * j + 2])
        following = builder.add(n, i64(1))
        builder.cbranch(builder.icmp_signed("<", following, args[4]), loop, after)
        _join([n], [following], i64(0), before, loop)
        _join(running, added, nothing, before, loop)

        builder.position_at_end(after)
        totals = [builder.phi(words) for _ in added]
        _join(totals, added, nothing, before, loop)
        for j, total in enumerate(totals):
            place = builder.bitcast(builder.gep(at_sum, [i64(8 * j)]), words.as_pointer())
            builder.store(total, place, align=4)
        return context.get_dummy_value()

    return signature, generate


_SUMS = "void({}[::1], int64[::1], int32[::1], int8[::1], int64, int32[::1])"


@kernel(_SUMS.format("uint8"))
def dot_plainly(planes, bases, offsets, errors, count, sums):
    """Sum products of traces and errors over places, for eight synapses of sixteen channels.

    ``sums[16 * j + k] = sum of planes[bases[j] + offsets[n] + q] * error(n, q, k)`` over the places
    ``n < count`` and ``q < 4``, where ``error(n, q, k)`` is ``errors[64 * n + place_of(q, k)]``.

    Parameters
    ----------
    planes
        uint8: traces.
    bases
        int64[8]: each synapse's first trace.
    offsets
        int32[count or more]: offsets of groups of four places that lie side by side.
    errors
        int8[64 * count or more]: each group's errors, by place and channel.
    count
        Number of groups.
    sums
        int32[128], overwritten.
    """
    for j in range(ROWS):
        total = sums[LANES * j : LANES * j + LANES]
        total[:] = 0
        for n in range(count):
            at = bases[j] + np.int64(offsets[n])
            for q in range(PLACES):
                p = np.int32(planes[at + q])
                if p == 0:
                    continue
                error = errors[64 * n + LANES * q : 64 * n + LANES * q + LANES]
                for k in range(LANES):
                    total[k] = np.int32(total[k] + np.int32(p * np.int32(error[k])))


@inline
def _plain_place(q, k):
    return LANES * q + k


@inline
def _pair_place(q, k):
    return 2 * LANES * (q >> 1) + 2 * k + (q & 1)


@inline
def _vector_place(q, k):
    return PLACES * k + q


if HAS_DOT_PRODUCT:

    @kernel(_SUMS.format("uint8"))
    def dot_vectors(planes, bases, offsets, errors, count, sums):
        """Do as :func:`dot_plainly` by ``vpdpbusd``, with ``place_of(q, k) = 4 * k + q``."""
        _dot_rows(planes, bases, offsets, errors, count, sums)


if HAS_PAIR_PRODUCT:

    @kernel(_SUMS.format("int16"))
    def dot_pairs(planes, bases, offsets, errors, count, sums):
        """Do as :func:`dot_plainly` by ``vpmaddwd``, with traces of 16 bits that are below 256.

        ``place_of(q, k) = 32 * (q // 2) + 2 * k + q % 2``.
        """
        for first in range(0, ROWS, ROWS_OF_PAIRS):
            _pair_rows(planes, bases, offsets, errors, count, sums, first)


if HAS_DOT_PRODUCT:
    dot_products, place_of = dot_vectors, _vector_place
elif HAS_PAIR_PRODUCT:
    dot_products, place_of = dot_pairs, _pair_place
else:
    dot_products, place_of = dot_plainly, _plain_place
