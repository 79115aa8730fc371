"""Integer side of `bench core`: networks with the activity of trained ones, timed on a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewire.apps.bench.core.stream import Stream
from spikewire.qcore.kernels.neuron import KICK_R, THRESHOLD

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec

_PORTION = 50


def train(
    spec: NetworkSpec, lessons: Stream, seed: int, progress: Callable[[int], None]
) -> Network:
    """Build a network and train it on the lessons once, in portions.

    Thresholds find the activity that the specification wants on the way, as in any training.
    """
    from spikewire.qcore import Batch, Network

    network = Network.build(spec, lessons.classes, seed)
    count = len(lessons.parts)
    order = np.random.default_rng(seed).permutation(count)
    portions = [order[n : n + _PORTION] for n in range(0, count, _PORTION)]
    batch = Batch(network, min(_PORTION, count))
    for number, chosen in enumerate(portions):
        network.schedule(number, len(portions))
        parts = [lessons.parts[n] for n in chosen]
        batch.show(parts, [lessons.labels[n] for n in chosen], lessons.ticks, learn=True)
        progress(number + 1)
    return network


def settled(network: Network, *, cadence: int | None = None, factor: float = 1.0) -> Network:
    """Copy a network with fixed thresholds.

    Parameters
    ----------
    cadence
        Ticks between two gradients of the layers, if other than the network's own; with 1 every
        one is applied at once.
    factor
        What all thresholds are multiplied by, to change its activity.
    """
    from spikewire.qcore import Network

    learning = replace(network.spec.learning, period=0)
    if cadence is not None:
        learning = replace(learning, cadence=cadence, apply_every=1)
    spec = replace(network.spec, learning=learning)
    copy = Network.build(spec, network.classes, network.seed)
    for n, layer in enumerate(spec.layers):
        copy.layers[n].weights[...] = network.layers[n].weights
        if layer.plastic:
            copy.layers[n].set_store(network.layers[n].store)
            copy.layers[n].readout_mean[...] = network.layers[n].readout_mean
        table = copy.layers[n].table
        table[...] = network.layers[n].table
        rows = [THRESHOLD, KICK_R] if layer.reset == "refractory" else [THRESHOLD]
        scaled = np.clip((table[rows] * factor).round(), 64, 2**22)
        table[rows] = scaled.astype(np.int32)
    copy.read_store()[...] = network.read_store()
    return copy


@dataclass(frozen=True, slots=True)
class Run:
    """Measurements of one run over a stream.

    ``tick_s`` seconds per tick; ``activity`` share of each layer's units that fire in a tick;
    ``synaptic_ops`` per tick; ``updates`` of weights in all.
    """

    tick_s: float
    activity: tuple[float, ...]
    synaptic_ops: float
    updates: int


def run(network: Network, stream: Stream, *, learn: bool) -> Run:
    """Run a copy of a network over a stream, as a service does, and time it."""
    from spikewire.qcore import Network

    copy = Network.from_bytes(network.to_bytes())
    ops, updates = copy.synaptic_ops, copy.updates
    chunks = stream.chunks()
    fired = np.zeros(len(copy.spec.layers), np.int64)
    began = time.perf_counter()
    for events, until, label in chunks:
        steps = copy.advance(events, until, label=label if learn else -1, learn=learn)
        fired += steps.spikes.sum(0)
    seconds = time.perf_counter() - began
    ticks = len(stream.parts) * stream.ticks
    units = [int(np.prod(layer.units)) for layer in copy.layers]
    return Run(
        seconds / ticks,
        tuple(float(n) / (size * ticks) for n, size in zip(fired, units, strict=True)),
        (copy.synaptic_ops - ops) / ticks,
        copy.updates - updates,
    )


def interleave(
    sides: Mapping[str, Callable[[], float]], rounds: int, progress: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Measure all sides in turns, so that changes of the machine affect all of them.

    Returns
    -------
    dict
        Milliseconds by side: the best of the rounds, their median, and the worst.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            progress(f"round {number + 1} of {rounds}: {name}")
            seconds[name].append(side())
    return {
        name: {
            "best_ms": 1e3 * min(taken),
            "median_ms": 1e3 * float(np.median(taken)),
            "worst_ms": 1e3 * max(taken),
        }
        for name, taken in seconds.items()
    }


def line(x: list[float], y: list[float]) -> dict[str, float]:
    """Fit ``y = at_rest + slope * x``; ``r2`` is the explained share of the variance."""
    slope, at_rest = np.polyfit(x, y, 1)
    left = np.asarray(y) - (at_rest + slope * np.asarray(x))
    spread = float(np.var(y))
    r2 = 1.0 - float(np.mean(left**2)) / spread if spread > 0 else 1.0
    return {"slope": float(slope), "at_rest": float(at_rest), "r2": r2}


def by_activity(
    network: Network, stream: Stream, factors: tuple[float, ...], rounds: int
) -> list[dict[str, Any]]:
    """Measure the time of a tick against activity: all thresholds times each factor."""
    rows = []
    for factor in factors:
        changed = settled(network, factor=factor)
        runs = [run(changed, stream, learn=False) for _ in range(rounds)]
        learned = [run(changed, stream, learn=True) for _ in range(rounds)]
        rows.append(
            {
                "threshold_factor": factor,
                "activity": [round(share, 5) for share in runs[0].activity],
                "synaptic_ops_per_tick": runs[0].synaptic_ops,
                "forward_ms": 1e3 * min(timed.tick_s for timed in runs),
                "learning_ms": 1e3 * min(timed.tick_s for timed in learned),
                "learning_activity": [round(share, 5) for share in learned[0].activity],
            }
        )
    return rows


def by_rate(network: Network, stream: Stream, rounds: int, seed: int) -> dict[str, Any]:
    """Measure the time of a tick against input spikes, of thinned and overlaid streams."""
    streams = [(share, stream.thinned(share, seed)) for share in (0.05, 0.25, 0.5, 0.75, 1.0)]
    streams += [(float(times), stream.overlaid(times)) for times in (2, 3, 4)]
    ticks = len(stream.parts) * stream.ticks
    points = []
    best = [1e9] * len(streams)
    ops = [0.0] * len(streams)
    for _ in range(rounds):
        for n, (_, thinned) in enumerate(streams):
            timed = run(network, thinned, learn=False)
            best[n] = min(best[n], timed.tick_s)
            ops[n] = timed.synaptic_ops
    for (times, thinned), tick_s, done in zip(streams, best, ops, strict=True):
        points.append(
            {
                "rate": times,
                "events_per_tick": sum(len(part) for part in thinned.parts) / ticks,
                "spikes_per_tick": thinned.spikes() / ticks,
                "synaptic_ops_per_tick": done,
                "forward_ms": 1e3 * tick_s,
            }
        )
    cost = [point["forward_ms"] for point in points]
    return {
        "points": points,
        "fit": line([point["spikes_per_tick"] for point in points], cost),
        "fit_synaptic_ops": line([point["synaptic_ops_per_tick"] for point in points], cost),
    }
