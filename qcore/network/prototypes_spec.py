"""Settings of class means that answer beside the trained readout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.spec_checks import within


@dataclass(frozen=True, slots=True)
class PrototypesSpec:
    """A mean per class of the features, compared in a metric that all classes share.

    Lessons add to the means. Results are scores by the means and by the trained readout, which
    learns as without them, but for the draws of rounding: its errors teach the layers, and it
    answers alone until lessons of two classes have ended.

    Attributes
    ----------
    size
        Length to which features are folded; 0: there are no class means. The metric takes
        ``size * (size + 1)`` bytes.
    ridge_shift
        The metric's ridge is the mean of its diagonal, shifted right by so much.
    doubt
        128ths of the examples' covariance that lie between lessons: by so much a class of few
        lessons is given a higher score. Measured 76 on N-MNIST.
    sweeps
        Corrections of each weight when the metric is applied.
    readout_gain
        256ths of the trained readout's scores that are added, where its target is what a class's
        own mean scores more than the others. Classes of fewer than 32 lessons are compared by the
        means alone.
    """

    size: int = 0
    ridge_shift: int = 3
    doubt: int = 76
    sweeps: int = 20
    readout_gain: int = 256

    def check(self, layers: Sequence[LayerSpec], answer: str, local_gain: int) -> None:
        """Refuse impossible values.

        Parameters
        ----------
        layers
            The layers whose features are compared.
        answer
            What answers, ``readout.answer``.
        local_gain
            As ``readout.local_gain``.

        Raises
        ------
        SpecError
            The message names the setting and what is allowed.
        """
        for name, low, high in _RANGES:
            within(f"prototypes.{name}", getattr(self, name), low, high)
        if self.size == 0:
            return
        if answer != "trained":
            raise SpecError(
                f"prototypes.size is {self.size}, but with readout.answer {answer!r} the features "
                "do not answer: it has to be 0."
            )
        if local_gain:
            raise SpecError(
                f"readout.local_gain is {local_gain}, but with prototypes.size {self.size} class "
                "means answer beside the trained readout alone: it has to be 0."
            )
        if not any(layer.read for layer in layers):
            raise SpecError("prototypes.size needs a layer with read = true.")


NO_PROTOTYPES = PrototypesSpec()

_RANGES = (
    ("size", 0, 1024),
    ("ridge_shift", 0, 15),
    ("doubt", 0, 1024),
    ("sweeps", 1, 1000),
    ("readout_gain", 0, 4096),
)
"""Settings with the smallest and the largest value allowed."""
