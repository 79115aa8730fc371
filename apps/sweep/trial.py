"""One point of a sweep: one network, trained once. It runs in any process, on any machine.

A point depends on nothing but its arguments, which are plain data, and on the recordings; so a
point that is lost with its process can be computed again, anywhere, with the same result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cluster.fingerprint import source
from spikewire.apps.training import resume as unfinished
from spikewire.apps.training.binned_dataset import Shows, answers, choose, judge
from spikewire.apps.training.trainer import Plan, Position, Training
from spikewire.qcore import Batch, BatchResult, Network, NetworkSpec, paper_bits

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents
    from spikewire.sensors import Dataset, Sample


class LostError(Exception):
    """Nobody waits for this point any more."""


def measure(
    spec: Mapping[str, Any],
    dataset: str,
    seed: int,
    passes: int,
    *,
    batch: int,
    shift: int,
    show_us: int,
    recordings: int | None,
    data: str,
    version: str,
    after_pass: Callable[[int], None],
    wanted: Callable[[], bool],
) -> dict[str, Any]:
    """Train one network from nothing and judge it after each pass.

    Parameters
    ----------
    spec
        The network, as ``NetworkSpec.to_dict`` gives it.
    dataset
        The folder of recordings, as seen from the process that this runs in.
    seed, passes, batch, shift
        As for ``spikewire train``.
    show_us
        How long each recording is shown, in microseconds.
    recordings
        Learn from so many only; None for the whole part that is learned.
    data, version
        What :func:`parts` and :func:`source` must say here as well.
    after_pass
        Called with the number of passes done.
    wanted
        Asked after each portion whether anybody waits for the result.

    Returns
    -------
    dict
        Plain data: ``bits`` and ``bits_32`` of memory by the ledger, and ``curve``, one record per
        pass with ``accuracy``, ``local`` (only in the last; see :func:`local_accuracies`),
        ``activity`` and ``seconds``.

    Raises
    ------
    CommandError
        If the program or the recordings here are not those the sweep was begun with.
    sensors.SensorError
        If a recording is damaged; the message names it.
    LostError
        If nobody waits any more.
    """
    from spikewire.sensors import open_dataset

    if source() != version:
        raise CommandError(
            f"a worker runs spikewire {source()}, but the sweep was begun with {version}"
        )
    opened = open_dataset(dataset)
    learn, validate, found = parts(opened, recordings)
    if found != data:
        raise CommandError(f"{dataset} holds other recordings for a worker than for the sweep")
    network = Network.build(NetworkSpec.from_dict(spec), opened.classes, seed)
    count = paper_bits(network)
    shows = Shows(opened, network.spec, show_us)
    for sample in (*learn, *validate):
        shows.binned(sample)  # damage is told before hours of work
    training = Training(network, shows, learn, validate, Plan(passes, batch, seed, shift))

    def after_portion(position: Position) -> None:
        if not wanted():
            raise LostError

    curve: list[dict[str, Any]] = []

    def note(record: Mapping[str, Any]) -> None:
        curve.append({
            "accuracy": record["accuracy"],
            "local": None,
            "activity": record["activity"],
            "seconds": round(record["learn_s"] + record["validate_s"], 2),
        })  # fmt: skip
        after_pass(len(curve))

    training.run(Position(), after_portion=after_portion, after_pass=note)
    curve[-1]["local"] = local_accuracies(network, shows, validate, batch)
    return {"bits": count.bits, "bits_32": count.bits_32, "curve": curve}


def local_accuracies(
    network: Network, shows: Shows, samples: Sequence[Sample], size: int
) -> list[float | None]:
    """Share of right answers of each layer's fixed local readout; None for layers without one."""
    listening = _Listening(network, min(size, len(samples)))
    judge(listening, shows, samples)
    truth = np.array([network.classes.index(sample.label) for sample in samples])
    found: list[float | None] = []
    for n in range(len(network.spec.layers)):
        layer = [dataclasses.replace(shown, scores=shown.local[n]) for shown in listening.heard]
        if not any(shown.scores.any() for shown in layer):
            found.append(None)
            continue
        answered = np.concatenate([answers(shown) for shown in layer])
        found.append(round(float((answered == truth).mean()), 4))
    return found


class _Listening(Batch):
    """A batch that keeps what it has shown."""

    def __init__(self, network: Network, size: int) -> None:
        super().__init__(network, size)
        self.heard: list[BatchResult] = []

    def show(
        self,
        samples: Sequence[BinnedEvents],
        labels: Sequence[int] | None,
        ticks: int,
        *,
        learn: bool = False,
        regulate: bool = False,
    ) -> BatchResult:
        shown = super().show(samples, labels, ticks, learn=learn, regulate=regulate)
        self.heard.append(shown)
        return shown


def parts(
    dataset: Dataset, recordings: int | None
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], str]:
    """What is learned, what judges, and a short name for both.

    Raises
    ------
    CommandError
        If there are too few recordings for what is asked.
    """
    learn, validate = choose(dataset, "train"), choose(dataset, "validation")
    if recordings is not None:
        learn = stratified(learn, recordings)
    return learn, validate, unfinished.digest(learn, validate)


def stratified(samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """The first recordings of each class, ``count`` in all, each class in proportion.

    Parts of a recording go to the classes with the largest remainder, ties to the class that comes
    first. The order stays.

    Raises
    ------
    CommandError
        If there are not so many, or so few are asked for that a class has none.
    """
    of_class: dict[str, int] = {}
    for sample in samples:
        of_class[sample.label] = of_class.get(sample.label, 0) + 1
    total = len(samples)
    if count > total:
        raise CommandError(f"--recordings {count}: there are only {total} recordings to learn")
    left = {label: count * number // total for label, number in of_class.items()}
    by_remainder = sorted(of_class, key=lambda label: -(count * of_class[label] % total))
    for label in by_remainder[: count - sum(left.values())]:
        left[label] += 1
    for label, number in left.items():
        if not number:
            raise CommandError(f"--recordings {count} leaves none of class {label}; give more")
    taken = []
    for sample in samples:
        if left[sample.label]:
            left[sample.label] -= 1
            taken.append(sample)
    return tuple(taken)
