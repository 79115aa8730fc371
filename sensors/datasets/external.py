"""Data sets of other libraries: any sequence of (events, target), as Tonic's are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spikewire.sensors.datasets.dataset import Dataset, Sample
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import in_order
from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events, check_events
from spikewire.sensors.formats.numpy_arrays import fields_of, to_events
from spikewire.sensors.recordings.labels import check_name


def _stored_targets(source: Any) -> Sequence[Any] | None:
    """Return the targets that a data set of Tonic holds in a list, so that no events are read."""
    targets = getattr(source, "targets", None)
    changed = any(
        getattr(source, name, None) is not None for name in ("target_transform", "transforms")
    )
    if changed or not isinstance(targets, list) or len(targets) != len(source):
        return None
    return targets


class Shaped(Protocol):
    """Interface of such a data set; ``sensor_size`` and ``classes`` are optional."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        """A structured array of events, and its class: a number or a name."""


class SequenceDataset(Dataset):
    """Samples that another library loads; made by :func:`wrap_dataset`."""

    def __init__(
        self,
        source: Shaped,
        classes: tuple[str, ...],
        samples: tuple[Sample, ...],
        size: tuple[int, int],
        unit: str | None,
    ) -> None:
        super().__init__(Path(type(source).__name__), "sequence", classes, samples, size)
        self._source = source
        self._unit = unit

    def load(self, sample: Sample) -> Events:
        """Read the events of a sample; their times count from its first event (microseconds).

        Raises
        ------
        SensorError
            If they have no t, x, y and p, or break a rule of the sensor.
        """
        index = int(sample.path.name)
        raw = np.asarray(self._source[index][0])
        events = check_events(to_events(fields_of(sample.path, raw), self._unit), self.size)
        if not len(events):
            raise SensorError(f"{sample.path} holds no events.")
        events = events.copy()
        events["t"] -= events["t"][0]
        return events


def wrap_dataset(
    source: Shaped,
    *,
    classes: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    unit: str | None = None,
) -> Dataset:
    """Use a data set of another library: anything with a length and ``[n] -> (events, target)``.

    Events are structured arrays whose fields are taken by name, in any order. All targets are read
    once, to know the classes' samples; those of Tonic without reading events.

    Parameters
    ----------
    source
        The data set, such as one of Tonic's.
    classes
        Names of the classes, by their targets' numbers; None takes ``source.classes`` if there
        are, else the targets as text.
    size
        (width, height); None takes ``source.sensor_size``.
    unit
        Unit of the times: s, ms, us or ns; None takes whole numbers for microseconds and others
        for seconds.

    Raises
    ------
    SensorError
        If it is empty, tells no sensor size, or a target has no name.
    """
    sized = size if size is not None else getattr(source, "sensor_size", None)
    if sized is None:
        raise SensorError("The data set does not say its sensor's size: give size=(width, height).")
    width, height = int(sized[0]), int(sized[1])
    known = classes if classes is not None else getattr(source, "classes", None)
    if classes is None and type(source).__name__ == "DVSGesture" and len(known or ()) == 11:
        known = GESTURES  # Tonic has other words for the same classes
    names: list[str] | None = None
    if known is not None:
        # "0 - zero" and the like are names, too.
        names = [str(name) for name in known]
        for name in names:
            check_name(name, "The name of a class of the data set")
    samples = []
    title = type(source).__name__
    targets = _stored_targets(source)
    for index in range(len(source)):
        target = source[index][1] if targets is None else targets[index]
        name = str(target)
        if names is not None and name not in names:
            number = int(target) if isinstance(target, int | np.integer) else -1
            if not 0 <= number < len(names):
                raise SensorError(
                    f"Sample {index} of {title} has the target {name!r}, which is none of "
                    f"{', '.join(names)}."
                )
            name = names[number]
        samples.append(Sample(Path(title) / f"{index:08}", name))
    if not samples:
        raise SensorError(f"The data set {title} is empty.")
    order = tuple(names) if names is not None else in_order({sample.label for sample in samples})
    rank = {name: n for n, name in enumerate(order)}
    samples.sort(key=lambda sample: (rank[sample.label], sample.path.name))
    return SequenceDataset(source, order, tuple(samples), (width, height), unit)
