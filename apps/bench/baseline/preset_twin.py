"""The float baseline in the shape of a preset, on the recordings of a binned data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spikewire.apps.bench.baseline.data import Recordings
from spikewire.apps.bench.baseline.decolle import Conv, FloatBaseline
from spikewire.apps.bench.baseline.learning import Rule
from spikewire.apps.bench.baseline.training import BaselinePlan, Session, evaluate, fit
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.trainer import TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec
    from spikewire.sensors import Sample

RATE, EVERY = 1e-2, 5
"""Rate of the weights and ticks between two updates, as `spikewire bench twin` has them."""


def twin_layers(spec: NetworkSpec) -> list[Conv]:
    """Return the convolutions of a preset.

    Raises
    ------
    CommandError
        If one of its layers is no convolution that is pooled to spikes.
    """
    for number, layer in enumerate(spec.layers, 1):
        if layer.kind != "conv" or layer.pool_kind != "or":
            raise CommandError(
                f"layer {number} of {spec.name} has no twin in floating point, which consists of "
                "convolutions that are pooled to spikes"
            )
    return [
        Conv(layer.channels, layer.kernel, layer.stride, layer.pad, layer.pool)
        for layer in spec.layers
    ]


def twin_rule(spec: NetworkSpec, rate: float = RATE, every: int | None = None) -> Rule:
    """Return the float rule of a network's twin.

    A network on traces has the dynamics of the baseline. Its twin makes its choices: decays,
    burn-in, cadence, gradients to a step, the feedback's matrix, the surrogate, whether biases are
    learned, what a gradient is divided by, and whether the last local readout reads activations.
    Widths and regulation have no counterpart. Any other network has the baseline's own constants,
    with which that is strongest.

    Parameters
    ----------
    spec
        The network. Constants are those of its last layer, where layers differ.
    rate
        Largest step of a weight, relative to the RMS of its layer's.
    every
        Ticks between two gradients, if not the network's (on traces) or 5.
    """
    learn, last = spec.learning, spec.layers[-1]
    if not last.traced:
        return Rule(rate=rate, every=EVERY if every is None else every)
    own = Rule()
    sigmoid = learn.surrogate == "sigmoid"
    return Rule(
        alpha=_kept(last.decay_v, own.alpha),
        beta=_kept(last.decay_u, own.beta),
        refractory=last.refractory_keep / 4096 if last.reset == "refractory" else 0.0,
        burn_in=learn.burn_in,
        every=learn.cadence if every is None else every,
        gather=max(learn.apply_every, 1) if every is None else 1,
        rate=rate,
        normalise="layer" if learn.gradient_scale == "tensor" else "weight",
        bias_rate=float(learn.learn_biases),
        last="sigmoid" if sigmoid and spec.readout.answer == "local" else "spikes",
        surrogate="sigmoid" if sigmoid else "boxcar",
        feedback="concordant" if learn.feedback == "concordant" else "transpose",
    )


def _kept(decay: int | Sequence[int], otherwise: float) -> float:
    """Return what a tick leaves of a trace; ``otherwise`` where channels differ, or none decays."""
    return 1 - decay / 4096 if isinstance(decay, int) and 0 < decay < 4096 else otherwise


def dense_recordings(
    binned: BinnedDataset, samples: Sequence[Sample], classes: Sequence[str]
) -> Recordings:
    """Collect binned recordings for the float baseline.

    Parameters
    ----------
    binned
        The data set.
    samples
        Recordings of it.
    classes
        Names of the classes, by number.
    """
    spec = binned.spec
    spikes = []
    for sample in samples:
        events = binned.events(sample)
        p = events.p if spec.polarities > 1 else np.zeros_like(events.p)
        columns = np.stack([events.tick, p, events.y, events.x], axis=1)
        spikes.append(np.unique(columns, axis=0).astype(np.int32))
    labels = np.array([classes.index(sample.label) for sample in samples], np.int64)
    plane = (spec.polarities, spec.height, spec.width)
    return Recordings(tuple(spikes), labels, plane, binned.ticks)


def train_twin(
    spec: NetworkSpec,
    train: Recordings,
    test: Recordings,
    classes: int,
    plan: TrainingPlan,
    after_pass: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Train the float twin of a network, and evaluate it once, at the end.

    Parameters
    ----------
    spec
        The network.
    train, test
        The recordings.
    classes
        Number of classes.
    plan
        Passes, portions, shifts and seed, as for the network itself.
    after_pass
        Called with the record of each pass.

    Returns
    -------
    dict
        ``accuracy`` of the last layer's fixed readout, ``readouts`` with that of each, and
        ``activity``.
    """
    torch.set_flush_denormal(True)
    layers = twin_layers(spec)
    shape = (spec.polarities, spec.height, spec.width)
    with torch.no_grad():
        rule = twin_rule(spec)
        session = Session(FloatBaseline(layers, shape, classes, rule, plan.seed))
        schedule = BaselinePlan(plan.passes, plan.batch, plan.seed, plan.shift, "cosine")
        fit(session, train, None, schedule, after_pass)
        reached = evaluate(session, test, plan.batch)
    readouts = {name: round(share, 4) for name, share in reached["accuracy"].items()}
    return {
        "accuracy": readouts[f"layer{len(layers)}"],
        "readouts": readouts,
        "activity": reached["activity"],
    }
