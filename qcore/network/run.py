"""Runs over event arrays: checked events in, results as arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_views import layer_views
from spikewire.qcore.network.results import RunResult, Steps
from spikewire.qcore.network.spike_probe import SpikeProbe

CHUNK_TICKS = 512
"""Ticks computed in one call; results do not depend on it."""


def event_columns(
    events: npt.NDArray[Any], size: tuple[int, int], channels: int = 2
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.uint8]
]:
    """Check an event array, and split it into contiguous columns.

    Parameters
    ----------
    events
        Structured array[n] with the integer fields ``t`` (microseconds, not falling), ``x``, ``y``
        (pixels) and ``p`` (1 for on, 0 for off; also bool), in any width, byte order and memory
        layout. Further fields are ignored.
    size
        (width, height) of the sensor in pixels.
    channels
        Number of polarities: with more than two ``p`` is a channel.

    Returns
    -------
    tuple
        ``t`` int64[n], ``x`` and ``y`` uint16[n], ``p`` uint8[n].

    Raises
    ------
    ModelError
        If a field is missing or holds no integers, an event lies outside the sensor, a polarity is
        another, or times fall.
    """
    names = getattr(getattr(events, "dtype", None), "names", None) or ()
    if missing := [name for name in "txyp" if name not in names]:
        raise ModelError(
            f"Events are a structured array with the fields t, x, y and p; {missing[0]} is missing."
        )
    if events.ndim != 1:
        raise ModelError(f"Events are an array of one dimension, not of {events.ndim}.")
    width, height = size
    if not (1 <= width <= 65536 and 1 <= height <= 65536):
        raise ModelError(f"A sensor has 1 to 65536 columns and rows, not {width}x{height}.")
    t = _whole(events, "t", -(2**62), 2**62, "a time in microseconds")
    x = _whole(events, "x", 0, width - 1, f"a column of the sensor's {width}x{height} pixels")
    y = _whole(events, "y", 0, height - 1, f"a row of the sensor's {width}x{height} pixels")
    noun = "a polarity (1 for on, 0 for off)" if channels == 2 else f"one of {channels} channels"
    p = _whole(events, "p", 0, channels - 1, noun)
    fallen = np.flatnonzero(t[1:] < t[:-1])
    if fallen.size:
        n = int(fallen[0]) + 1
        raise ModelError(
            f"Event {n} has the time {t[n]} us, before event {n - 1} at {t[n - 1]} us: events "
            "must be sorted by time."
        )
    return t, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8)


def _whole(
    events: npt.NDArray[Any], name: str, low: int, high: int, noun: str
) -> npt.NDArray[np.int64]:
    """Convert a field to int64[n], and refuse values outside ``low`` to ``high``."""
    column = events[name]
    if column.dtype.kind not in "iub" or column.ndim != 1:
        raise ModelError(f"The events' field {name} holds {column.dtype}, not whole numbers.")
    if column.size:
        outside = np.flatnonzero((column < low) | (column > high))
        if outside.size:
            n = int(outside[0])
            raise ModelError(f"Event {n} has {name} = {column[n]}, which is not {noun}.")
    return np.ascontiguousarray(column, np.int64)


class Recorder:
    """Collects results, spikes and membranes of a run, chunk by chunk.

    Parameters
    ----------
    state
        The network's state.
    spikes, membranes
        Numbers of the layers to record.

    Raises
    ------
    ModelError
        If a layer does not exist.
    """

    def __init__(self, state: State, spikes: Sequence[int], membranes: Sequence[int]) -> None:
        self._layers = layer_views(state)
        for n in (*spikes, *membranes):
            if not 0 <= n < len(self._layers):
                raise ModelError(
                    f"There is no layer {n} to record; layers are 0 to {len(self._layers) - 1}."
                )
        self._state = state
        self._steps: list[Steps] = []
        self._spikes: dict[int, list[npt.NDArray[np.int8]]] = {n: [] for n in spikes}
        self._membranes: dict[int, list[npt.NDArray[np.int32]]] = {n: [] for n in membranes}
        self._ops = self._synaptic_ops().copy()
        units = tuple(
            np.arange(int(np.prod(layer.units)) if layer.index in self._spikes else 0)
            for layer in self._layers
        )
        self.probe = SpikeProbe(units, CHUNK_TICKS) if self._spikes else None

    def _synaptic_ops(self) -> npt.NDArray[np.int64]:
        return self._state.layers[:, at.SYNAPTIC_OPERATIONS]

    def chunks(self, events: BinnedEvents, first: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Cut ticks ``first`` to ``end`` (exclusive) into calls of :meth:`Network.advance`.

        Yields
        ------
        tuple
            The first and the last event (exclusive) of a call, and the tick after it.
        """
        # Membranes can be read between calls only.
        most = 1 if self._membranes else CHUNK_TICKS
        start, now = 0, first
        while now < end:
            until = min(now + most, end)
            if self.probe is None and not self._membranes and start < len(events):
                # One call skips a pause, however long it is.
                until = min(max(until, int(events.tick[start])), end)
            stop = start + int(np.searchsorted(events.tick[start:], until))
            yield start, stop, until
            start, now = stop, until

    def take(self, steps: Steps) -> None:
        """Take the results of a call."""
        self._steps.append(steps)
        for n, spikes in self._spikes.items():
            spikes.append(steps.fired[n].copy())
        for n, membranes in self._membranes.items():
            membranes.append(self._layers[n].membrane.reshape(1, -1).copy())

    def result(
        self, classes: tuple[str, ...], first: int, start_us: int, tick_us: int
    ) -> RunResult:
        """Join all calls' results; tick ``first`` begins at the event time ``start_us``."""
        tick = _join([steps.tick for steps in self._steps], (0,), np.int64)
        scores = _join([steps.scores for steps in self._steps], (0, len(classes)), np.int32)
        counts = _join([steps.spikes for steps in self._steps], (0, len(self._layers)), np.int64)
        # As in a service: equal scores name no class, and a single class has to be above 0.
        least = scores.min(1) if len(classes) > 1 else 0
        winners = np.where(scores.max(1) > least, scores.argmax(1), -1)
        return RunResult(
            time_us=start_us + (tick + 1 - first) * tick_us,
            tick=tick,
            scores=scores,
            winners=winners,
            classes=classes,
            spike_counts=counts,
            synaptic_ops=self._synaptic_ops() - self._ops,
            first_tick=first,
            start_us=start_us,
            spikes={
                n: _join(parts, (0, int(np.prod(self._layers[n].units))), np.int8)
                for n, parts in self._spikes.items()
            },
            membranes={
                n: _join(parts, (0, int(np.prod(self._layers[n].neurons))), np.int32)
                for n, parts in self._membranes.items()
            },
        )


def _join(
    parts: Sequence[npt.NDArray[Any]], empty: tuple[int, ...], dtype: Any
) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, dtype)
