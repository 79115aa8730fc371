"""Options of commands that train networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.options.shared import ShowFor
from spikewire.apps.cli.output import print_note
from spikewire.apps.training.trainer import TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec


def _distortion(text: str) -> str:
    from spikewire.sensors import DISTORTIONS

    if text not in DISTORTIONS:
        raise typer.BadParameter(f"{text} is no kind of distortion; there is sensor")
    return text


Distort = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        parser=_distortion,
        help="Distort recordings as other sensors would (sensor): fewer events, noise, hot pixels.",
    ),
]


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


def check_learning(model: str, spec: NetworkSpec) -> None:
    """Refuse a network whose widths let no weight change; an old one is trained with a note.

    Raises
    ------
    UsageError
        If a layer that shall learn cannot.
    """
    from spikewire.qcore import learning_fault

    fault = learning_fault(spec)
    if fault is None:
        return
    if spec.version > 1:
        raise UsageError(f"{model}: {fault.removesuffix('.')}")
    print_note(fault.removesuffix("."))
