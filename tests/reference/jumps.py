"""Segments at jumps of time, one event after the other."""

from collections.abc import Iterable


def segments_of(stretches: Iterable[Iterable[int]], jump_us: int) -> list[list[int]]:
    """Number the segment of each event.

    Parameters
    ----------
    stretches
        Event times of each of the source's segments.
    jump_us
        A longer step ahead begins a segment.
    """
    numbered: list[list[int]] = []
    jumps = 0
    for source, times in enumerate(stretches):
        before: int | None = None
        numbers = []
        for t in times:
            if before is not None and t - before > jump_us:
                jumps += 1
            numbers.append(source + jumps)
            before = t
        numbered.append(numbers)
    return numbered
