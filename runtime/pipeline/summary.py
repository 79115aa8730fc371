"""Totals of a pipeline that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a pipeline that has ended.

    Attributes
    ----------
    pipeline
        Its name.
    reason
        ``stopped``, ``source ended`` or ``failed``.
    tick, packets, events, results, updates, time_jumps
        Where the network stands, what was computed, and jumps of event time.
    drops
        Events lost, by reason.
    checkpoint, checkpoint_error
        The last checkpoint written, and why the last attempt failed, if it did.
    recording_error
        Why a recording ended by itself, if one did and no client was told so by a reply.
    """

    pipeline: str
    reason: str
    tick: int
    packets: int
    events: int
    results: int
    updates: int
    time_jumps: int
    drops: Mapping[str, int]
    checkpoint: str | None
    checkpoint_error: str | None
    recording_error: str | None = None
