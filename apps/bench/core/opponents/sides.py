"""The opponents that are installed, as sides of `bench core`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from spikewire.apps.bench.core.opponents.layers import dense_layers, samples

if TYPE_CHECKING:
    from spikewire.apps.bench.core.stream import Stream
    from spikewire.qcore import Network

BATCH = 32
PACKAGES = ("torch", "onnxruntime", "onnx", "snntorch", "sinabs")
FLOATS = ("float32", "bfloat16")


def missing() -> list[str]:
    """Return the packages of opponents that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def opponents(
    network: Network, stream: Stream, ticks: int, cores: int
) -> dict[str, Callable[[], float]]:
    """Build each opponent that is installed, with one thread and with ``cores`` of them.

    Returns
    -------
    dict
        Functions that compute the stream's first ``ticks`` and return seconds per tick and sample.
        A name is library, type or ``int8``, ``stream`` or ``batch32``, and threads.
    """
    absent = missing()
    layers = dense_layers(network)
    planes = {"stream": samples(stream, network.spec, ticks, 1)}
    planes[f"batch{BATCH}"] = samples(stream, network.spec, max(1, ticks // 8), BATCH)
    sides: dict[str, Callable[[], float]] = {}
    for threads in sorted({1, cores}):
        if "torch" not in absent:
            from spikewire.apps.bench.core.opponents.convolutions import Convolutions

            for dtype in FLOATS:
                for how, shown in planes.items():
                    name = f"torch_{dtype}_{how}_{threads}t"
                    sides[name] = Convolutions(layers, shown, dtype, threads).timed
        if not {"onnx", "onnxruntime"} & set(absent):
            from spikewire.apps.bench.core.opponents.eight_bit import SmallConvolutions

            for how, shown in planes.items():
                name = f"onnxruntime_int8_{how}_{threads}t"
                sides[name] = SmallConvolutions(layers, shown, threads).timed
        if not {"torch", "snntorch"} & set(absent):
            from spikewire.apps.bench.core.opponents.libraries import SnnTorch

            one = SnnTorch(layers, planes["stream"], threads)
            sides[f"snntorch_float32_stream_{threads}t"] = one.timed
        if not {"torch", "sinabs"} & set(absent):
            from spikewire.apps.bench.core.opponents.libraries import Sinabs

            other = Sinabs(layers, planes["stream"], threads)
            sides[f"sinabs_float32_stream_{threads}t"] = other.timed
    return sides


def strongest(timed: dict[str, dict[str, float]], *parts: str) -> str | None:
    """Return the fastest opponent whose name has all ``parts``; None if there is none."""
    found = [name for name in timed if all(p in name for p in parts)]
    return min(found, key=lambda name: timed[name]["best_ms"], default=None)
