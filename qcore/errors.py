"""Errors of networks and model files."""

from spikewire.errors import SpikewireError


class ModelError(SpikewireError, ValueError):
    """A model or a model file that cannot be used; the message says what is wrong and where."""


class SpecError(ModelError):
    """A network specification that cannot be built."""
