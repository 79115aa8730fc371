"""Leases: a client's hold on its lesson, which ends with the client's connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Lease:
    """Hold of one connection; the lesson of a lease ends when the lease does.

    Attributes
    ----------
    client
        Name of the client, as its hello gave it.
    """

    client: str = ""


@dataclass(frozen=True, slots=True)
class EndLease:
    """Request of the service itself: end the lesson of this lease, if it is the present one."""

    lease: Lease
