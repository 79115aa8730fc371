"""Structural types of the networks and sources that a service uses.

They are `spikewire.Network`, and the sources of `spikewire.sensors`; anything of the same shape
will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spikewire.qcore import Calibration, LayerView, SpikeProbe

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a blocking call in another thread, and awaits its result."""


class Steps(Protocol):
    """Results of one call of `advance`: a row for each result tick with activity."""

    @property
    def tick(self) -> npt.NDArray[np.int64]: ...
    @property
    def scores(self) -> npt.NDArray[np.int32]: ...
    @property
    def spikes(self) -> npt.NDArray[np.int64]: ...
    @property
    def fired(self) -> Sequence[npt.NDArray[np.int8]]: ...


class Spec(Protocol):
    """The part of a network's specification that a service uses."""

    @property
    def result_every(self) -> int: ...
    @property
    def layers(self) -> Sequence[Any]: ...
    @property
    def learning(self) -> Any: ...


class NetworkLike(Protocol):
    """An integer spiking network, owned by one task."""

    calibration: Calibration
    layers_learn: bool

    @property
    def spec(self) -> Spec: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def input_size(self) -> tuple[int, int]: ...
    @property
    def tick_us(self) -> int: ...
    @property
    def tick(self) -> int: ...
    @property
    def at_rest(self) -> bool: ...
    @property
    def updates(self) -> int: ...
    @property
    def synaptic_ops(self) -> int: ...

    def advance(
        self,
        events: Any,
        until: int,
        /,
        *,
        label: int = -1,
        learn: bool = False,
        probe: SpikeProbe | None = None,
    ) -> Steps: ...

    def add_class(self, name: str, /) -> object: ...
    def to_bytes(self) -> bytes: ...
    @property
    def layers(self) -> Sequence[LayerView]: ...
    def read_store(self) -> npt.NDArray[np.int16]: ...
    def snapshot(self) -> Any: ...
    def restore(self, snapshot: Any, /) -> None: ...


class PacketLike(Protocol):
    """Events in time order, with what their source knows about them."""

    @property
    def events(self) -> npt.NDArray[np.void]: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def watermark(self) -> int: ...
    @property
    def arrived_ns(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def label(self) -> str | None: ...
    @property
    def last(self) -> bool: ...


class SourceLike(Protocol):
    """A source of packets."""

    @property
    def name(self) -> str: ...
    @property
    def live(self) -> bool: ...
    @property
    def counters(self) -> Mapping[str, int]: ...

    async def run(self, deliver: Callable[[Any], Awaitable[None]]) -> None: ...


class PlaysOnRequest(Protocol):
    """A source that plays excerpts when asked."""

    async def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
    ) -> Any: ...


class Recorder(Protocol):
    """Records the network's input; called between batches, in a worker thread."""

    @property
    def path(self) -> Path: ...

    def note(self, size: tuple[int, int], piece: RecordedPiece, /) -> None:
        """Take events that were computed."""

    def end(self, end_us: int, /) -> None:
        """End the segment, which lasted until ``end_us``."""

    def close(self) -> Path:
        """End the recording; returns the file that describes it."""


class Seekable(Protocol):
    """A source whose replay can be controlled."""

    @property
    def replay(self) -> Mapping[str, Any] | None:
        """State as in the protocol (file, paused, loop, speed, ...); None: not for now."""

    async def control(self, **changes: Any) -> None:
        """Change ``paused``, ``position_us``, ``speed`` or ``loop``."""


class FiltersLive(Protocol):
    """A source with filters that can be changed while it runs."""

    @property
    def filters(self) -> list[dict[str, Any]]:
        """State as in the protocol: number, filter, on, removed, size, hot of each."""

    async def change_filters(self, **changes: Any) -> None:
        """Make one (``add``), or change the one of a ``number``: ``to``, ``on``, ``remove``."""


class Chooses(Protocol):
    """A source with recordings that can be shown in its place."""

    @property
    def recordings(self) -> list[str]:
        """Their names."""

    @property
    def shown(self) -> str | None:
        """Which one is shown; None: the source."""

    @property
    def fault(self) -> str | None:
        """Why the last one ended early."""

    async def show(self, name: str | None) -> None:
        """Show this one; None: the source."""

    async def receive(self, name: str, size: int, at: int, data: bytes, most: int) -> int:
        """Take a piece of a new one; returns how many of its bytes are here."""


class Directed(Protocol):
    """A simulated source whose person can be told what to do."""

    @property
    def sim(self) -> Mapping[str, Any]:
        """State as in the protocol: gesture, hold, person, distance, light, gestures."""

    async def direct(self, **changes: Any) -> None:
        """Change ``gesture``, ``hold``, ``person``, ``distance`` or ``light``."""


@dataclass(frozen=True, slots=True)
class RecordedPiece:
    """Ticks that were computed in one go.

    Attributes
    ----------
    t, x, y, p
        Events, as columns.
    start_us, stop_us
        The stretch of event time: [start, stop).
    label
        What it was learned as, or would have been; None without a label.
    learning
        Whether learning was on.
    """

    t: npt.NDArray[np.int64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    p: npt.NDArray[np.uint8]
    start_us: int
    stop_us: int
    label: str | None
    learning: bool
