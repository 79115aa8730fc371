"""Speed of the scatter kernel, beside the fastest loop that adds bytes to 16-bit numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from spikewire.apps.bench.core.stream import Stream
from spikewire.qcore.kernels import place_sums
from spikewire.qcore.kernels import scatter as scatter_kernels

if TYPE_CHECKING:
    from spikewire.qcore import Network

_MOST_TICKS = 400


@numba.njit("void(int16[::1], int8[:, ::1], int64)", nogil=True)
def _add_one(target, rows, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        for r in range(rows.shape[0]):
            row = rows[r]
            for k in range(target.shape[0]):
                target[k] = np.int16(target[k] + np.int16(row[k]))


@numba.njit("void(int16[::1], int8[:, ::1], int64)", nogil=True)
def _add_two(target, rows, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        for r in range(0, rows.shape[0] - 1, 2):
            row, second = rows[r], rows[r + 1]
            for k in range(target.shape[0]):
                both = np.int16(np.int16(row[k]) + np.int16(second[k]))
                target[k] = np.int16(target[k] + both)


@numba.njit("void(int16[::1], int8[:, ::1], int64)", nogil=True)
def _add_four(target, rows, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        for r in range(0, rows.shape[0] - 3, 4):
            row, second, third, fourth = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
            for k in range(target.shape[0]):
                both = np.int16(np.int16(row[k]) + np.int16(second[k]))
                others = np.int16(np.int16(third[k]) + np.int16(fourth[k]))
                target[k] = np.int16(target[k] + np.int16(both + others))


@numba.njit(nogil=True)
def _scatter_all(spikes, edges, weights, drive, stride, pad):  # type: ignore[no-untyped-def]
    done = 0
    for n in range(edges.shape[0] - 1):
        drive[:] = 0
        now = spikes[edges[n] : edges[n + 1]]
        count = len(now)
        if place_sums.is_dense(count, weights, drive, stride):
            reached = place_sums.add_by_place(now, count, weights, drive, stride, pad, pad, 32766)
            if reached >= 0:
                done += reached
                continue
        for first in range(0, count, scatter_kernels.SPIKES_PER_FLUSH):
            last = min(first + scatter_kernels.SPIKES_PER_FLUSH, count)
            done += scatter_kernels.scatter_conv(now, first, last, weights, drive, stride, pad, pad)
    return done


def accumulate(rounds: int) -> dict[str, Any]:
    """Time three loops at several lengths within the first cache, and return the fastest.

    Returns
    -------
    dict
        ``best`` additions per second, the loop that gave it, and all that were measured.
    """
    rng = np.random.default_rng(0)
    rates: list[dict[str, Any]] = []
    for length in (128, 256, 512, 1024, 2048, 4096):
        rows = rng.integers(-128, 128, (max(4, 16384 // length // 4 * 4), length)).astype(np.int8)
        times = max(1, 4_000_000 // rows.size)
        for name, loop in (("one", _add_one), ("two", _add_two), ("four", _add_four)):
            target = np.zeros(length, np.int16)
            best = 1e9
            for _ in range(rounds):
                began = time.perf_counter()
                loop(target, rows, times)
                best = min(best, time.perf_counter() - began)
            rates.append(
                {"rows_at_once": name, "length": length, "per_s": rows.size * times / best}
            )
    fastest = max(rates, key=lambda row: float(row["per_s"]))
    return {"best": fastest["per_s"], "loop": fastest, "all": rates}


def scatter(network: Network, stream: Stream, rounds: int) -> list[dict[str, Any]]:
    """Measure the synaptic operations per second of each convolution, on its own input spikes."""
    from spikewire.qcore import Network

    copy = Network.from_bytes(network.to_bytes())
    layers = copy.spec.layers
    taken: list[list[NDArray[np.int16]]] = [[] for _ in layers]
    part = stream.parts[0]
    for tick in range(min(_MOST_TICKS, stream.ticks)):
        now, part = part.before(tick + 1)
        copy.advance(now, tick + 1)
        image = np.zeros((copy.spec.height, copy.spec.width, copy.spec.polarities), np.int8)
        image[now.y, now.x, now.p] = 1
        for n in range(len(layers)):
            taken[n].append(_listed(image if n == 0 else copy.layers[n - 1].spikes))
    rows = []
    for n, layer in enumerate(layers):
        if layer.kind != "conv":
            continue
        spikes = np.concatenate(taken[n])
        edges = np.cumsum([0, *(len(spikes) for spikes in taken[n])])
        # In memory a kernel's columns lie from the last to the first; their sum does not care.
        weights = np.ascontiguousarray(copy.layers[n].weights[:, :, ::-1])
        drive = np.zeros(copy.layers[n].membrane.shape, np.int16)
        best, done = 1e9, 0
        for _ in range(rounds + 1):
            began = time.perf_counter()
            done = _scatter_all(spikes, edges, weights, drive, layer.stride, layer.pad)
            best = min(best, time.perf_counter() - began)
        rows.append(
            {"layer": n, "spikes_per_tick": len(spikes) / len(taken[n]), "per_s": done / best,
             "synaptic_ops": int(done)}
        )  # fmt: skip
    return rows


def _listed(image: NDArray[np.int8]) -> NDArray[np.int16]:
    spikes = np.zeros((image.size, 3), np.int16)
    return spikes[: scatter_kernels.gather(np.ascontiguousarray(image), spikes)].copy()
