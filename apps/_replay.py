"""`spikewire replay`: the network over recordings, as fast as the machine goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer
from rich.table import Table

from apps._errors import DONE, FAILED, UsageError
from apps._inprocess import compute
from apps._open import behind, load_kernels, open_network
from apps._options import (
    DEFAULT_MODEL,
    Classes,
    Columns,
    Filters,
    Json,
    Model,
    Seed,
    Size,
    Start,
    Stop,
    Unit,
)
from apps._quantities import names, sensor_size, speed_factor
from apps._say import complain, console, json_line, remarks
from apps._session import load_session
from apps._tally import Tally
from apps._view import share

if TYPE_CHECKING:
    from runtime import Summary
    from sensors import Excerpt

# Fields of a message that say how and when it came, not what the network said.
_NOT_THE_ANSWER = {"type", "topic", "seq", "latency_us"}


def replay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings, shown one after the other.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    classes: Classes = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Lines of class,startTime_usec,endTime_usec."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="All that is shown is this class.")
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="A recorded session, with its own labels and ends."),
    ] = None,
    learn: Annotated[bool, typer.Option("--learn", help="Learn from the labels.")] = False,
    start: Start = None,
    stop: Stop = None,
    speed: Annotated[str, typer.Option(metavar="FACTOR|max", help="1 is real time.")] = "max",
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out events that break a rule, and count them.")
    ] = False,
    size: Size = None,
    columns: Columns = None,
    unit: Unit = None,
    filters: Filters = None,
    seed: Seed = 0,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the network afterwards.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the network over recordings and say what it recognised.

    The same recordings give the same results, bit for bit, at every speed. With labels it says
    how often it was right; with --learn it learns from them.
    """
    files = files or []
    if session is not None and (files or labels or label or start or stop):
        raise UsageError("--session says what is replayed, and what it is called: give it alone")
    if session is None and not files:
        raise UsageError("give files to replay, or --session JSON")
    if labels is not None and label is not None:
        raise UsageError("give --labels or --label, not both")
    if labels is not None and len(files) > 1:
        raise UsageError("--labels holds the times of one recording: replay one at a time")
    if learn and labels is None and label is None and session is None:
        raise UsageError("--learn needs to be told what is shown: give --labels or --label")
    if save is not None and not save.absolute().parent.is_dir():
        raise UsageError(f"--save {save}: there is no folder {save.parent}")
    factor = speed_factor(speed)
    load_kernels()
    from sensors import FileSource
    from sensors import parse_columns as parsed

    how = {
        "size": None if size is None else sensor_size(size),
        "columns": None if columns is None else parsed(columns),
        "unit": unit,
    }
    told: dict[str, Any] = {}
    if session is not None:
        excerpts, told = load_session(session)
    else:
        excerpts = _excerpts(files, labels, label, start, stop, how)
    recordings = FileSource(excerpts, speed=factor, policy="drop" if drop else "raise")
    source = behind(recordings, filters)
    network = open_network(
        model, names(classes) or tuple(told.get("classes", ())) or _names(excerpts), seed
    )
    if not learn and model in _presets():
        remarks().print(f"note: {model} is untrained here, so its answers mean nothing yet")
    tally = Tally()

    def take(result: Mapping[str, Any]) -> None:
        tally.add(result["class"], result["truth"])
        if as_json:
            json_line({key: result[key] for key in result if key not in _NOT_THE_ANSWER})

    work = partial(compute, source, network, take, learn=learn, labels="source")
    try:
        summary = trio.run(work)
    except Exception:
        # What came before the damage has been computed; the error itself follows.
        _report(tally, None, as_json)
        raise
    _report(tally, summary, as_json)
    if (labels or label) and not tally.judged:
        remarks().print("note: no label covers what was shown; label times are the recording's own")
    if summary.reason == "stopped":
        complain("interrupted" + ("; nothing was saved" if save is not None else ""))
        raise typer.Exit(FAILED)
    if save is not None:
        network.save(save)
        remarks().print(f"saved in {save}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _presets() -> Sequence[str]:
    from qcore import preset_names

    return preset_names()


def _excerpts(
    files: Sequence[Path],
    labels: Path | None,
    label: str | None,
    start: int | None,
    stop: int | None,
    how: dict[str, Any],
) -> list[Excerpt]:
    from sensors import Excerpt, read_labels

    named = () if labels is None else read_labels(labels)
    return [Excerpt(path, start or 0, stop, named, label, **how) for path in files]


def _names(excerpts: Sequence[Excerpt]) -> tuple[str, ...]:
    """The classes that the labels name, in the order in which they are first shown."""
    found = dict.fromkeys(one.name for excerpt in excerpts for one in excerpt.labels)
    found |= dict.fromkeys(excerpt.label for excerpt in excerpts if excerpt.label is not None)
    return tuple(found)


def _report(tally: Tally, summary: Summary | None, as_json: bool) -> None:
    by_class = tally.by_class()
    if as_json:
        record: dict[str, Any] = {"type": "summary", "results": tally.results}
        if summary is not None:
            record |= {"events": summary.events, "tick": summary.tick, "updates": summary.updates}
        if tally.judged:
            record |= {"accuracy": tally.accuracy, "judged": tally.judged, "by_class": by_class}
        json_line(record)
        return
    out = console()
    if by_class:
        table = Table("class", "results", "right", "mostly taken for")
        for name, row in by_class.items():
            right = share(row["right"], row["judged"])
            table.add_row(name, str(row["judged"]), right, row["mostly"] or "nothing")
        out.print(table)
    events = "" if summary is None else f"{summary.events} events, "
    right = f", {share(tally.right, tally.judged)} right" if tally.judged else ""
    out.print(f"{events}{tally.results} results{right}")
    if not tally.judged:
        said = ", ".join(f"{name} {count}" for name, count in tally.said.most_common())
        out.print(f"recognised: {said or 'nothing'}", markup=False)
