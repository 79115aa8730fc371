"""One point of a sweep: one network, trained once. It runs in any process, on any machine.

A point depends on nothing but its arguments, which are plain data, and on the recordings; so a
point that is lost with its process can be computed again, anywhere, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cluster.fingerprint import source
from spikewire.apps.training import resume as resume_file
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.evaluation import local_accuracies
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan
from spikewire.qcore import Network, NetworkSpec, paper_bits

if TYPE_CHECKING:
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
    binned = BinnedDataset(opened, network.spec, show_us)
    for sample in (*learn, *validate):
        binned.events(sample)  # damage is told before hours of work
    trainer = Trainer(network, binned, learn, validate, TrainingPlan(passes, batch, seed, shift))

    def after_portion(progress: Progress) -> None:
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

    trainer.run(Progress(), after_portion=after_portion, after_pass=note)
    curve[-1]["local"] = local_accuracies(network, binned, validate, batch)
    return {"bits": count.bits, "bits_32": count.bits_32, "curve": curve}


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
    return learn, validate, resume_file.digest(learn, validate)


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
