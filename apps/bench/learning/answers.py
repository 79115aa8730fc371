"""Predictions of a network for clips, by clip and by result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, Network


@dataclass(frozen=True, slots=True)
class Answers:
    """Predictions for clips.

    Attributes
    ----------
    clips
        int64[n]: the class with the highest sum of scores per clip, as in `spikewire evaluate`.
    shares
        float64[n, classes]: share of each clip's results that predict the class.
    """

    clips: NDArray[np.int64]
    shares: NDArray[np.float64]

    def named(self, which: int | NDArray[np.int64]) -> float:
        """Return the share of clips predicted as ``which`` (one class, or one for each)."""
        return float((self.clips == which).mean())

    def named_by_result(self, which: int | NDArray[np.int64]) -> float:
        """Return the share of results that predict ``which``."""
        wanted = np.broadcast_to(which, self.clips.shape)
        return float(self.shares[np.arange(len(wanted)), wanted].mean())


def ask(network: Network, clips: Sequence[BinnedEvents], ticks: int) -> Answers:
    """Run a frozen copy over clips, each from rest; results within the burn-in are left out."""
    from spikewire.qcore import BinnedEvents, Network

    copy = Network.from_bytes(network.to_bytes())
    classes = len(network.classes)
    predicted = np.zeros(len(clips), np.int64)
    shares = np.zeros((len(clips), classes))
    for n, clip in enumerate(clips):
        copy.reset_state()
        start = copy.tick
        events = BinnedEvents(clip.tick + start, clip.x, clip.y, clip.p)
        steps = copy.advance(events, start + ticks)
        scores = steps.scores[steps.tick - start >= network.spec.learning.burn_in]
        predicted[n] = scores.sum(0, dtype=np.int64).argmax()
        shares[n] = np.bincount(scores.argmax(1), minlength=classes) / max(len(scores), 1)
    return Answers(predicted, shares)
