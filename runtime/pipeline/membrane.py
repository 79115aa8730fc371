"""The membrane of one neuron, tick by tick, read while somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore import BinnedEvents, NeuronView, SpikeProbe, Steps
from spikewire.runtime.interfaces import NetworkLike

MOST_TICKS = 256
"""Ticks of a message; of a longer computation the last ones are told."""


@dataclass(frozen=True, slots=True)
class NeuronPlace:
    """A neuron: number of its layer, and its row, column and channel."""

    layer: int
    neuron: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Membrane:
    """Some ticks of a neuron.

    Attributes
    ----------
    place
        Which one.
    first
        The first tick.
    rows
        int32[ticks, 3]: membrane, bar and spikes, as :meth:`NeuronView.read` has them.
    """

    place: NeuronPlace
    first: int
    rows: npt.NDArray[np.int32]

    @property
    def stop(self) -> int:
        return self.first + len(self.rows)

    def join(self, later: Membrane) -> Membrane:
        """These ticks, then later ones of the same neuron, as far back as a message goes."""
        if later.place != self.place or later.first != self.stop:
            return later
        rows = np.concatenate([self.rows, later.rows])[-MOST_TICKS:]
        return Membrane(self.place, later.stop - len(rows), rows)

    def body(self) -> dict[str, Any]:
        """Return the fields of a ``membrane`` message."""
        membrane, bar, spikes = np.ascontiguousarray(self.rows.T, "<i4")
        return {
            "layer": self.place.layer,
            "neuron": list(self.place.neuron),
            "first_tick": self.first,
            "ticks": len(self.rows),
            "membrane": membrane.tobytes(),
            "bar": bar.tobytes(),
            "spikes": np.minimum(spikes, 255).astype(np.uint8).tobytes(),
        }


def advance_watched(
    network: NetworkLike,
    events: BinnedEvents,
    until: int,
    *,
    label: int,
    learn: bool,
    probe: SpikeProbe | None,
    place: NeuronPlace,
) -> tuple[Steps, Membrane]:
    """Advance the network as in one call, but the last ticks one by one, and read a neuron.

    No bit differs from one call.

    Parameters
    ----------
    network, events, until, label, learn, probe
        As :meth:`spikewire.Network.advance` takes them.
    place
        The neuron that is read after each of the last ticks.
    """
    view = NeuronView(network.layers[place.layer], place.neuron)
    first = max(network.tick, until - MOST_TICKS)
    parts: list[Any] = []
    rows: list[tuple[int, int, int]] = []
    # Ticks before those that are read are one call, if there are any.
    for stop in (first, *range(first + 1, until + 1)):
        if stop > network.tick:
            now, events = events.before(stop)
            parts.append(network.advance(now, stop, label=label, learn=learn, probe=probe))
        if stop > first:
            rows.append(view.read())
    return _joined(parts, probe), Membrane(place, first, np.array(rows, np.int32).reshape(-1, 3))


def _joined(parts: list[Any], probe: SpikeProbe | None) -> Steps:
    fired: tuple[npt.NDArray[np.int8], ...] = ()
    if probe is not None:
        layers = zip(*(one.fired for one in parts), strict=True)
        fired = tuple(np.concatenate(each)[-probe.ticks :] for each in layers)
    return Steps(
        np.concatenate([one.tick for one in parts]),
        np.concatenate([one.scores for one in parts]),
        np.concatenate([one.spikes for one in parts]),
        fired,
    )
