"""The base of every error that a user can cause."""

from __future__ import annotations


class SpikewireError(Exception):
    """A mistake of a user or of the outside world; the message is a sentence for a person."""
