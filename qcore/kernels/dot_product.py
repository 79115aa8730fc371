"""Products of traces and errors summed over places, four at a time where the processor can.

AVX-512 VNNI multiplies 64 bytes by 64 bytes, and adds each four products to one of sixteen sums, in
one instruction (``vpdpbusd``). Numba does not find it in a loop. Here it is asked for by name, on
processors that have it; elsewhere a plain loop gives the same sums.
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
from spikewire.qcore.kernels.vectors import LANES, first_element

ROWS = 8
"""Sums of so many synapses' places are taken together: the instruction's latency is hidden."""
PLACES = 4
"""Places that one instruction adds."""

_CONFIG: Any = numba.config


def has_dot_product() -> bool:
    """Tell whether the code that Numba makes here may hold AVX-512 VNNI instructions."""
    if _CONFIG.DISABLE_JIT:
        return False
    features = _CONFIG.CPU_FEATURES
    if features is None:
        features = codegen.get_host_cpu_features()
    return "+avx512vnni" in str(features).split(",")


HAS_DOT_PRODUCT = has_dot_product()


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

        def load(kind: Any, pointer: Any) -> Any:
            return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=1)

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
        error = load(octets, builder.gep(at_error, [builder.mul(n, i64(PLACES * LANES))]))
        added = []
        for j in range(ROWS):
            four = load(i32, builder.gep(rows[j], [offset]))
            four = builder.insert_element(undefined, four, i32(0))
            four = builder.shuffle_vector(four, undefined, ir.Constant(words, [0] * LANES))
            added.append(builder.call(dot, [running[j], builder.bitcast(four, octets), error]))
        following = builder.add(n, i64(1))
        builder.cbranch(builder.icmp_signed("<", following, args[4]), loop, after)
        n.add_incoming(i64(0), before)
        n.add_incoming(following, loop)
        for total, new in zip(running, added, strict=True):
            total.add_incoming(nothing, before)
            total.add_incoming(new, loop)

        builder.position_at_end(after)
        totals = [builder.phi(words) for _ in range(ROWS)]
        for total, new in zip(totals, added, strict=True):
            total.add_incoming(nothing, before)
            total.add_incoming(new, loop)
        for j, total in enumerate(totals):
            place = builder.gep(at_sum, [i64(LANES * j)])
            builder.store(total, builder.bitcast(place, words.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, generate


_SUMS = "void(uint8[::1], int64[::1], int32[::1], int8[::1], int64, int32[::1])"


@kernel(_SUMS)
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
def _vector_place(q, k):
    return PLACES * k + q


if HAS_DOT_PRODUCT:

    @kernel(_SUMS)
    def dot_vectors(planes, bases, offsets, errors, count, sums):
        """Do as :func:`dot_plainly` by ``vpdpbusd``, with ``place_of(q, k) = 4 * k + q``."""
        _dot_rows(planes, bases, offsets, errors, count, sums)

    dot_products, place_of = dot_vectors, _vector_place
else:
    dot_products, place_of = dot_plainly, _plain_place
