"""Fixtures of the tests of commands."""

from tests.support.services import digits, running, serving

__all__ = ["digits", "running", "serving"]
