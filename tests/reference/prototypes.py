"""The slow, obvious twin of the prototypes: plain Python integers and whole matrices."""

from __future__ import annotations

from tests.reference.kernels import splitmix_lanes, xorshift

MASK = 2**64 - 1


def mixed(value: int) -> int:
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def neighbourhoods(maps: list[tuple[int, int, int]], n: int) -> list[int]:
    """Number of the neighbourhood of each of ``n`` features: 2 x 2 positions of a channel."""
    known: dict[tuple[int, ...], int] = {}
    found = []
    for m, (rows, columns, channels) in enumerate(maps):
        wide = (columns + 1) // 2
        begin = sum((r + 1) // 2 * ((c + 1) // 2) * k for r, c, k in maps[:m])
        for row in range(rows):
            for column in range(columns):
                for k in range(channels):
                    key = (m, row // 2, column // 2, k)
                    place = begin + (row // 2 * wide + column // 2) * channels + k
                    assert known.setdefault(key, place) == place
                    found.append(place)
    return found + [len(known) + i for i in range(n - len(found))]


def folded(f: list[int], maps: list[tuple[int, int, int]], seed: int, size: int) -> list[int]:
    x = [0] * size
    for number, value in zip(neighbourhoods(maps, len(f)), f, strict=True):
        drawn = mixed(mixed(seed) ^ number)
        for half in (drawn % 2**32, drawn // 2**32):
            x[half // 2 * size // 2**31] += -value if half % 2 else value
    return x


class NaivePrototypes:
    """Sums of examples, and the moment of what they differ by, as a full matrix."""

    def __init__(self, classes: int, size: int, seed: int) -> None:
        self.size = size
        self.sums = [[0] * size for _ in range(classes)]
        self.counts = [0] * classes
        self.moment = [[0] * size for _ in range(size)]
        self.shift = 0
        self.lanes = splitmix_lanes(seed, 1, 64)

    def draw(self, place: int) -> int:
        self.lanes[place % 64] = xorshift(self.lanes[place % 64])
        return self.lanes[place % 64]

    def pairs(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.size) for j in range(i + 1)]

    def learn(self, x: list[int], label: int) -> None:
        n = self.counts[label]
        if n > 0:
            share = 256 * n // (n + 1)
            z = [value - total // n for value, total in zip(x, self.sums[label], strict=True)]
            while any(
                self.moment[i][i] + z[i] * z[i] * share // 2 ** (8 + self.shift) >= 32767
                for i in range(self.size)
            ):
                for place, (i, j) in enumerate(self.pairs()):
                    self.moment[i][j] = (self.moment[i][j] + self.draw(place) // 2**31) // 2
                self.shift += 1
            unit = 2 ** (8 + self.shift)
            for place, (i, j) in enumerate(self.pairs()):
                noise = self.draw(place) * 2 ** max(self.shift - 24, 0) % unit
                grown = self.moment[i][j] + (z[i] * z[j] * share + noise) // unit
                self.moment[i][j] = max(-32767, min(32767, grown))
        for i, value in enumerate(x):
            total = self.sums[label][i] + value
            self.sums[label][i] = max(-(2**31) + 1, min(2**31 - 1, total))
        self.counts[label] += 1

    def full(self, i: int, j: int) -> int:
        return self.moment[max(i, j)][min(i, j)]

    def ridge(self) -> int:
        return max(sum(self.moment[i][i] for i in range(self.size)) // self.size, 1)

    def solve(self, ridge: int, sweeps: int) -> tuple[list[list[int]], list[int]]:
        means = [
            [64 * total // n if n else 0 for total in own]
            for own, n in zip(self.sums, self.counts, strict=True)
        ]
        largest = max(1, *(abs(value) for own in means for value in own))
        up = max(0, min(36, 24 + ridge.bit_length() - largest.bit_length()))
        weights, offsets = [], []
        for own in means:
            w = [0] * self.size
            for _ in range(sweeps):
                for i in range(self.size):
                    others = sum(self.full(i, j) * w[j] for j in range(self.size) if j != i)
                    value = (own[i] * 2**up - others) // (self.full(i, i) + ridge)
                    w[i] = max(-(2**31) + 1, min(2**31 - 1, value))
            weights.append(w)
            offsets.append(sum(m * v for m, v in zip(own, w, strict=True)) // 2)
        return weights, offsets

    def compare(self, x: list[int], weights: list[list[int]], offsets: list[int]) -> list[int]:
        return [
            64 * sum(a * b for a, b in zip(x, w, strict=True)) - offset if n else -(2**62)
            for w, offset, n in zip(weights, offsets, self.counts, strict=True)
        ]
