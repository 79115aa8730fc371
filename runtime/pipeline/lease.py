"""Leases: a client's hold on its lesson, which ends with the client's connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Teacher:
    """Origin of the label that is taught, and the end of its lesson.

    Attributes
    ----------
    lease
        Lease that the lesson ends with; None without a connection.
    lasting
        Whether the lesson goes on after the end of the connection.
    lease_s
        Silence of the connection, in seconds, that ends the lesson; None: only its end does.
    """

    lease: Lease | None = None
    lasting: bool = False
    lease_s: float | None = None

    def told(self) -> dict[str, Any]:
        """Return the fields of the status topic."""
        return {
            "client": "" if self.lease is None else self.lease.client,
            "lasting": self.lasting or self.lease is None,
            "lease_s": None if self.lasting else self.lease_s,
        }
