"""A whole network, tick by tick, in plain Python integers: the slow twin of the engine.

It never skips a tick, holds no flags, and knows nothing of flat arrays. It starts from a built
network's weights, thresholds, readouts and generators, and then goes its own way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spikewire.qcore import Network
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from tests.reference import kernels as naive
from tests.reference import paper_learning as paper
from tests.reference.answers import NaiveMeans


class NaiveLayer:
    def __init__(self, network: Network, n: int) -> None:
        self.spec = network.spec.layers[n]
        self.L = [int(v) for v in network.state.layers[n]]
        self.weights = network.layers[n].weights.astype(int)
        self.store = network.layers[n].store.astype(int)
        self.table = network.layers[n].table.astype(int)
        shape = (self.L[at.ROWS], self.L[at.COLUMNS], self.L[at.CHANNELS])
        self.u, self.v, self.r = (np.zeros(shape, int) for _ in range(3))
        self.activation = np.zeros(shape, int)
        bits = network.spec.widths.refractory
        coarse = self.spec.reset == "refractory" and bits < 24
        coarsely = "coarse" if self.spec.refractory_rounding == "down" else "lingering"
        self.kind = f"{coarsely}{bits}" if coarse else self.spec.reset
        self.inputs = (self.L[at.IN_ROWS], self.L[at.IN_COLUMNS], self.L[at.IN_CHANNELS])
        self.Q, self.P = np.zeros(self.inputs, int), np.zeros(self.inputs, int)
        self.units = network.layers[n].units
        self.F = np.zeros(self.units, int)
        self.g = np.zeros(self.weights.shape, int)
        self.gb = np.zeros(shape[2], int)
        self.counts = np.zeros(shape[2], int)
        self.rule = network.spec.learning
        self.widths = network.spec.widths
        self.bias_store = network.layers[n].bias_store.astype(int)
        if self.spec.plastic:
            self.feedback = network.layers[n].feedback.astype(int)
            self.G = network.layers[n].readout.astype(int)
            self.mean = network.layers[n].readout_mean.tolist()
        self.heard = [0] * len(network.classes)
        self.moved = False
        self.rounds = network.spec.version >= 2
        most = 2 ** (self.widths.store - 1) - 1
        self.rails = (-most if self.rounds else -most - 1, most)

    def used(self, store: Any) -> Any:
        """Cut the weights in use from stored ones."""
        widths = self.widths
        one = [
            naive.used_weight(int(w), widths.store, widths.weight, self.rounds)
            for w in store.reshape(-1)
        ]
        return np.array(one).reshape(store.shape)

    def step(self, image: Any) -> Any:
        """Take in one tick's input map; return the output map."""
        y, x, c = np.nonzero(image)
        spikes = [
            (int(a), int(b), int(d))
            for a, b, d in zip(c, y, x, strict=True)
            for _ in range(image[b, d, a])
        ]
        totals, _ = naive.drive(
            spikes, self.weights, self.u.shape, self.L[at.STRIDE], (self.L[at.PAD_Y],) * 2
        )
        fired = np.zeros(self.u.shape, int)
        self.moved = False
        for i, total in totals.items():
            t = self.table[:, i[2]]
            before = int(self.u[i]), int(self.v[i]), int(self.r[i])
            self.u[i], v = naive.integrate(
                int(self.u[i]), int(self.v[i]), total, int(t[0]), int(t[1]), int(t[3]),
                self.L[at.EXPONENT],
            )  # fmt: skip
            self.v[i], self.r[i], fired[i], self.activation[i] = naive.fire(
                self.kind, v, int(self.r[i]), int(t[2]), int(t[4]), int(t[5]),
                self.L[at.SLOPE], self.L[at.RAIL],
            )  # fmt: skip
            # A membrane that is reset to where it was has moved in between.
            self.moved |= before != (self.u[i], v, self.r[i]) or v != self.v[i]
            if self.rule.surrogate == "sigmoid":
                self.activation[i] = paper.sigmoid(self.activation[i], self.widths.activation)
        return self.pool(fired, sum)

    def pool(self, full: Any, add: Any) -> Any:
        """Take each window's maximum, or what ``add`` makes of its list of values."""
        size = self.spec.pool
        out = np.zeros(self.units, int)
        for y, x, c in np.ndindex(self.units):
            window = full[y * size : (y + 1) * size, x * size : (x + 1) * size, c]
            values = [int(a) for a in window.reshape(-1)]
            out[y, x, c] = add(values) if self.spec.pool_kind == "sum" else max(values)
        return out

    def trace(self, image: Any) -> None:
        for i in np.ndindex(self.inputs):
            self.Q[i], self.P[i] = naive.trace(
                int(self.Q[i]), int(self.P[i]), int(image[i]), self.L[at.KICK], self.L[at.FAST],
                self.L[at.SLOW], self.L[at.Q_RAIL], self.L[at.P_LIFT],
            )  # fmt: skip

    def pooled_activation(self) -> Any:
        return self.pool(
            self.activation, lambda window: naive.pooled_activation(window, self.L[at.RAIL])
        )

    def read_out(self) -> list[int]:
        return [int(y) for y in self.G @ self.pooled_activation().reshape(-1)]

    def learn_by_trained(self, errors: list[int], weights: Any, carried: Any) -> Any:
        """Learn by errors of the trained readout, with its weights on this layer's units.

        ``carried`` is what the next layer carries back to these. Returns what this layer carries
        back, or None without ``carry_shift``.
        """
        L, w, carry_shift = self.L, self.widths, self.rule.carry_shift
        more = None
        if carried is not None:
            # Products of weights and deltas, of 8 + 8 bits by default, join errors of 6 bits.
            shift = carry_shift + (w.weight + w.delta - 16) - (w.error - 6)
            more = [int(s) // 2 ** naive.clip(shift, 0, 30) for s in carried.reshape(-1)]
        a, rail = self.pooled_activation().reshape(-1).tolist(), 2 ** (w.delta - 1) - 1
        d = naive.delta(weights, errors, a, L[at.DELTA_SHIFT], L[at.RAIL], rail, more)
        full = self.finished(self.unpooled(np.array(d).reshape(self.units)))
        self.collect(full)
        if carry_shift == 30:
            return None
        pad = L[at.PAD_Y], L[at.PAD_X]
        return naive.carried_back(full, self.weights, self.inputs, L[at.STRIDE], pad)

    def learn(self, label: int) -> None:
        L = self.L
        pooled = self.pooled_activation()
        y = self.read_out()
        largest = self.rule.error_scale == "largest"
        errors, self.mean = (paper.normalised_error if largest else naive.local_error)(
            y, self.mean, label, L[at.LEARN_TARGET], L[at.ERROR_SHIFT], L[at.ERROR_RAIL],
            L[at.DEAD_ZONE],
        )  # fmt: skip
        a, rail = pooled.reshape(-1).tolist(), 2 ** (self.widths.delta - 1) - 1
        if self.rule.delta_scale == "largest":
            d = paper.normalised_delta(self.feedback, errors, a, L[at.RAIL], rail)
        else:
            d = naive.delta(self.feedback, errors, a, L[at.DELTA_SHIFT], L[at.RAIL], rail)
        self.collect(self.finished(self.unpooled(np.array(d).reshape(self.units))))

    def unpooled(self, back: Any) -> Any:
        """Route the units' errors to the neurons that they pool."""
        L = self.L
        full = np.zeros(self.u.shape, int)
        size = self.spec.pool
        for y0, x0, c in np.ndindex(self.units):
            window = self.activation[y0 * size : (y0 + 1) * size, x0 * size : (x0 + 1) * size, c]
            if self.spec.pool_kind == "sum" and size > 1:
                for dy, dx in np.ndindex(window.shape):
                    if 0 < window[dy, dx] < L[at.RAIL]:
                        full[y0 * size + dy, x0 * size + dx, c] = back[y0, x0, c]
                continue
            dy, dx = np.unravel_index(int(window.argmax()), window.shape)
            full[y0 * size + dy, x0 * size + dx, c] = back[y0, x0, c]
        return full

    def finished(self, full: Any) -> Any:
        """Weigh the neurons' errors by the surrogate's slope, and quantise them again."""
        sigmoid = self.rule.surrogate == "sigmoid"
        largest = self.rule.delta_scale == "largest"
        if not (sigmoid or largest):
            return full
        rail = 2 ** (self.widths.delta - 1) - 1
        a = self.activation.reshape(-1).tolist()
        d = paper.finished_delta(
            full.reshape(-1).tolist(), a, self.L[at.RAIL], rail, sigmoid, largest
        )
        return np.array(d).reshape(full.shape)

    def collect(self, full: Any) -> None:
        L = self.L
        self.g += naive.gradient(
            full, self.P, self.g.shape, L[at.STRIDE], L[at.PAD_Y], L[at.TRACE_SHIFT]
        )
        self.gb += full.sum((0, 1))


def remembered(network: Network, k: int, seen: int) -> list[list[int]]:
    """Unpack what a network remembers of class ``k``, after ``seen`` lessons."""
    R = network.state.registers
    n, places = int(R[at.FEATURES]), int(R[at.SLOTS])
    wide = (n + 7) // 8
    start = int(R[at.AT_SLOTS]) + k * places * wide
    rows = network.state.i8[start : start + places * wide].reshape(places, wide)
    bits = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, :n]
    kept: list[list[int]] = bits[: min(seen, places)].tolist()
    return kept


