"""Class means beside a trained readout in plain Python: whole numbers without limits."""

from __future__ import annotations

from typing import Any

from spikewire.qcore import Network
from spikewire.qcore.kernels import layout as at
from tests.reference.prototypes import NaivePrototypes, folded, mixed

KNOWN, PROBES, HIGHEST = 32, 4, 2**30


def clip(value: int, most: int) -> int:
    return max(-most, min(most, value))


def corrected(twin: NaivePrototypes, ahead: list[int], ridge: int, sweeps: int) -> list[int]:
    """Solve ``(moment + ridge) w = ahead`` by sweeps, each entry in whole numbers of 32 bits."""
    w = [0] * twin.size
    for _ in range(sweeps):
        for i in range(twin.size):
            others = sum(twin.full(i, j) * w[j] for j in range(twin.size) if j != i)
            w[i] = clip((ahead[i] - others) // (twin.full(i, i) + ridge), 2**31 - 1)
    return w


def trace(twin: NaivePrototypes, ridge: int, sweeps: int) -> int:
    """Trace of the moment in its own metric, in 256ths, from four vectors of random signs."""
    d, up = twin.size, 24 + ridge.bit_length()
    total = 0
    for probe in range(PROBES):
        v = [1 if mixed(probe * d + i) % 2 else -1 for i in range(d)]
        w = corrected(twin, [one * 2**up for one in v], ridge, sweeps)
        total += sum(a * b for a, b in zip(v, w, strict=True))
    return max(0, min(256 * d, 256 * d - (total * ridge // PROBES) // 2 ** (up - 8)))


class NaiveMeans:
    """Means of the classes, the solution of the last renewal, and scores by them."""

    def __init__(self, network: Network) -> None:
        self.spec = network.spec.prototypes
        self.target = int(network.state.registers[at.READ_TARGET])
        self.maps = [(int(r), int(c), int(k)) for r, c, k in network.read_maps]
        self.twin = NaivePrototypes(len(network.classes), self.spec.size, 0)
        self.shown = [0] * len(network.classes)
        self.held = self.cut = self.margin = 0
        self.since = -1
        self.stale = False
        self.learns = True
        self.weights = [[0] * self.spec.size for _ in network.classes]
        self.less = [0] * len(network.classes)

    def add_class(self) -> None:
        self.twin.sums.append([0] * self.spec.size)
        self.twin.counts.append(0)
        self.weights.append([0] * self.spec.size)
        self.shown.append(0)
        self.less.append(0)

    def fold(self, f: list[int]) -> list[int]:
        return [clip(x, 2**20 - 1) for x in folded(f, self.maps, 0, self.spec.size)]

    def learn(self, f: list[int], label: int, since: int, lanes: list[int]) -> None:
        if not self.learns or not any(f):
            return
        self.held += self.twin.counts[label] > 0
        self.twin.lanes = lanes
        self.twin.learn(self.fold(f), label)
        self.shown[label] += since != self.since
        self.since = since
        self.stale = True

    def doubt(self, ridge: int) -> int:
        """Half of the metric's trace between lessons, in the unit of the scores, for one lesson."""
        if not self.held or not self.spec.doubt:
            return 0
        counted = zip(self.twin.sums, self.twin.counts, strict=True)
        largest = max(1, *(abs(64 * s // n) for own, n in counted if n for s in own))
        up = max(0, min(36, 24 + ridge.bit_length() - largest.bit_length()))
        part = trace(self.twin, ridge, self.spec.sweeps) * self.spec.doubt * 2**20 // self.held
        # 2**(12 + up + power) / held are a squared distance of 1; half of 1/256 of 1/128 of it.
        lift = 12 + up + self.twin.shift - 1 - 8 - 7 - 20
        if lift > 0 and lift + part.bit_length() >= 62:
            return 2**61
        return part * 2**lift if lift > 0 else part // 2**-lift

    def solve(self) -> None:
        twin = self.twin
        ridge = max(twin.ridge() // 2**self.spec.ridge_shift, 1)
        self.weights, offsets = twin.solve(ridge, self.spec.sweeps)
        doubt = self.doubt(ridge)
        self.cut = max(0, max(1, *(abs(o) for o in offsets)).bit_length() - 20)
        self.less = [
            clip((o - doubt // max(n, 1)) // 2**self.cut, HIGHEST)
            for o, n in zip(offsets, self.shown, strict=True)
        ]
        self.margin = self.found_margin([o // 2**self.cut for o in offsets])
        self.stale = False

    def found_margin(self, offsets: list[int]) -> int:
        known = [k for k, n in enumerate(self.twin.counts) if n]
        leads = []
        for k in known:
            mean = [64 * s // self.twin.counts[k] for s in self.twin.sums[k]]
            y = {
                j: sum(m * w for m, w in zip(mean, self.weights[j], strict=True)) // 2**self.cut
                - offsets[j]
                for j in known
            }
            leads += [y[k] - y[j] for j in known if j != k]
        return max(1, min(HIGHEST, sum(leads) // len(leads))) if leads else 0

    def near(self, x: list[int]) -> list[int]:
        """Score by the means alone."""
        found: dict[int, int] = {}
        for k, n in enumerate(self.twin.counts):
            if n:
                total = 64 * sum(a * w for a, w in zip(x, self.weights[k], strict=True))
                own = clip(total // 2**self.cut - self.less[k], HIGHEST)
                found[k] = own * self.target // self.margin
        lowest = min([HIGHEST, *found.values()])
        return [found.get(k, lowest - 1) for k in range(len(self.shown))]

    def answer(self, f: list[int], y: list[int], in_lesson: bool) -> list[int]:
        if self.stale and not in_lesson:
            self.solve()
        if not self.margin:
            return y
        if not any(f):
            return [0] * len(y)
        near = self.near(self.fold(f))
        added = [one * self.spec.readout_gain // 256 for one in y]
        known = [k for k, n in enumerate(self.shown) if n >= KNOWN]
        best = max(known, key=lambda k: near[k] + added[k]) if known else -1
        shared = added[best] if known else 0
        return [
            clip(near[k] + (added[k] if k in known else shared), HIGHEST) for k in range(len(y))
        ]

    def arrays(self) -> list[Any]:
        """List what a network's view of them holds, in the same order."""
        counts = list(map(list, zip(self.twin.counts, self.shown, self.less, strict=True)))
        moment = [self.twin.moment[i][j] for i, j in self.twin.pairs()]
        state = [
            self.twin.shift, self.held, int(self.stale), self.cut, int(self.learns), self.margin,
            0, 0,
        ]  # fmt: skip
        return [self.twin.sums, self.weights, counts, moment, state]
