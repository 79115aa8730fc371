"""Order of a sweep's trials: a sweep that is not finished shows as much as it can."""

from __future__ import annotations

from collections.abc import Sequence

from spikewire.apps.sweep.ablation import WITHOUT
from spikewire.apps.sweep.grid import BASE, GridPoint

Trial = tuple[GridPoint, int]
"""A network, and the seed that it is trained with."""


def telling_first(grid: Sequence[GridPoint], seeds: Sequence[int]) -> list[Trial]:
    """Order trials by how much they tell.

    The bases come first, then both ends of each curve, then its middle, then the middles of what
    remains. An earlier rank of the next seed comes beside a later rank of one seed.

    Parameters
    ----------
    grid
        The networks.
    seeds
        The seeds of each.
    """
    ranks = _ranks(grid)
    trials = [
        (ranks[n] + later, later, n, point, seed)
        for later, seed in enumerate(seeds)
        for n, point in enumerate(grid)
    ]
    trials.sort(key=lambda trial: trial[:3])
    return [(point, seed) for _, _, _, point, seed in trials]


def _ranks(grid: Sequence[GridPoint]) -> list[int]:
    curves: dict[tuple[str, str], list[int]] = {}
    for n, point in enumerate(grid):
        curves.setdefault((point.model, point.name), []).append(n)
    ranks = [0] * len(grid)
    for (_, name), places in curves.items():
        if name == BASE:
            continue
        alike = name == WITHOUT  # a curve has ends; parts left out are all alike
        for place, rank in zip(places, [1] * len(places) if alike else halvings(len(places)),
                               strict=True):  # fmt: skip
            ranks[place] = rank
    return ranks


def halvings(count: int) -> list[int]:
    """Rank the places of a row: 1 for both ends, 2 for the middle, 3 for the middles beside it."""
    ranks = [0] * count
    if not count:
        return ranks
    ranks[0] = ranks[-1] = 1
    gaps, rank = [(0, count - 1)], 2
    while gaps:
        halves = []
        for first, last in gaps:
            if last - first > 1:
                middle = (first + last) // 2
                ranks[middle] = rank
                halves += [(first, middle), (middle, last)]
        gaps, rank = halves, rank + 1
    return ranks
