"""Fixtures of the tests of the service."""

from tests.support.fakes import fakes, on_tcp, running

__all__ = ["fakes", "on_tcp", "running"]
