"""Shaped views of flat arrays, inside kernels.

Numba's own ``reshape`` compares sizes in floating point, which the proof that no kernel holds any
would rightly find. These views take the shape as given: the layer table is checked when it is laid
out and when it is loaded.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _shaped(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    flat_type = signature.args[0]
    flat = make_array(flat_type)(context, builder, args[0])
    shaped = make_array(signature.return_type)(context, builder)
    strides = []
    step = flat.itemsize
    for extent in reversed(args[1:]):
        strides.append(step)
        step = builder.mul(step, extent)
    populate_array(
        shaped,
        data=flat.data,
        shape=cgutils.pack_array(builder, args[1:]),
        strides=cgutils.pack_array(builder, strides[::-1]),
        itemsize=flat.itemsize,
        meminfo=flat.meminfo,
        parent=flat.parent,
    )
    return impl_ret_borrowed(context, builder, signature.return_type, shaped._getvalue())


def _typed(flat: Any, dimensions: int) -> Any:
    result = types.Array(flat.dtype, dimensions, "C")
    return result(flat, *(types.intp,) * dimensions)


@intrinsic
def shape1(typingctx, flat, count):
    """View the head of an array as ``[count]``."""
    return _typed(flat, 1), _shaped


@intrinsic
def shape2(typingctx, flat, rows, columns):
    """View the head of a flat array as ``[rows, columns]``."""
    return _typed(flat, 2), _shaped


@intrinsic
def shape3(typingctx, flat, rows, columns, channels):
    """View the head of a flat array as ``[rows, columns, channels]``."""
    return _typed(flat, 3), _shaped


@intrinsic
def shape4(typingctx, flat, a, b, c, d):
    """View the head of a flat array as ``[a, b, c, d]``."""
    return _typed(flat, 4), _shaped
