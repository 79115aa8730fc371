"""Runs of weights added to a drive in vectors.

A run has as many weights as the neurons that lie side by side: 16 or 24 in a layer of so many
channels and a stride of 2, some hundreds with 7x7 kernels and 128 channels. The compiler's loops
take 64 at a time and the rest one by one. Here 128 are taken at a time, then 32, 16 and 8.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from spikewire._jit import inline
from spikewire.qcore.kernels.vectors import (
    HAS_VECTORS,
    I8,
    I16,
    I64,
    first_element,
    take_run,
)

WIDTHS = ((4, 32), (1, 32), (1, 16), (1, 8), (1, 1))
"""Vectors taken together, and lanes of each."""


def _add(builder: Any, target: Any, sources: list[Any], place: Any, lanes: int) -> None:
    """Add ``lanes`` weights of each source to the drive, from ``place`` on."""
    octets, words = ir.VectorType(I8, lanes), ir.VectorType(I16, lanes)

    def load(base: Any, kind: Any) -> Any:
        pointer = builder.bitcast(builder.gep(base, [place]), kind.as_pointer())
        return builder.load(pointer, align=1)

    terms = [builder.sext(load(source, octets), words) for source in sources]
    while len(terms) > 1:
        terms = [builder.add(a, b) for a, b in zip(terms[::2], terms[1::2], strict=True)]
    pointer = builder.bitcast(builder.gep(target, [place]), words.as_pointer())
    builder.store(builder.add(builder.load(pointer, align=1), terms[0]), pointer, align=1)


def _add_runs(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    target, *sources = (
        first_element(context, builder, kind, value)
        for kind, value in zip(sig.args[:-3], args[:-3], strict=True)
    )
    run, places, step = args[-3:]
    before = builder.block
    loop, after = builder.append_basic_block("runs"), builder.append_basic_block("added")
    builder.cbranch(builder.icmp_signed(">", places, I64(0)), loop, after)
    builder.position_at_end(loop)
    number = builder.phi(I64)
    to = builder.gep(target, [builder.mul(number, run)])
    of = [builder.gep(source, [builder.mul(number, step)]) for source in sources]
    take_run(builder, run, WIDTHS, lambda at, lanes: _add(builder, to, of, at, lanes))
    ended = builder.block
    following = builder.add(number, I64(1))
    builder.cbranch(builder.icmp_signed("<", following, places), loop, after)
    number.add_incoming(I64(0), before)
    number.add_incoming(following, ended)
    builder.position_at_end(after)
    return context.get_dummy_value()


@intrinsic
def _add_one(typing: Any, target: Any, w: Any, run: Any, places: Any, step: Any) -> Any:
    return numba_types.void(target, w, run, places, step), _add_runs


@intrinsic
def _add_two(typing: Any, target: Any, w: Any, w2: Any, run: Any, places: Any, step: Any) -> Any:
    return numba_types.void(target, w, w2, run, places, step), _add_runs


@intrinsic
def _add_four(
    typing: Any, target: Any, w: Any, w2: Any, w3: Any, w4: Any, run: Any, places: Any, step: Any
) -> Any:  # fmt: skip
    return numba_types.void(target, w, w2, w3, w4, run, places, step), _add_runs


if HAS_VECTORS:

    @inline
    def add_runs(target, w, run, places, step):
        """Add ``run`` weights to the drive of each place; those of the next are ``step`` on."""
        _add_one(target, w, run, places, step)

    @inline
    def add_two_runs(target, w, w2, run, places, step):
        """Add two spikes' weights to the drive in one pass."""
        _add_two(target, w, w2, run, places, step)

    @inline
    def add_four_runs(target, w, w2, w3, w4, run, places, step):
        """Add four spikes' weights to the drive in one pass."""
        _add_four(target, w, w2, w3, w4, run, places, step)

else:

    @inline
    def add_runs(target, w, run, places, step):
        """Add ``run`` weights to the drive of each place; those of the next are ``step`` on."""
        for place in range(places):
            for k in range(run):
                at = place * run + k
                target[at] = np.int16(target[at] + np.int16(w[place * step + k]))

    @inline
    def add_two_runs(target, w, w2, run, places, step):
        """Add two spikes' weights to the drive in one pass."""
        add_runs(target, w, run, places, step)
        add_runs(target, w2, run, places, step)

    @inline
    def add_four_runs(target, w, w2, w3, w4, run, places, step):
        """Add four spikes' weights to the drive in one pass."""
        add_two_runs(target, w, w2, run, places, step)
        add_two_runs(target, w3, w4, run, places, step)
