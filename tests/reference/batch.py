"""Recordings side by side, with naive networks: the slow twin of ``Batch``.

Every recording has a naive network of its own; what they share is carried from one to the next by
hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewire.qcore import Network
from spikewire.qcore.kernels import layout as at
from tests.reference.network import NaiveNetwork
from tests.reference.traced import TracedLayer


class NaiveBatch:
    def __init__(self, network: Network, size: int) -> None:
        self.all = [NaiveNetwork(network, TracedLayer) for _ in range(size)]
        first = self.all[0]
        self.regulates = bool(first.R[at.PERIOD])
        for one in self.all:
            one.R[at.APPLY_EVERY] = 0
            # It counts, but never regulates by itself.
            one.R[at.PERIOD] = 2**62 if self.regulates else 0
            one.R[at.BATCHED] = 1
            one.slowest = 8

    def hand_over(self, giver: NaiveNetwork, taker: NaiveNetwork) -> None:
        for name in ("lanes", "read", "memory", "seen", "periods"):
            setattr(taker, name, getattr(giver, name))
        for old, new in zip(giver.layers, taker.layers, strict=True):
            for name in ("weights", "store", "table", "g", "gb", "counts"):
                setattr(new, name, getattr(old, name))
            if old.spec.plastic:
                new.mean = old.mean

    def show(
        self, samples: list[list[tuple[int, int, int, int]]], labels: list[int], ticks: int
    ) -> Any:
        spec = self.all[0].spec
        scores = np.zeros((len(samples), self.all[0].classes), int)
        last = self.all[0]
        for until in [*range(1, ticks, spec.learning.cadence), ticks]:
            for b, sample in enumerate(samples):
                one = self.all[b]
                self.hand_over(last, one)
                part = [e for e in sample if one.tick <= e[0] < until]
                for tick, row in one.advance(part, until, labels[b], True):
                    if tick >= spec.learning.burn_in:
                        scores[b] += row
                last = one
            if any(one.pending for one in self.all):
                last.apply()
            for one in self.all:
                one.pending = 0
            active = sum(one.period_ticks for one in self.all)
            if active:
                last.period_ticks = active
                last.regulate()
            for one in self.all:
                one.period_ticks = 0
        self.last = last
        return scores
