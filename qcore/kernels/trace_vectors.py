"""Traces and features advanced sixteen at a time, which the compiler does one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire.qcore.kernels.vectors import (
    I8,
    I16,
    I64,
    LANES,
    WORDS,
    Vectors,
    first_element,
    length_of,
    repeat,
)


def _advance(builder: Any, length: Any, body: Callable[[Any], list[tuple[Any, Any]]]) -> Any:
    """Make a loop over whole vectors; return 1 if any old value that ``body`` gives is not new."""
    before = builder.block
    loop, after = builder.append_basic_block("sixteen"), builder.append_basic_block("advanced")
    last = builder.sub(length, I64(LANES))
    builder.cbranch(builder.icmp_signed("<=", I64(0), last), loop, after)
    builder.position_at_end(loop)
    n, changed = builder.phi(I64), builder.phi(WORDS)
    moved = changed
    for old, new in body(n):
        moved = builder.or_(moved, builder.xor(old, new))
    following = builder.add(n, I64(LANES))
    builder.cbranch(builder.icmp_signed("<=", following, last), loop, after)
    for phi, start, end in ((n, I64(0), following), (changed, repeat(0), moved)):
        phi.add_incoming(start, before)
        phi.add_incoming(end, loop)
    builder.position_at_end(after)
    result = builder.phi(WORDS)
    result.add_incoming(repeat(0), before)
    result.add_incoming(moved, loop)
    some = builder.bitcast(builder.icmp_signed("!=", result, repeat(0)), ir.IntType(LANES))
    return builder.zext(builder.icmp_signed("!=", some, ir.IntType(LANES)(0)), I64)


@intrinsic
def traces_in_vectors(typing: Any, fired: Any, Q: Any, P: Any, numbers: Any) -> Any:
    """Do as ``advance_traces`` for whole vectors of sixteen; return 1 if a trace changed.

    ``numbers`` are int64: the shift and the rounding of Q, kick, rail, the shifts of Q up and down
    to P's unit, and the shift of P.
    """
    signature = numba_types.int64(fired, Q, P, numbers)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to = Vectors(builder)
        at_fired, at_q, at_p = (
            first_element(context, builder, sig.args[n], args[n]) for n in range(3)
        )
        fast, round_up, kick, rail, up, down, slow = (
            to.spread(builder.extract_value(args[3], n)) for n in range(7)
        )

        def body(n: Any) -> list[tuple[Any, Any]]:
            q, p = to.load(at_q, n, I16), to.load(at_p, n, I16)
            lost = builder.ashr(builder.add(q, round_up), fast)
            more = builder.mul(to.load(at_fired, n, I8), kick)
            q_next = to.lesser(builder.add(builder.sub(q, lost), more), rail)
            gap = builder.sub(builder.ashr(builder.shl(q_next, up), down), p)
            sign = builder.ashr(gap, repeat(31))
            magnitude = builder.lshr(builder.sub(builder.xor(gap, sign), sign), slow)
            p_next = builder.add(p, builder.sub(builder.xor(magnitude, sign), sign))
            to.store(q_next, at_q, n, I16)
            to.store(p_next, at_p, n, I16)
            return [(q, q_next), (p, p_next)]

        length = length_of(context, builder, sig.args[0], args[0], 0)
        return _advance(builder, length, body)

    return signature, generate


@intrinsic
def features_in_vectors(typing: Any, fired: Any, F: Any, numbers: Any) -> Any:
    """Do as ``advance_features`` for whole vectors of sixteen; return 1 if a feature changed.

    ``numbers`` are int64: shift, rounding, kick, rail.
    """
    signature = numba_types.int64(fired, F, numbers)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to = Vectors(builder)
        at_fired, at_f = (first_element(context, builder, sig.args[n], args[n]) for n in range(2))
        slow, round_up, kick, rail = (
            to.spread(builder.extract_value(args[2], n)) for n in range(4)
        )

        def body(n: Any) -> list[tuple[Any, Any]]:
            f = to.load(at_f, n, I16)
            lost = builder.ashr(builder.add(f, round_up), slow)
            more = builder.mul(to.load(at_fired, n, I8), kick)
            f_next = to.lesser(builder.add(builder.sub(f, lost), more), rail)
            to.store(f_next, at_f, n, I16)
            return [(f, f_next)]

        length = length_of(context, builder, sig.args[0], args[0], 0)
        return _advance(builder, length, body)

    return signature, generate
