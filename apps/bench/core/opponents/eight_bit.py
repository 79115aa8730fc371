"""The convolutions of a network in 8 bits, in ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.bench.core.opponents.layers import DenseLayer


class SmallConvolutions:
    """The convolutions of a network in 8 bits, in ONNX Runtime, without neurons.

    A convolution's output is rounded to 8 bits and pooled, as in any quantised network. So this is
    less than the network costs.

    Parameters
    ----------
    layers
        The network.
    planes
        Input: uint8[tick, sample, polarity, y, x].
    threads
        Cores for ONNX Runtime.
    """

    def __init__(
        self, layers: Sequence[DenseLayer], planes: NDArray[np.uint8], threads: int
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that wait in a loop would slow down the sides that come next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            _graph(layers, planes.shape[1:]), options, providers=["CPUExecutionProvider"]
        )
        self._planes = planes

    def timed(self) -> float:
        """Compute the stream and return seconds per tick and sample."""
        self._session.run(None, {"spikes": self._planes[0]})
        began = time.perf_counter()
        for plane in self._planes:
            self._session.run(None, {"spikes": plane})
        taken = time.perf_counter() - began
        return taken / (len(self._planes) * int(self._planes.shape[1]))


def _graph(layers: Sequence[DenseLayer], shape: tuple[int, ...]) -> bytes:
    """Write the convolutions as an ONNX model whose input is ``spikes``, uint8 of this shape."""
    from onnx import TensorProto, checker, helper, numpy_helper

    constants = [
        numpy_helper.from_array(np.float32(1.0), "one"),
        numpy_helper.from_array(np.float32(64.0), "coarse"),
        numpy_helper.from_array(np.uint8(0), "zero"),
        numpy_helper.from_array(np.int8(0), "signed_zero"),
    ]
    nodes = []
    value = "spikes"
    for n, one in enumerate(layers):
        constants.append(numpy_helper.from_array(one.small, f"weights{n}"))
        inputs = [value, "one", "zero", f"weights{n}", "one", "signed_zero", "coarse", "zero"]
        nodes.append(
            helper.make_node(
                "QLinearConv", inputs, [f"drive{n}"],
                strides=[one.stride] * 2, pads=[one.pad] * 4,
            )
        )  # fmt: skip
        value = f"drive{n}"
        if one.pool > 1:
            nodes.append(
                helper.make_node(
                    "MaxPool", [value], [f"pooled{n}"],
                    kernel_shape=[one.pool] * 2, strides=[one.pool] * 2,
                )
            )  # fmt: skip
            value = f"pooled{n}"
    graph = helper.make_graph(
        nodes, "convolutions",
        [helper.make_tensor_value_info("spikes", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(value, TensorProto.UINT8, [None] * 4)],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written
