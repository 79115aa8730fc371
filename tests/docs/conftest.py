"""Fixtures of the tests of documents: a service, and what it runs on."""

from tests.support.fakes import fakes, on_tcp, running

__all__ = ["fakes", "on_tcp", "running"]
