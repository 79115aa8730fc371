"""Trial of a sweep: one network, trained once, in any process on any machine.

A trial depends on nothing but its settings, which are plain data, and on the recordings. A trial
that is lost with its process can be computed again, anywhere, with the same result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cluster.fingerprint import check_fingerprint
from spikewire.apps.cluster.worker import Worker
from spikewire.apps.training.binned_dataset import (
    BinnedDataset,
    choose,
    read_dataset,
    refuse_unseen,
)
from spikewire.apps.training.resume import data_digest
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan
from spikewire.qcore import Network, NetworkSpec, paper_bits

if TYPE_CHECKING:
    from spikewire.sensors import Dataset, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """Everything that determines the result of a trial, as plain data.

    Attributes
    ----------
    spec
        The network, as ``NetworkSpec.to_dict`` gives it.
    dataset
        The folder of recordings, as seen from the process of the trial.
    seed, passes, batch, shift
        As for ``spikewire train``.
    show_us
        Duration shown of each recording, in microseconds.
    recordings
        Number of recordings to learn from; None for the whole training part.
    each_pass
        Whether each pass is evaluated, and not only the last one.
    data
        Digest of the recordings, as :func:`trial_data` returns it.
    version
        Fingerprint of :func:`run_trial`.
    reading
        Size, columns and unit of the recordings as given, where their files do not tell them.
    """

    spec: Mapping[str, Any]
    dataset: str
    seed: int
    passes: int
    batch: int
    shift: int
    show_us: int
    recordings: int | None
    each_pass: bool
    data: str
    version: str
    reading: Mapping[str, Any] | None = None


def run_trial(settings: Mapping[str, Any], worker: Worker) -> dict[str, Any]:
    """Train one new network and evaluate it after each pass.

    Parameters
    ----------
    settings
        The fields of :class:`TrialSettings`.
    worker
        Told about each pass; asked after each portion whether the result is still wanted.

    Returns
    -------
    dict
        Plain data: ``bits`` and ``bits_32`` of memory, and ``curve``, one record per pass with
        ``accuracy``, ``local`` (accuracies of the layers' own readouts),
        ``activity`` and ``seconds``.

    Raises
    ------
    CommandError
        If the program or the recordings here are not those of the sweep.
    sensors.SensorError
        If a recording is damaged; the message names it.
    LostError
        If the result is not wanted any more.
    """
    check_fingerprint(run_trial, settings["version"], "sweep")
    trial = TrialSettings(**settings)
    opened = read_dataset(trial.dataset, trial.reading or {})
    learn, validate, data = trial_data(opened, trial.recordings, trial.reading)
    if data != trial.data:
        raise CommandError(
            f"{trial.dataset} holds other recordings for a worker than for the sweep"
        )
    network = Network.build(NetworkSpec.from_dict(trial.spec), opened.classes, trial.seed)
    memory = paper_bits(network)
    binned = BinnedDataset(opened, network.spec, trial.show_us)
    # Damage is found before hours of work.
    events = sum(len(binned.events(sample)) for sample in (*learn, *validate))
    refuse_unseen(binned, len(learn) + len(validate), events)
    plan = TrainingPlan.best(network.spec, trial.passes, trial.batch, trial.shift, trial.seed)
    curve: list[dict[str, Any]] = []

    def after_pass(record: Mapping[str, Any]) -> None:
        curve.append({
            "accuracy": record["accuracy"],
            "local": record["local"],
            "activity": record["activity"],
            "seconds": round(record["learn_s"] + record["validate_s"], 2),
        })  # fmt: skip
        worker.after_pass(len(curve))

    Trainer(network, binned, learn, validate, plan, trial.each_pass).run(
        Progress(), after_portion=lambda progress: worker.check_wanted(), after_pass=after_pass
    )
    return {"bits": memory.bits, "bits_32": memory.bits_32, "curve": curve}


def trial_data(
    dataset: Dataset, recordings: int | None, reading: Mapping[str, Any] | None = None
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], str]:
    """Cut a data set for trials.

    Parameters
    ----------
    dataset
        The recordings.
    recordings
        Number of recordings to learn from; None for the whole training part.
    reading
        Size, columns and unit as given; a part of the digest if any is.

    Returns
    -------
    tuple
        The training part, the validation part, and a digest of both.

    Raises
    ------
    CommandError
        If the data set has too few recordings.
    """
    learn, validate = choose(dataset, "train"), choose(dataset, "validation")
    if recordings is not None:
        learn = stratified(learn, recordings)
    digest = data_digest(learn, validate)
    if reading:
        text = json.dumps([digest, sorted(reading.items())])
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return learn, validate, digest


def stratified(samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """Take the first recordings of each class, ``count`` in all, each class in proportion.

    Fractions are rounded by largest remainder, ties to the class that comes first. The order stays.

    Raises
    ------
    CommandError
        If there are fewer recordings, or if a class would have none.
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
