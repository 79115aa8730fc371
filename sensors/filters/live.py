"""The filters of a running stream, which can be added, changed, switched and removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import EVENT_DTYPE
from spikewire.sensors.filters.base import Chain, Filter
from spikewire.sensors.filters.geometry import Crop, Downsample, Turn
from spikewire.sensors.filters.noise import HotPixels
from spikewire.sensors.filters.parse import make_filter

MOST_FILTERS = 16
MOST_HOT = 256
"""Hot pixels that are told of."""
_WITHOUT_MEMORY = (Crop, Downsample, Turn)


@dataclass(frozen=True, slots=True)
class Placed:
    """A filter at its place among the others.

    Attributes
    ----------
    number
        Stays the same while it exists.
    text
        As of the option ``--filter``.
    on
        Whether it is used.
    part, size
        What filters, and the (width, height) that it was made for; None before it was first used.
    removed
        Events that it took away before its present ``part`` was made.
    """

    number: int
    text: str
    on: bool = True
    part: Filter | None = None
    size: tuple[int, int] | None = None
    removed: int = 0

    @property
    def all_removed(self) -> int:
        """Events that it took away so far."""
        return self.removed + (0 if self.part is None else self.part.removed)

    def made_for(self, size: tuple[int, int]) -> Placed:
        """Return it with a part for events of this size; one that there is keeps its memory."""
        if self.part is not None and self.size == size:
            return self
        made = make_filter(self.text, size)
        return replace(self, part=made, size=size, removed=self.all_removed)

    def kind(self) -> str:
        """Name of its kind, such as ``hot``."""
        return self.text.strip().partition(":")[0]


class LiveFilters:
    """Filters in their order, and the chain of those that are on.

    Parameters
    ----------
    size
        (width, height) of the source.
    texts
        The filters, as of the option ``--filter``.

    Attributes
    ----------
    chain
        The filters that are on.
    changed
        Whether they are others than at the start.

    Raises
    ------
    SensorError
        If a filter's name or value is not understood.
    """

    def __init__(self, size: tuple[int, int], texts: Iterable[str]) -> None:
        self._size = size
        self._next = 1
        self._gone: Counter[str] = Counter()
        self._placed: list[Placed] = []
        self.changed = False
        self.chain = Chain(size, [])
        self._use([self._new(text) for text in texts])

    def _new(self, text: str) -> Placed:
        number, self._next = self._next, self._next + 1
        return Placed(number, text)

    def _use(self, placed: list[Placed]) -> None:
        """Build the chain; if a filter cannot be, all stays as it was."""
        size, made, parts = self._size, [], []
        for one in placed:
            if one.on:
                one = one.made_for(size)
                assert one.part is not None
                size = one.part.size
                parts.append(one.part)
            made.append(one)
        self._placed, self.chain = made, Chain(self._size, parts)

    def fit(self, size: tuple[int, int]) -> None:
        """Filter events of another size from now on; a filter that cannot is switched off."""
        self._size = size
        placed: list[Placed] = []
        for one in self._placed:
            placed.append(one)
            try:
                self._use(placed)
            except SensorError:
                placed[-1] = replace(one, on=False)
        self._use(placed)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the events that come in."""
        return self._size

    def change(
        self,
        *,
        add: str | None = None,
        number: int | None = None,
        to: str | None = None,
        on: bool | None = None,
        remove: bool = False,
    ) -> None:
        """Add a filter at the end, or change the one with this number.

        Raises
        ------
        SensorError
            If there is no such filter, a name or value is not understood, or one that comes later
            is not possible any more. Then nothing has changed.
        """
        if add is not None:
            if len(self._placed) >= MOST_FILTERS:
                raise SensorError(f"There are {MOST_FILTERS} filters already: remove one first.")
            self._use([*self._placed, self._new(add)])
            self.changed = True
            return
        index = next((n for n, one in enumerate(self._placed) if one.number == number), None)
        if index is None:
            known = ", ".join(f"{one.number} ({one.text})" for one in self._placed) or "none"
            raise SensorError(f"There is no filter {number}; there are {known}.")
        one = self._placed[index]
        placed = list(self._placed)
        if remove:
            del placed[index]
        else:
            if to is not None:
                placed[index] = Placed(one.number, to, one.on, removed=one.all_removed)
                make_filter(to, one.size or self._size)  # also one that is off is checked
            if on is not None:
                placed[index] = replace(placed[index], on=on)
        self._use(placed)
        if remove:
            self._gone[f"filter_{one.kind()}"] += one.all_removed
        elif on and not one.on and one.part is not None:
            one.part.reset()  # its times are from before
        self.changed = True

    @property
    def removed(self) -> dict[str, int]:
        """Events taken away, by kind of filter, also of those that are removed."""
        sums = Counter(self._gone)
        for one in self._placed:
            sums[f"filter_{one.part.name if one.part else one.kind()}"] += one.all_removed
        return dict(sums)

    def state(self) -> list[dict[str, Any]]:
        """Describe them as the protocol does."""
        return [
            {
                "number": one.number, "filter": one.text, "on": one.on, "removed": one.all_removed,
                "size": list(self._size_after(n)), "hot": self._hot(n),
            }
            for n, one in enumerate(self._placed)
        ]  # fmt: skip

    def _size_after(self, index: int) -> tuple[int, int]:
        sizes = [one.part.size for one in self._placed[: index + 1] if one.on and one.part]
        return sizes[-1] if sizes else self._size

    def _hot(self, index: int) -> list[int]:
        """Places x, y, x, y, ... that a hot filter removes, as they would leave the chain."""
        one = self._placed[index]
        if not one.on or not isinstance(one.part, HotPixels):
            return []
        y, x = np.nonzero(one.part.state()["hot"])
        events = np.zeros(min(len(x), MOST_HOT), EVENT_DTYPE)
        events["x"], events["y"] = x[:MOST_HOT], y[:MOST_HOT]
        for later in self._placed[index + 1 :]:
            if later.on and isinstance(later.part, _WITHOUT_MEMORY) and len(events):
                removed = later.part.removed
                events = later.part.apply(events)
                later.part.removed = removed
        return np.stack([events["x"], events["y"]], axis=1).ravel().astype(int).tolist()

    def settings(self) -> list[list[Any]]:
        """Filters and whether each is on, for :meth:`adopt`."""
        return [[one.text, one.on] for one in self._placed]

    def adopt(self, settings: Iterable[Iterable[Any]]) -> None:
        """Use saved filters in the place of the present ones."""
        placed = [replace(self._new(str(text)), on=bool(on)) for text, on in settings]
        self._use(placed[:MOST_FILTERS])
        self.changed = True

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """Copy the memory of the filters that are on."""
        return self.chain.save()

    def restore(self, saved: Mapping[str, npt.NDArray[Any]]) -> None:
        """Restore the memory of the same filters."""
        self.chain.restore(saved)
