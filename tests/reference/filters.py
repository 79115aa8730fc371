"""Filters in plain Python, from what they are said to do: slow, for tests to compare with."""

from __future__ import annotations

Event = tuple[int, int, int, int]


def refractory(events: list[Event], dead: int) -> list[Event]:
    last: dict[tuple[int, int], int] = {}
    kept = []
    for t, x, y, p in events:
        if (x, y) not in last or t - last[x, y] >= dead:
            last[x, y] = t
            kept.append((t, x, y, p))
    return kept


def background(events: list[Event], window: int) -> list[Event]:
    kept = []
    for n, (t, x, y, p) in enumerate(events):
        near = [
            before
            for before, u, v, _ in events[:n]
            if max(abs(u - x), abs(v - y)) == 1 and t - before <= window
        ]
        if near:
            kept.append((t, x, y, p))
    return kept


def hot(
    events: list[Event], size: tuple[int, int], least: int, factor: int, window: int
) -> list[Event]:
    kept = []
    flagged: set[tuple[int, int]] = set()
    current: int | None = None
    counts: dict[tuple[int, int], int] = {}
    for t, x, y, p in events:
        if current is None:
            current = t // window
        elif t // window > current:
            for v in range(size[1]):
                for u in range(size[0]):
                    own = counts.get((u, v), 0)
                    others = [
                        counts.get((u + du, v + dv), 0)
                        for dv in range(-2, 3)
                        for du in range(-2, 3)
                        if (du or dv) and 0 <= u + du < size[0] and 0 <= v + dv < size[1]
                    ]
                    calm = sum(others) - max(others)
                    if own >= least and own * (len(others) - 1) > factor * calm:
                        flagged.add((u, v))
                    else:
                        flagged.discard((u, v))
            counts = {}
            current = t // window
        counts[x, y] = counts.get((x, y), 0) + 1
        if (x, y) not in flagged:
            kept.append((t, x, y, p))
    return kept


def polarity(events: list[Event], mode: str) -> list[Event]:
    if mode == "flip":
        return [(t, x, y, 1 - p) for t, x, y, p in events]
    if mode == "one":
        return [(t, x, y, 1) for t, x, y, _ in events]
    return [event for event in events if event[3] == (mode == "on")]


def crop(events: list[Event], left: int, top: int, width: int, height: int) -> list[Event]:
    return [
        (t, x - left, y - top, p)
        for t, x, y, p in events
        if left <= x < left + width and top <= y < top + height
    ]


def downsample(events: list[Event], factor: int) -> list[Event]:
    return [(t, x // factor, y // factor, p) for t, x, y, p in events]


def turn(events: list[Event], size: tuple[int, int], axes: str, transpose: bool) -> list[Event]:
    out = []
    for t, x, y, p in events:
        u = size[0] - 1 - x if "x" in axes else x
        v = size[1] - 1 - y if "y" in axes else y
        out.append((t, v, u, p) if transpose else (t, u, v, p))
    return out


def rate(events: list[Event], per_second: int) -> list[Event]:
    window = 10_000
    wanted = max(1, per_second * window // 1_000_000)
    kept: list[Event] = []
    share, credit = 65536, 0
    slot: int | None = None
    seen = got = 0
    for event in events:
        now = event[0] // window
        if now != slot:
            follows = slot is not None and now == slot + 1
            share = wanted * 65536 // seen if follows and seen > wanted else 65536
            slot, seen, got = now, 0, 0
        seen += 1
        credit += share
        if credit >= 65536:
            credit -= 65536
            if got < 2 * wanted:
                kept.append(event)
                got += 1
    return kept
