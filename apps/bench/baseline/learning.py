"""Learning rule of the float baseline: constants, loss and optimiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikewire.apps.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Rule:
    """Constants of the neurons and of the learning rule.

    Attributes
    ----------
    alpha, beta, refractory
        Factors by which the traces P, Q and R decay from one tick to the next.
    burn_in
        Ticks of a recording that are neither learned from nor read.
    every, gather
        A gradient is taken in every so many ticks; so many are added up before each step.
    rate
        Largest step of a weight, relative to the RMS of its layer's calibrated weights.
    adamax, normalise, bias_rate
        Decays of the optimiser's mean and norm; what shares one norm: every ``weight`` by itself,
        a ``channel`` or a ``layer``; a bias's rate relative to a weight's.
    dropout
        Share of a layer's activations that its readout does not see while it learns.
    last
        What the last layer's readout reads: ``spikes``, or the logistic function ``sigmoid`` of
        its membranes, as in the published code.
    surrogate, window
        Derivative of a spike by its membrane: a ``boxcar`` of that half width, or ``sigmoid``.
    loss, feedback, learned_readout, amplitude
        Of the local readouts: ``smooth_l1`` or ``cross_entropy``; errors return through the
        ``transpose`` or a ``concordant`` matrix of the same signs; whether they learn; and how far
        their weights reach, times the root of the neurons.
    floor, ceiling
        Strength of the push on layers that are too quiet, or too loud.
    mean, deviation
        What calibration makes of the drives; the threshold is at zero. One pass of N-MNIST
        gave 0.58 with a mean of 0 (38 % of the second layer fire in a tick), 0.805 with -1 and
        0.815 with -2 (20 %).
    probe_rate, probe_every
        Rate of the trained readouts, and ticks between their steps.
    """

    alpha: float = 0.97
    beta: float = 0.85
    refractory: float = 0.65
    burn_in: int = 50
    every: int = 1
    gather: int = 1
    rate: float = 1e-3
    adamax: tuple[float, float] = (0.0, 0.95)
    normalise: str = "weight"
    bias_rate: float = 1.0
    dropout: float = 0.0
    last: str = "spikes"
    surrogate: str = "boxcar"
    window: float = 0.5
    loss: str = "smooth_l1"
    feedback: str = "transpose"
    learned_readout: bool = False
    amplitude: float = 0.5
    floor: float = 0.0
    ceiling: float = 0.0
    mean: float = -2.0
    deviation: float = 1.0
    probe_rate: float = 1e-3
    probe_every: int = 10

    def check(self) -> None:
        """Refuse unknown names."""
        for field, allowed in (
            ("surrogate", ("boxcar", "sigmoid")),
            ("normalise", ("weight", "channel", "layer")),
            ("last", ("spikes", "sigmoid")),
            ("loss", ("smooth_l1", "cross_entropy")),
            ("feedback", ("transpose", "concordant")),
        ):
            if getattr(self, field) not in allowed:
                raise CommandError(
                    f"{field} is {getattr(self, field)!r}; allowed are {', '.join(allowed)}"
                )


class Adamax:
    """Adam with the infinity norm (Kingma and Ba 2015), in place, for one array."""

    def __init__(
        self, value: Tensor, rate: float, betas: tuple[float, float], share: str = "weight"
    ) -> None:
        self.value, self.rate = value, rate
        self._betas, self._share = betas, share
        self._mean = torch.zeros_like(value)
        self._norm = torch.zeros_like(value)
        self._steps = 0

    def step(self, gradient: Tensor, scale: float = 1.0) -> None:
        """Move the array against its gradient."""
        self._steps += 1
        first, second = self._betas
        size = gradient.abs()
        if self._share == "channel":
            size = size.amax(1, keepdim=True).expand_as(size)
        elif self._share == "layer":
            size = size.amax().expand_as(size)
        torch.maximum(self._norm.mul_(second), size, out=self._norm)
        if first:
            self._mean.mul_(first).add_(gradient, alpha=1 - first)
            gradient = self._mean
        rate = self.rate * scale / (1 - first**self._steps)
        self.value.addcdiv_(gradient, self._norm + 1e-12, value=-rate)


def loss_gradient(read: Tensor, target: Tensor, loss: str) -> Tensor:
    """Compute the derivative of a loss by a local readout.

    Parameters
    ----------
    read
        The readout: [class, sample].
    target
        The one-hot target: [class, sample].
    loss
        ``smooth_l1`` or ``cross_entropy``.
    """
    if loss == "cross_entropy":
        return torch.softmax(read, 0) - target
    # The derivative of the smooth L1 loss: the difference, held within one.
    return (read - target).clamp(-1.0, 1.0)
