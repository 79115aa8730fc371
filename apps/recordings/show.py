"""`spikewire show`: a recording played in the terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from spikewire.apps.cli.errors import DONE, FAILED, CommandError
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import RecordingOptions, Speed
from spikewire.apps.cli.output import console, print_error
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.units import format_rate, format_us, speed_factor
from spikewire.apps.recordings.view_options import Shown, ViewOptions
from spikewire.apps.terminal.event_image import EventImage

_FORMAT, _VIEW = RecordingOptions(), ViewOptions()


@grouped
def show(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Recording of any format.")],
    view: ViewOptions = _VIEW,
    speed: Speed = None,
    still: Annotated[
        bool, typer.Option("--still", help="Print one picture of all events and end.")
    ] = False,
    format: RecordingOptions = _FORMAT,
) -> None:
    """Play a recording in the terminal, as coloured dots; Ctrl-C ends it.

    Blue is ON, orange is OFF. Where the output is no terminal, one picture of all events is
    printed. spikewire render writes a picture or a film to a file.
    """
    view.check()
    factor = 1.0 if speed is None else speed_factor(speed)
    shown = Shown(source, format, view)
    if still or not console().is_terminal:
        _print_still(shown)
    else:
        with sigterm_as_interrupt():
            _play(shown, view, factor)
    if shown.damage is not None:
        print_error(shown.damage)
    elif not shown.events:
        raise CommandError(shown.empty())
    raise typer.Exit(DONE if shown.damage is None else FAILED)


def _image(shown: Shown) -> EventImage:
    """Make an empty picture that fits the terminal, in the sensor's proportions."""
    width, height = shown.size
    space = console().size
    columns, rows = max(8, space.width - 1), max(4, space.height - 3)
    scale = min(2 * columns / width, 4 * rows / height)
    return EventImage(
        (width, height), max(1, round(width * scale / 2)), max(1, round(height * scale / 4))
    )


def _print_still(shown: Shown) -> None:
    image, events, first, last = _image(shown), 0, 0, 0
    for chunk in shown.chunks():
        first = first if events else int(chunk["t"][0])
        last = int(chunk["t"][-1])
        events += len(chunk)
        image.add(chunk)
    if not events:
        return
    console().print(image.render())
    console().print(_caption(shown, last - first, last - first, events), markup=False)


def _play(shown: Shown, view: ViewOptions, factor: float | None) -> None:
    image = _image(shown)
    began, position, first = time.monotonic(), 0, None
    with Live(console=console(), auto_refresh=False, screen=True) as live:
        for events in shown.slices():
            span = view.step_us or 0
            if len(events):
                first = int(events["t"][0]) if first is None else first
                image.add(events)
                if view.step_us is None:
                    span = int(events["t"][-1]) - int(events["t"][0])
            position += span
            caption = _caption(shown, position, span, len(events))
            live.update(Group(image.render(), Text(caption)), refresh=True)
            image.fade()
            if factor is not None:
                wait = began + position / 1e6 / factor - time.monotonic()
                time.sleep(max(0.0, wait))


def _caption(shown: Shown, position_us: int, span_us: int, events: int) -> str:
    rate = f", {format_rate(events * 1e6 / span_us)}" if span_us else ""
    return f"{shown.recording.path.name}  {format_us(position_us)}  {events:,} events{rate}"