class NaiveNetwork:
    def __init__(self, network: Network, traced: type[NaiveLayer] = NaiveLayer) -> None:
        self.spec = network.spec
        self.layers = [
            (traced if layer.traced else NaiveLayer)(network, n)
            for n, layer in enumerate(self.spec.layers)
        ]
        plastic = [n for n in self.layers if n.spec.plastic]
        self.answering = plastic[-1] if self.spec.readout.answer == "local" else None
        self.classes = len(network.classes)
        self.R = [int(v) for v in network.state.registers[: at.REGISTERS]]
        self.lanes = [int(v) for v in network.state.lanes]
        self.read = network.read_store().astype(int)
        self.seen = network.state.registers[at.REGISTERS :].tolist()
        self.memory = [remembered(network, k, n) for k, n in enumerate(self.seen)]
        self.periods = self.R[at.PERIODS]
        self.tick = self.label_since = self.pending = self.period_ticks = 0
        self.label = -1
        self.learning = False
        self.dirty = False
        self.slowest = 12
        self.input_mean = 0
        self.means = NaiveMeans(network) if network.prototypes is not None else None

    def rest(self) -> None:
        """Forget all activity."""
        for n in self.layers:
            for array in (n.u, n.v, n.r, n.activation, n.Q, n.P, n.F):
                array[:] = 0
        self.dirty, self.label, self.input_mean = False, -1, 0

    def features(self) -> list[int]:
        flat = [int(f) for n in self.layers if n.spec.read for f in n.F.reshape(-1)]
        return naive.normalise(flat)

    def scores(self, f: list[int]) -> list[int]:
        return [sum((int(w) >> 8) * v for w, v in zip(row, f, strict=True)) for row in self.read]

    def learn_layers(self, label: int, still: list[bool]) -> None:
        if self.spec.learning.feedback != "trained":
            for n, moving in zip(self.layers, still, strict=True):
                if moving:
                    n.learn(label)
            return
        y = self.scores(self.features())
        target, dead = self.R[at.READ_TARGET], self.R[at.READ_DEAD_ZONE]
        errors = naive.trained_errors(y, label, target, dead, self.spec.widths.error)
        if not any(errors):
            return
        last, carried = self.read.shape[1], None
        for n, moving in zip(reversed(self.layers), reversed(still), strict=True):
            units = int(np.prod(n.units))
            first = last - units if n.spec.read else last
            weights = self.read[:, first:last] >> 8 if n.spec.read else np.zeros((0, units), int)
            last = first
            own = errors if n.spec.read else []
            carried = n.learn_by_trained(own, weights, carried) if moving else None

    def correct(self, f: list[int], label: int, taught: int) -> None:
        R = self.R
        shifts = naive.shifts(self.seen, taught, R[at.READ_SHIFT], bool(R[at.BATCHED]))
        for k, y in enumerate(self.scores(f)):
            e = (R[at.READ_TARGET] if k == label else 0) - y
            dead = R[at.READ_DEAD_ZONE]
            if (k == label and e <= dead) or (k != label and e >= -dead):
                continue
            for i, v in enumerate(f):
                if v:
                    noise = self.draw(i % 64) % 2 ** shifts[k]
                    step = (e * v + noise) >> shifts[k]
                    self.read[k, i] = naive.clip(int(self.read[k, i]) + step, -32768, 32767)

    def draw(self, lane: int) -> int:
        self.lanes[lane] = naive.xorshift(self.lanes[lane])
        return self.lanes[lane]

    def teach_readout(self, label: int) -> None:
        f = self.features()
        if not any(f):
            return
        self.correct(f, label, label)
        if not self.R[at.SLOTS]:
            return
        for _ in range(self.R[at.REPLAYS]):
            known = [k for k in range(self.classes) if self.seen[k]]
            if not known:
                break
            k = known[self.draw(0) % len(known)]
            past = self.memory[k][self.draw(0) % len(self.memory[k])]
            self.correct(naive.recalled(past), k, label)
        kept = naive.remembered(f)
        self.seen[label] += 1
        if len(self.memory[label]) < self.R[at.SLOTS]:
            self.memory[label].append(kept)
        else:
            place = self.draw(0) % self.seen[label]
            if place < self.R[at.SLOTS]:
                self.memory[label][place] = kept

    def apply(self) -> None:
        for n in self.layers:
            if not n.spec.plastic or not n.g.any():
                continue
            # Rows draw their noise in the order of memory: a kernel's columns from the last.
            g = n.g[:, :, ::-1].reshape(-1, n.g.shape[-1])
            store = n.store[:, :, ::-1].reshape(g.shape)
            rule = self.spec.learning
            tensor, centre = rule.gradient_scale == "tensor", rule.centre_gradients
            scale = None if centre and not tensor else paper.gradient_scale(g, centre, tensor)
            self.lanes = naive.step_by_gradient(
                g, store, self.lanes, n.L[at.STEP], n.L[at.STEP_BITS], *n.rails, scale
            )
            n.g[:] = 0
            n.store = store.reshape(n.g.shape)[:, :, ::-1].copy()
            n.weights = n.used(n.store)
            self.step_biases(n)
            n.gb[:] = 0

    def step_biases(self, n: NaiveLayer) -> None:
        rule = self.spec.learning
        if not rule.learn_biases:
            n.table[neuron.BIAS] += np.sign(n.gb) * n.L[at.BIAS_STEP]
        elif n.gb.any():
            g, store = n.gb[None], n.bias_store[None]
            self.lanes = naive.step_by_gradient(
                g, store, self.lanes, n.L[at.STEP], n.L[at.STEP_BITS], *n.rails,
                paper.gradient_scale(g, False, True),
            )  # fmt: skip
            n.table[neuron.BIAS] = n.used(store[0]) * 2 ** (
                rule.bias_exponent + 8 - n.widths.weight
            )

    def follow_input(self, spikes: int) -> None:
        """Scale the first layer's thresholds by the root of the mean over the reference."""
        gain, mean = self.spec.gain, self.input_mean
        if spikes:
            away = 256 * spikes - mean
            up, down = away // 2**gain.rise, -(-away // 2**gain.fall)
            self.input_mean = 256 * spikes if mean == 0 else mean + (up if away > 0 else down)
        factor = 256
        if self.input_mean:
            factor = math.isqrt(256 * self.input_mean // gain.reference)
            factor = max(min(factor, 256 * gain.most), 256 // gain.most)
        row = self.layers[0].table[neuron.THRESHOLD]
        row[:] = [min(max(int(v) * factor // 256, 1), 2**23 - 1) for v in row]

    def after_layers(self, now: int, before: list[Any]) -> None:
        """Let a network with more than layers follow their features in this tick."""

    def regulate(self) -> None:
        gain = min(
            self.slowest, min(8, 2 + self.periods // 16) + (self.periods // 1024).bit_length()
        )
        for n in self.layers:
            chances = n.units[0] * n.units[1] * self.period_ticks
            if n.spec.pool_kind == "sum":
                chances *= n.spec.pool**2
            for k in range(len(n.counts)):
                rate = int(n.counts[k]) * 65536 // chances
                now = int(n.table[neuron.THRESHOLD, k])
                step = max(1, now >> gain)
                if rate > n.L[at.RATE_HIGH]:
                    now = min(now + step, 2**22)
                elif rate < n.L[at.RATE_LOW]:
                    now = max(now - step, 64)
                n.table[neuron.THRESHOLD, k] = now
                if n.spec.reset == "refractory" and not n.spec.refractory_kick:
                    n.table[neuron.KICK_R, k] = now
            n.counts[:] = 0
        self.periods += 1
        self.period_ticks = 0

    def advance(
        self, events: list[tuple[int, int, int, int]], until: int, label: int, learn: bool
    ) -> list[tuple[int, list[int]]]:
        """Run every tick; return (tick, scores) of the result ticks that had anything to say."""
        R = self.R
        rows = []
        teaches = learn and label >= 0
        if self.means and teaches and not (self.learning and label == self.label):
            self.rest()
        if label != self.label:
            self.label, self.label_since = label, self.tick
        if learn != self.learning:
            self.learning = learn
            for n in self.layers:
                if not n.spec.traced:
                    n.Q[:] = n.P[:] = 0
        for now in range(self.tick, until):
            image = np.zeros(self.layers[0].inputs, int)
            for t, x, y, p in events:
                if t == now:
                    image[y, x, p if image.shape[2] > 1 else 0] = 1
            some = bool(image.any())
            self.dirty |= some
            own = self.layers[0].table[neuron.THRESHOLD].copy()
            if self.R[at.GAIN]:
                self.follow_input(int(image.sum()))
            still: list[bool] = []
            regulated = learn and R[at.PERIOD] and not (self.means and self.means.held)
            features = [n.F.copy() for n in self.layers]
            for n in self.layers:
                before = [a.copy() for a in (n.Q, n.P, n.r)]
                if learn and n.spec.plastic:
                    n.trace(image)
                image = n.step(image)
                if n is self.layers[0]:
                    n.table[neuron.THRESHOLD] = own
                after = (n.Q, n.P, n.r)
                changed = [bool((a != b).any()) for a, b in zip(before, after, strict=True)]
                if n.spec.traced:
                    n.moved = any(changed)
                    # A layer learns from traces that rest above zero, too.
                    still.append(
                        n.spec.plastic and (any(changed[:2]) or bool(n.Q.any() or n.P.any()))
                    )
                else:
                    still.append(any(changed[:2]))
                if n is self.answering:
                    self.dirty |= n.moved or bool(image.any())
                if regulated:
                    n.counts += image.sum((0, 1))
                if n.spec.read:
                    old = n.F.copy()
                    for i in np.ndindex(n.units):
                        n.F[i] = naive.feature(
                            int(n.F[i]), int(image[i]), R[at.FEATURE_KICK], R[at.FEATURE_SLOW]
                        )
                    self.dirty |= bool((old != n.F).any())
            self.after_layers(now, features)
            if regulated and some:
                self.period_ticks += 1
                if self.period_ticks >= R[at.PERIOD]:
                    self.regulate()
            warm = now - self.label_since >= R[at.BURN_IN]
            if learn and label >= 0 and warm:
                if now % R[at.CADENCE] == 0:
                    self.learn_layers(label, still)
                    self.pending += any(still)
                    if R[at.APPLY_EVERY] and self.pending >= R[at.APPLY_EVERY]:
                        self.pending = 0
                        self.apply()
                if self.dirty and now % R[at.READ_EVERY] == 0:
                    self.teach_readout(label)
                    if self.means:
                        f = self.features()
                        self.means.learn(f, label, self.label_since, self.lanes)
            for n in self.layers:
                scored = n is self.answering and now % R[at.RESULT_EVERY] == 0
                if n.spec.plastic and (scored or now % R[at.CADENCE] == 0):
                    n.heard = n.read_out()
            if now % R[at.RESULT_EVERY] == 0 and self.dirty:
                self.dirty = False
                scores = self.scores(self.features())
                if self.means:
                    scores = self.means.answer(self.features(), scores, teaches)
                if self.answering is not None:
                    scores = naive.add_readout(
                        [0] * self.classes, self.answering.heard, self.answering.mean, 1
                    )
                first, gain = divmod(int(R[at.LOCAL_GAIN]), 2**16)
                for n in self.layers[first:]:
                    if n.spec.plastic and gain:
                        scores = naive.add_readout(scores, n.heard, n.mean, gain)
                rows.append((now, scores))
        self.tick = until
        return rows
