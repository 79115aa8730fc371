"""Shape of a graph's input: channels, rows and columns."""

from __future__ import annotations

import numpy as np

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.chain import Chain
from spikewire.qcore.interop.nir.graph import Node
from spikewire.qcore.interop.nir.linear import Shape

MOST_POLARITIES = 256
MOST_SIDE = 1024


def input_shape(chain: Chain, given: Shape | None) -> Shape:
    """Return channels, rows and columns of the input.

    Raises
    ------
    ModelError
        If the graph does not tell them, or tells others than those given.
    """
    first = next((n for n in chain.stages[0].linear if n.kind != "Flatten"), chain.stages[0].neuron)
    told = _told_shape(chain.input)
    wanted = _wanted_inputs(first)
    if given is not None:
        if wanted is not None and int(np.prod(given)) != wanted and first.kind != "Conv2d":
            raise ModelError(
                f"The input is given as {'x'.join(map(str, given))}, and {first} takes "
                f"{wanted:,} inputs."
            )
        return given
    if first.kind == "Conv2d" and len(told) > 3:
        told = told[-3:]
    while len(told) > 1 and told[0] == 1 and first.kind not in ("Conv2d", "Conv1d"):
        told = told[1:]
    if not told and wanted is not None:
        told = [wanted]
    if not told or min(told) < 1 or len(told) > 4:
        raise ModelError("The graph does not tell the shape of its input: give shape, as 2x34x34.")
    if len(told) == 3:
        return told[0], told[1], told[2]
    if len(told) == 2:
        return (told[0], 1, told[1]) if first.kind == "Conv1d" else (1, told[0], told[1])
    # A vector lies in a row of the plane.
    return 1, 1, told[0]


def checked_shape(shape: Shape) -> Shape:
    """Refuse an input that the engine has no plane for."""
    if shape[0] > MOST_POLARITIES or max(shape[1:]) > MOST_SIDE:
        raise ModelError(
            f"The input is {'x'.join(map(str, shape))}; allowed are {MOST_POLARITIES} channels of "
            f"{MOST_SIDE:,}x{MOST_SIDE:,} places. Where a vector stands for a map, give its shape "
            "(--input 2x34x34)."
        )
    return shape


def _told_shape(node: Node) -> list[int]:
    value = node.values.get("shape", node.values.get("input_type"))
    if value is None:
        return []
    sizes = Node(node.name, node.kind, {"shape": value}).array("shape").reshape(-1)
    return [int(size) for size in sizes[:8]]


def _wanted_inputs(first: Node) -> int | None:
    if first.kind in ("Affine", "Linear"):
        weight = first.array("weight")
        return int(weight.shape[-1]) if weight.ndim else None
    return None
