"""The strategy `network`: the network itself learns live, layers and all, as by `teach`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from spikewire.apps.continual.protocol import Rows
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.evaluation import evaluate_batch
from spikewire.apps.training.split import epoch_order

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec
    from spikewire.sensors import Sample

_TOGETHER = 50  # recordings computed side by side, without learning
_MOST_SLOTS, _MOST_REPLAYS = 4096, 64


def slot_bytes(network: Network) -> int:
    """Return the bytes of one remembered example."""
    temporal = network.temporal
    past = 0 if temporal is None else temporal.ring.shape[1] * len(temporal.delays)
    return -(-len(network.features) // 8) + past


def fitted(spec: NetworkSpec, memory: int, classes: int, replays: int, every: int) -> NetworkSpec:
    """Give a network as many remembered examples as fit into some bytes, of all classes together.

    Parameters
    ----------
    spec
        The network.
    memory
        Bytes.
    classes
        Number of all classes.
    replays
        Rehearsals after each lesson of the readout.
    every
        Ticks between two of these lessons.

    Raises
    ------
    ValueError
        If not even one of each class fits.
    """
    from spikewire.qcore import Network

    each = slot_bytes(Network.build(spec, _names(spec, 1)))
    slots = min(memory // (each * classes), _MOST_SLOTS)
    if slots == 0:
        raise ValueError(f"{memory} bytes hold no vector for each of {classes} classes.")
    readout = replace(
        spec.readout, slots=slots, replays=min(replays, _MOST_REPLAYS), every=max(every, 1)
    )
    return replace(spec, readout=readout)


def _names(spec: NetworkSpec, count: int) -> tuple[str, ...]:
    own = spec.layers[-1].channels if spec.readout.answer == "output" else 0
    return tuple(f"class {n}" for n in range(max(count, own)))


def with_new_head(network: Network, spec: NetworkSpec, classes: Sequence[str]) -> Network:
    """Build a network with the layers of another, and a readout that has learned nothing.

    Parameters
    ----------
    network
        Gives weights and thresholds.
    spec
        A specification with the same layers.
    classes
        The first classes.
    """
    from spikewire.qcore import Network

    new = Network.build(spec, classes, network.seed)
    for view, old in zip(new.layers, network.layers, strict=True):
        if old.plastic:
            view.set_store(old.store)
        else:
            view.set_weights(old.weights)
        view.table[...] = old.table
    if new.temporal is not None and network.temporal is not None:
        new.temporal.store[...] = network.temporal.store
        new.temporal.threshold[...] = network.temporal.threshold
    return new


class LiveNetwork:
    """A network that learns task after task, each recording once.

    Parameters
    ----------
    network
        The network, which knows the classes of the first task and has learned nothing of them.
    binned
        The data set.
    """

    def __init__(self, network: Network, binned: BinnedDataset) -> None:
        self.network = network
        self._binned = binned

    @property
    def extra_bytes(self) -> int:
        """Bytes of the rehearsal memory."""
        net = self.network
        return slot_bytes(net) * net.spec.readout.slots * len(net.classes)

    @property
    def readout_bytes(self) -> int:
        """Bytes of the readout's weights, and of class means beside it."""
        temporal, means = self.network.temporal, self.network.prototypes
        hidden = 0 if temporal is None else temporal.read_store.nbytes
        answering = 0 if means is None else sum(a.nbytes for a in means.learned_arrays())
        return self.network.read_store().nbytes + hidden + answering

    def calibrate(self, samples: Sequence[Sample]) -> None:
        """Let thresholds find the target activity on recordings, without labels."""
        from spikewire.qcore import Batch, Network

        batch = Batch(self.network, min(_TOGETHER, len(samples)))
        for at in range(0, len(samples), batch.size):
            portion = [self._binned.events(sample) for sample in samples[at : at + batch.size]]
            batch.show(portion, None, self._binned.ticks, regulate=True)
        self.network = Network.from_bytes(self.network.to_bytes())

    def learn(self, sample: Sample) -> None:
        """Learn one recording, from rest."""
        from spikewire.qcore import BinnedEvents

        net = self.network
        if sample.label not in net.classes:
            net.add_class(sample.label)
        net.reset_state()
        start, events = net.tick, self._binned.events(sample)
        shown = BinnedEvents(events.tick + start, events.x, events.y, events.p)
        label = net.classes.index(sample.label)
        # All classes have as much experience as they had recordings, as in a training: none is
        # protected from the others, and steps are those of a training.
        net.protects_known = False
        net.advance(shown, start + self._binned.ticks, label=label, learn=True)
        net.protects_known = True

    def accuracy(self, samples: Sequence[Sample]) -> float:
        """Compute the accuracy on recordings, without learning."""
        from spikewire.qcore import Batch, Network

        copy = Network.from_bytes(self.network.to_bytes())
        batch = Batch(copy, min(_TOGETHER, len(samples)))
        return round(evaluate_batch(batch, self._binned, samples).accuracy, 4)


def run_live(
    learner: LiveNetwork,
    learn: Sequence[Sample],
    validate: Sequence[Sample],
    tasks: Sequence[Sequence[str]],
    seed: int,
    after_each: Callable[[], None],
) -> Rows:
    """Teach a network task after task, and evaluate it after each on all tasks so far.

    Parameters
    ----------
    learner
        The network.
    learn, validate
        Recordings of both parts.
    tasks
        Classes of each task.
    seed
        Seed of the order of recordings inside each task, as for the other strategies.
    after_each
        Called after each recording that is learned.
    """
    rows: Rows = []
    for n, task in enumerate(tasks):
        mine = [sample for sample in learn if sample.label in task]
        for at in epoch_order(seed, n, len(mine)):
            learner.learn(mine[at])
            after_each()
        held = [[one for one in validate if one.label in group] for group in tasks[: n + 1]]
        later = [None] * (len(tasks) - n - 1)
        rows.append([*(learner.accuracy(samples) for samples in held), *later])
    return rows
