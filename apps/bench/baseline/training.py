"""Training and evaluation of the float baseline, with all its readouts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewire.apps.bench.baseline.data import Recordings
from spikewire.apps.bench.baseline.decolle import FloatBaseline, Layer
from spikewire.apps.bench.baseline.learning import Adamax, Rule
from spikewire.apps.training.split import epoch_order, epoch_shifts

_CALIBRATION_TICKS = 150


@dataclass(frozen=True, slots=True)
class BaselinePlan:
    """Length of a training, its portions, and the schedule of its rate."""

    passes: int = 20
    batch: int = 50
    seed: int = 0
    shift: int = 0
    schedule: str = "constant"

    def scale(self, done: float) -> float:
        """Return the factor on the rates after the fraction ``done`` of all passes."""
        if self.schedule == "cosine":
            return max(0.5 * (1 + math.cos(math.pi * done)), 0.01)
        return 1.0


class Probe:
    """A readout that is trained, by cross-entropy, on a layer's spikes through a slow trace.

    It stands beside the layer: nothing flows back from it.
    """

    def __init__(self, layer: Layer, classes: int, rule: Rule) -> None:
        self._layer = layer
        self.weight = torch.zeros(classes, layer.neurons)
        self.bias = torch.zeros(classes, 1)
        self._steps = [
            Adamax(value, rule.probe_rate, (0.9, 0.999)) for value in (self.weight, self.bias)
        ]
        self.start(1)

    def start(self, batch: int) -> None:
        """Bring the trace of ``batch`` samples to rest."""
        self._trace = torch.zeros(self._layer.neurons, batch)

    def forward(self) -> None:
        """Let the trace follow the layer's last spikes."""
        spikes = self._layer.spikes.reshape(self._layer.neurons, -1)
        self._trace.mul_(0.97).add_(spikes, alpha=0.03)

    def read(self) -> Tensor:
        """Compute the scores [class, sample]."""
        return torch.addmm(self.bias, self.weight, self._trace)

    def learn(self, target: Tensor, scale: float) -> None:
        """Take one step towards the one-hot ``target`` [class, sample]."""
        error = (torch.softmax(self.read(), 0) - target) / target.shape[1]
        self._steps[0].step(error @ self._trace.t(), scale)
        self._steps[1].step(error.sum(1, keepdim=True), scale)


class Session:
    """A float baseline with its trained readouts."""

    def __init__(self, network: FloatBaseline) -> None:
        self.network, self.rule = network, network.rule
        self.probes = [Probe(layer, network.classes, network.rule) for layer in network.layers]

    def run(
        self, planes: Tensor, labels: Tensor, scale: float = 1.0, learn: bool = False
    ) -> tuple[dict[str, Tensor], list[float]]:
        """Compute one batch of recordings, and learn from it if ``learn``.

        Returns
        -------
        tuple
            Scores [class, sample] by the name of the readout, summed over the ticks after the
            burn-in: ``layer1`` ... (fixed local readouts), ``votes`` (ticks that the last one
            won), ``layers`` (all added up), ``trained1`` ... (trained readouts). And each
            layer's activity: the share of its neurons that fire in a tick.
        """
        network, rule, classes = self.network, self.rule, self.network.classes
        batch = planes.shape[-1]
        target = torch.nn.functional.one_hot(labels, classes).t().to(torch.float32)
        depth = len(network.layers)
        fixed = [torch.zeros(classes, batch) for _ in range(depth)]
        trained = [torch.zeros(classes, batch) for _ in range(depth)]
        votes = torch.zeros(classes, batch)
        fired = [0.0] * depth
        network.start(batch)
        for probe in self.probes:
            probe.start(batch)
        for tick, plane in enumerate(planes):
            network.forward(plane)
            for probe in self.probes:
                probe.forward()
            since = tick - rule.burn_in
            if since < 0:
                continue
            teach = learn and (since + 1) % rule.every == 0
            apply = (since + 1) % (rule.every * rule.gather) == 0
            reads = [layer.read(drop=teach) for layer in network.layers]
            for total, read in zip(fixed, reads, strict=True):
                total += read
            votes.scatter_add_(0, reads[-1].argmax(0, keepdim=True), torch.ones(1, batch))
            for n, layer in enumerate(network.layers):
                fired[n] += float(layer.spikes.mean())
            if teach:
                network.learn(reads, target, apply=apply, scale=scale)
            if (since + 1) % rule.probe_every == 0:
                for total, probe in zip(trained, self.probes, strict=True):
                    total += probe.read()
                    if learn:
                        probe.learn(target, scale)
        scores = {f"layer{n + 1}": total for n, total in enumerate(fixed)}
        scores["layers"] = torch.stack(fixed).sum(0)
        scores["votes"] = votes
        scores |= {f"trained{n + 1}": total for n, total in enumerate(trained)}
        ticks = max(len(planes) - rule.burn_in, 1)
        return scores, [value / ticks for value in fired]


def evaluate(session: Session, data: Recordings, batch: int = 50) -> dict[str, Any]:
    """Compute the accuracy of every readout over all recordings, and each layer's activity."""
    correct: dict[str, int] = {}
    fired = np.zeros(len(session.network.layers))
    for chosen in _portions(np.arange(len(data)), batch):
        planes, labels = data.dense(chosen)
        scores, active = session.run(planes, labels)
        _count(correct, scores, labels)
        fired += np.array(active) * len(chosen)
    return {
        "accuracy": {name: count / len(data) for name, count in correct.items()},
        "activity": [round(float(value), 4) for value in fired / len(data)],
    }


def fit(
    session: Session,
    train: Recordings,
    validation: Recordings | None,
    plan: BaselinePlan,
    after_pass: Callable[[dict[str, Any]], None],
) -> list[dict[str, Any]]:
    """Train for the plan's passes, and evaluate after each if there is a validation part.

    ``after_pass`` gets the record of each pass: its number from 1, the accuracy of every readout on
    the validation part and (while learning) on the training part, activity, and seconds.
    """
    planes, _ = train.dense(epoch_order(plan.seed, 0, len(train))[: plan.batch])
    session.network.calibrate(planes[:_CALIBRATION_TICKS])
    batches = math.ceil(len(train) / plan.batch)
    records = []
    for number in range(plan.passes):
        began = time.perf_counter()
        correct: dict[str, int] = {}
        shifts = epoch_shifts(plan.seed, number, len(train), plan.shift) if plan.shift else None
        order = epoch_order(plan.seed, number, len(train))
        for n, chosen in enumerate(_portions(order, plan.batch)):
            planes, labels = train.dense(chosen, None if shifts is None else shifts[chosen])
            scale = plan.scale((number + n / batches) / plan.passes)
            scores, _ = session.run(planes, labels, scale, learn=True)
            _count(correct, scores, labels)
        learned = time.perf_counter()
        record = {
            "pass": number + 1,
            "validation": None if validation is None else evaluate(session, validation, plan.batch),
            "training_accuracy": {name: count / len(train) for name, count in correct.items()},
            "train_s": round(learned - began, 2),
            "validate_s": round(time.perf_counter() - learned, 2),
        }
        records.append(record)
        after_pass(record)
    return records


def _portions(order: np.ndarray[Any, Any], size: int) -> Sequence[np.ndarray[Any, Any]]:
    return [order[n : n + size] for n in range(0, len(order), size)]


def _count(correct: dict[str, int], scores: dict[str, Tensor], labels: Tensor) -> None:
    for name, score in scores.items():
        correct[name] = correct.get(name, 0) + int((score.argmax(0) == labels).sum())
