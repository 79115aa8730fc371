"""The summary of a service's pipeline, printed at its end."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.output import print_json
from spikewire.apps.service.session import SessionWriter

if TYPE_CHECKING:
    from rich.console import Console

    from spikewire.runtime import Pipeline, Summary


def print_summary(
    pipeline: Pipeline,
    done: Summary,
    recorded: Path | None,
    out: Console,
    *,
    as_json: bool,
    several: bool,
) -> None:
    """Print the computed totals, and each loss under its own name.

    Parameters
    ----------
    pipeline, done
        The pipeline, and its totals.
    recorded
        The session that the run was recorded as; None if it was not.
    out
        The console for people.
    as_json, several
        Whether to print JSON, and whether the pipeline's name is needed.
    """
    counters = {str(name): int(count) for name, count in pipeline.source.counters.items()}
    session = pipeline.record if recorded is not None else None
    record: dict[str, Any] = {"type": "summary", "source": counters, **dataclasses.asdict(done)}
    if isinstance(session, SessionWriter):
        record["recorded"] = {
            "session": str(recorded), "files": [str(part.path) for part in session.parts],
            "events": sum(part.events for part in session.parts),
        }  # fmt: skip
    if as_json:
        print_json(record)
        return
    before = f"{pipeline.name}: " if several else ""
    text = f"{done.events:,} events, {done.results:,} results, {done.updates:,} updates"
    out.print(f"{before}{done.reason}: {text}", markup=False)
    if done.checkpoint is not None:
        out.print(f"learner saved in {done.checkpoint}", markup=False, soft_wrap=True)
    if done.checkpoint_error is not None:
        text = f"the learner's last state was not saved: {done.checkpoint_error}"
        out.print(f"{before}{text}", markup=False, soft_wrap=True)
    if done.recording_error is not None:
        out.print(f"{before}{done.recording_error}", markup=False, soft_wrap=True)
    if isinstance(session, SessionWriter):
        count = sum(part.events for part in session.parts)
        again = f"spikewire replay --session {recorded}{' --learn' * (True in session.learning)}"
        text = f"recorded {count:,} events; the same again: {again}"
        out.print(text, markup=False, soft_wrap=True)
        if len(session.learning) > 1:
            out.print("note: learning was switched meanwhile, which a replay does not repeat")
    losses = {**counters, **done.drops}
    text = ", ".join(f"{name} {count:,}" for name, count in losses.items() if count)
    if text:
        out.print(f"counted: {text}", markup=False, soft_wrap=True)
