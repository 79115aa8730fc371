"""What can go wrong, in sentences."""


class ModelError(ValueError):
    """A model or a model file that cannot be used; the message says what is wrong and where."""


class SpecError(ModelError):
    """A network specification that cannot be built."""
