"""The temporal layer in plain Python, beside the slow twin of the engine.

It keeps every tick's features, and computes what it needs of them anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spikewire.qcore import Network
from spikewire.qcore.kernels import layout as at
from tests.reference import kernels as naive
from tests.reference.network import NaiveNetwork


class NaiveTemporalNetwork(NaiveNetwork):
    """Slow twin of a network with a temporal layer, from its first tick on."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        view = network.temporal
        assert view is not None
        self.temporal = self.spec.temporal
        self.w = view.store.astype(int)
        self.V = view.read_store.astype(int)
        self.thresholds = [int(t) for t in view.threshold]
        self.active = [0] * self.temporal.units
        self.lessons = self.regulations = 0
        self.past: list[list[int]] = []
        self.moved_at = -(10**9)
        self.source = [n for n in self.layers if n.spec.read][-1]
        self.every = math.gcd(
            self.spec.result_every, self.spec.readout.every, *self.temporal.delays
        )

    def rest(self) -> None:
        super().rest()
        self.past = [[0] * self.w.shape[1] for _ in self.past]
        self.moved_at = -(10**9)

    def after_layers(self, now: int, before: list[Any]) -> None:
        F = [int(f) for f in self.source.F.reshape(-1)]
        if [int(f) for f in before[self.layers.index(self.source)].reshape(-1)] != F:
            self.moved_at = now
        self.past.append([int(f > 0 and b) for f, b in zip(F, naive.remembered(F), strict=True)])
        self.dirty |= now - self.moved_at <= self.temporal.delays[-1] + self.every

    def inputs(self) -> list[list[int]]:
        nothing = [0] * self.w.shape[1]
        now = len(self.past) - 1
        return [self.past[now - d] if d <= now else nothing for d in self.temporal.delays]

    def hidden(self, bits: list[list[int]]) -> tuple[int, list[int]]:
        height = math.isqrt(2**20 // max(sum(map(sum, bits)), 1))
        h = []
        for j, threshold in enumerate(self.thresholds):
            a = sum(
                int(self.w[d, i, j]) >> 8
                for d, row in enumerate(bits)
                for i, bit in enumerate(row)
                if bit
            )
            h.append(naive.clip((a * height - threshold) >> self.temporal.slope, 0, 127))
        return height, h

    def all_scores(self, f: list[int], h: list[int]) -> list[int]:
        return [
            y + sum((int(v) >> 8) * 2 * one for v, one in zip(row, h, strict=True))
            for y, row in zip(super().scores(f), self.V, strict=True)
        ]

    def scores(self, f: list[int]) -> list[int]:
        return self.all_scores(f, self.hidden(self.inputs())[1])

    def correct_all(self, f: list[int], bits: list[list[int]], label: int, taught: int) -> None:
        R = self.R
        shift = R[at.READ_SHIFT]
        shifts = naive.shifts(self.seen, taught, shift, bool(R[at.BATCHED]))
        height, h = self.hidden(bits)
        back = [0] * len(h)
        errors = []
        for k, y in enumerate(self.all_scores(f, h)):
            e = (R[at.READ_TARGET] if k == label else 0) - y
            if (e if k == label else -e) > R[at.READ_DEAD_ZONE]:
                errors.append((k, e))
        for k, e in errors:
            for i, v in enumerate(f):
                if v:
                    noise = self.draw(i % 64) % 2 ** shifts[k]
                    step = (e * v + noise) >> shifts[k]
                    self.read[k, i] = naive.clip(int(self.read[k, i]) + step, -32768, 32767)
        for k, e in errors:
            for j, one in enumerate(h):
                if one:
                    back[j] += (int(self.V[k, j]) >> 8) * (e >> (shifts[k] - shift))
                    noise = self.draw(j) % 2 ** shifts[k]
                    step = (e * 2 * one + noise) >> shifts[k]
                    self.V[k, j] = naive.clip(int(self.V[k, j]) + step, -32768, 32767)
        back = [b if one < 127 else 0 for b, one in zip(back, h, strict=True)]
        if not (self.temporal.plastic and R[at.LEARN_LAYERS] and any(back)):
            return
        bits_of_step = shift + self.temporal.shift
        bits_of_step += 0 if R[at.BATCHED] else self.temporal.live_shift
        spare = max(0, bits_of_step - 31)
        for d, row in enumerate(bits):
            for i, bit in enumerate(row):
                for j, b in enumerate(back) if bit else ():
                    noise = self.draw(j) % 2 ** (bits_of_step - spare)
                    step = ((b * height >> spare) + noise) >> (bits_of_step - spare)
                    self.w[d, i, j] = naive.clip(int(self.w[d, i, j]) + step, -32768, 32767)

    def teach_readout(self, label: int) -> None:
        f, bits, R = self.features(), self.inputs(), self.R
        if not any(f):
            return
        _, h = self.hidden(bits)
        self.correct_all(f, bits, label, label)
        self.regulate_hidden(h)
        if not R[at.SLOTS]:
            return
        for _ in range(R[at.REPLAYS]):
            known = [k for k in range(self.classes) if self.seen[k]]
            if not known:
                break
            k = known[self.draw(0) % len(known)]
            past, then = self.memory[k][self.draw(0) % len(self.memory[k])]
            self.correct_all(naive.recalled(past), then, k, label)
        kept: Any = (naive.remembered(f), bits)
        self.seen[label] += 1
        if len(self.memory[label]) < R[at.SLOTS]:
            self.memory[label].append(kept)
        else:
            place = self.draw(0) % self.seen[label]
            if place < R[at.SLOTS]:
                self.memory[label][place] = kept

    def regulate_hidden(self, h: list[int]) -> None:
        own = self.temporal
        if not (own.period and self.R[at.LEARN_LAYERS]):
            return
        self.active = [n + (one > 0) for n, one in zip(self.active, h, strict=True)]
        self.lessons += 1
        if self.lessons < own.period:
            return
        periods = self.regulations
        gain = min(self.slowest, min(8, 2 + periods // 16) + (periods // 1024).bit_length())
        for j, count in enumerate(self.active):
            rate, now = count * 65536 // self.lessons, self.thresholds[j]
            step = max(1, now >> gain)
            if rate > own.activity * 65536 // 500:
                now = min(now + step, 2**22)
            elif rate < own.activity * 65536 // 2000:
                now = max(now - step, 64)
            self.thresholds[j] = now
        self.active = [0] * len(h)
        self.lessons = 0
        self.regulations += 1

    def weights(self) -> tuple[Any, Any, Any]:
        return np.array(self.w), np.array(self.V), np.array(self.thresholds)
