"""Options of commands that train networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.options.shared import ShowFor
from spikewire.apps.training.trainer import TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Length of a training, and how it presents recordings.

    Attributes
    ----------
    passes, batch, shift
        None for the network's own training settings.
    show
        Duration in microseconds; None for the data set's default.
    """

    passes: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Passes over the training part (default: by the model)."
        ),
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Recordings learned side by side (default: by the model)."
        ),
    ] = None
    shift: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, metavar="PIXELS",
            help="Largest random shift of a recording (default: by the model).",
        ),
    ] = None  # fmt: skip
    show: ShowFor = None

    def plan(self, spec: NetworkSpec, seed: int) -> TrainingPlan:
        """Return the plan for a network; options that are None come from its settings."""
        return TrainingPlan.best(spec, self.passes, self.batch, self.shift, seed)
