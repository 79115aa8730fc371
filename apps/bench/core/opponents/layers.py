"""A network of convolutions as other libraries need it: float weights and constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError

if TYPE_CHECKING:
    from spikewire.apps.bench.core.stream import Stream
    from spikewire.qcore import Network, NetworkSpec


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """One convolution with its neurons, in units of its thresholds.

    Attributes
    ----------
    weights
        float32[c_out, c_in, rows, columns].
    small
        The 8-bit weights: int8[c_out, c_in, rows, columns].
    stride, pad, pool
        Geometry.
    keep_u, keep_v
        What a tick leaves of current and membrane: float32[c_out, 1, 1].
    keep_r
        What a tick leaves of the refractory trace; None if spikes reset the membrane.
    silent
        Whether a membrane that was reset stays at 0 in the tick after it.
    """

    weights: NDArray[np.float32]
    small: NDArray[np.int8]
    stride: int
    pad: int
    pool: int
    keep_u: NDArray[np.float32]
    keep_v: NDArray[np.float32]
    keep_r: float | None
    silent: bool

    @property
    def has_current(self) -> bool:
        """Whether the current outlasts a tick."""
        return bool(self.keep_u.any())


def dense_layers(network: Network) -> list[DenseLayer]:
    """Convert the layers of a network.

    Raises
    ------
    CommandError
        If a layer is no convolution whose spikes subtract the threshold and are pooled to spikes.
    """
    converted = []
    for number, spec in enumerate(network.spec.layers):
        if (
            spec.kind != "conv" or spec.pool_kind != "or" or spec.general or spec.traced
            or spec.reset == "zero" or spec.refractory_ticks > 1
        ):  # fmt: skip
            raise CommandError(
                f"layer {number + 1} of {network.spec.name} has no counterpart in other libraries: "
                "allowed are convolutions whose "
                "spikes subtract the threshold and are pooled to spikes"
            )
        small = np.ascontiguousarray(network.layers[number].weights.transpose(3, 0, 1, 2))
        exponent = spec.exponent + 8 - network.spec.widths.weight
        unit = np.ldexp(1.0, exponent) / network.layers[number].threshold.astype(np.float64)
        converted.append(
            DenseLayer(
                (small * unit[:, None, None, None]).astype(np.float32), small,
                spec.stride, spec.pad, spec.pool,
                _kept(spec.decay_u, spec.channels), _kept(spec.decay_v, spec.channels),
                spec.refractory_keep / 4096 if spec.reset == "refractory" else None,
                spec.reset == "subtract" and spec.refractory_ticks == 1,
            )
        )  # fmt: skip
    return converted


def _kept(decay: int | tuple[int, ...], channels: int) -> NDArray[np.float32]:
    kept = 1 - np.resize(np.atleast_1d(np.asarray(decay, np.float32)), channels) / 4096
    return kept.astype(np.float32)[:, None, None]


def samples(stream: Stream, spec: NetworkSpec, ticks: int, batch: int) -> NDArray[np.uint8]:
    """Lay out the stream's first ``ticks`` for ``batch`` samples, each a little later.

    Returns
    -------
    ndarray
        uint8[ticks, batch, polarity, y, x] in {0, 1}.
    """
    planes = stream.planes(spec, ticks)[..., 0]
    later = [np.roll(planes, -(n * ticks // batch), axis=0) for n in range(batch)]
    return np.stack(later, axis=1)
