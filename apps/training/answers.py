"""Answers to recordings by the rules of decision: shares by class, and calibrated margins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.runtime import MarginCalibration, Rules, answer_shares

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, Calibration, Network
    from spikewire.runtime import Told
    from spikewire.sensors import Sample

_ANSWERS = ("named", "wrong", "unknown", "nothing")
_WINDOWS = 2


def long_enough(binned: BinnedDataset) -> bool:
    """Tell whether recordings last two windows, without which a rule of decision says little."""
    return binned.ticks * binned.spec.tick_us >= _WINDOWS * Rules().window_us


def results(network: Network, events: BinnedEvents, ticks: int) -> Iterator[Told]:
    """Compute the results of a recording from rest, without learning."""
    from spikewire.qcore import BinnedEvents

    network.reset_state()
    first, tick_us = network.tick, network.tick_us
    moved = BinnedEvents(events.tick + first, events.x, events.y, events.p)
    moved, _ = moved.before(first + ticks)
    steps = network.advance(moved, first + ticks)
    before = np.searchsorted(moved.tick, steps.tick, "right")
    rows = (steps.tick, steps.scores, steps.spikes, np.diff(before, prepend=0))
    for tick, scores, spikes, count in zip(*(row.tolist() for row in rows), strict=True):
        named = dict(zip(network.classes, scores, strict=True))
        yield (tick - first + 1) * tick_us, named, spikes, count


def calibrate(network: Network, binned: BinnedDataset, samples: Sequence[Sample]) -> Calibration:
    """Find the margins of a network on recordings that it has not learned.

    Each recording counts twice: as it is, and distorted as another sensor would.

    Parameters
    ----------
    network
        The network, which stays as it is.
    binned, samples
        The data set, and recordings of it. Those shorter than two windows change nothing.
    """
    from spikewire.qcore import Network

    if not long_enough(binned):
        return network.calibration
    copy = Network.from_bytes(network.to_bytes())
    found = MarginCalibration(Rules.usual(network.tick_us))
    for number, sample in enumerate(samples):
        for events in (binned.events(sample), binned.distorted(sample, (number, 0xCA1B))):
            found.take(results(copy, events, binned.ticks), sample.label)
    return found.calibrated(network.calibration)


def shares_by_class(
    network: Network,
    binned: BinnedDataset,
    samples: Sequence[Sample],
    *,
    distort: bool = False,
    moved: tuple[int, int] = (0, 0),
) -> dict[str, dict[str, float]] | None:
    """Decide over recordings as a service would, and count the answers of each class.

    Parameters
    ----------
    network
        The network, which stays as it is.
    binned, samples
        The data set, and recordings of it.
    distort, moved
        As for `evaluate_batch`.

    Returns
    -------
    dict or None
        For each class the shares of results that name it, name another, are ``unknown`` and
        ``nothing``; None for recordings that are too short to decide on.
    """
    from spikewire.qcore import Network

    if not long_enough(binned):
        return None
    copy = Network.from_bytes(network.to_bytes())
    rules = Rules.usual(network.tick_us, network.calibration)
    counts = {name: dict.fromkeys(_ANSWERS, 0) for name in network.classes}
    for number, sample in enumerate(samples):
        seed = (number, 0xE7A1)
        events = (
            binned.distorted(sample, seed, *moved) if distort else binned.shifted(sample, *moved)
        )
        told = answer_shares(results(copy, events, binned.ticks), sample.label, rules)
        for answer, count in told.items():
            counts[sample.label][answer] += count
    return {name: _shares(row) for name, row in counts.items() if any(row.values())}


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    whole = sum(counts.values())
    return {answer: round(count / whole, 4) for answer, count in counts.items()}


def answers_table(shares: Mapping[str, Mapping[str, Any]]) -> Table:
    """Make a table of the shares of each class."""
    table = Table("true class", *_ANSWERS, title="answers of a service, by share of time")
    for name, row in shares.items():
        table.add_row(name, *(f"{row[answer]:.1%}" for answer in _ANSWERS))
    for column in table.columns[1:]:
        column.justify = "right"
    return table
