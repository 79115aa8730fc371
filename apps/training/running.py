"""A training with a progress bar and resume points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.output import progress_bar

if TYPE_CHECKING:
    from spikewire.apps.training.resume import ResumePoints
    from spikewire.apps.training.trainer import Progress, Trainer


def run_with_bar(
    trainer: Trainer,
    progress: Progress,
    points: ResumePoints | None,
    after_pass: Callable[[dict[str, Any]], None],
    name: str | None = None,
) -> None:
    """Train from ``progress`` to the end.

    Parameters
    ----------
    trainer, progress
        The training, and the point to begin at.
    points
        Resume points to save; None for none.
    after_pass
        Called with the record of each pass.
    name
        Text beside the bar; by default the number of the pass.
    """
    passes, portions = trainer.plan.passes, trainer.portions
    with progress_bar() as bar:
        task = bar.add_task(
            name or f"pass {progress.number + 1}",
            total=passes * portions,
            completed=progress.number * portions + progress.portion,
        )

        def after_portion(now: Progress) -> None:
            told = name or f"pass {min(now.number + 1, passes)}"
            bar.update(task, completed=now.number * portions + now.portion, description=told)
            if points is not None:
                points.after_portion(now, trainer.network)

        trainer.run(progress, after_portion=after_portion, after_pass=after_pass)
