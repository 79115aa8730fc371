"""`spikewire render`: a recording as a picture or a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json, RecordingOptions, Speed
from spikewire.apps.cli.output import console, print_error, print_json
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.units import speed_factor
from spikewire.apps.recordings.picture_files import check_picture_target, write_pictures
from spikewire.apps.recordings.pictures import RGB, Picture, pictures
from spikewire.apps.recordings.view_options import Shown, ViewOptions

_FORMAT, _VIEW = RecordingOptions(), ViewOptions()

_FPS_BY_COUNT = 25.0
_FASTEST_FPS, _SLOWEST_FPS = 120.0, 1.0


@grouped
def render(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Recording of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to be written: .png, .gif or .mp4.")
    ],
    view: ViewOptions = _VIEW,
    style: Annotated[
        Literal["polarity", "surface"],
        typer.Option(help="Colours: polarities of the events, or a time surface."),
    ] = "polarity",
    speed: Speed = None,
    format: RecordingOptions = _FORMAT,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a recording: a PNG of all its events, or a GIF or MP4 of one picture after another.

    Blue is ON, orange is OFF. A film runs at the speed of the recording, or --speed times that.
    """
    view.check()
    check_picture_target(target)
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give --force to replace it")
    fps = _frames_per_s(view, speed)
    shown = Shown(source, format, view)
    size = shown.size

    def whole() -> Iterator[RGB]:
        picture, events = Picture(size, style), 0
        for chunk in shown.chunks():
            picture.add(chunk)
            events += len(chunk)
        if events:
            yield picture.draw()

    drawn = whole() if target.suffix.lower() == ".png" else pictures(shown.slices(), size, style)
    with sigterm_as_interrupt():
        count = write_pictures(target, drawn, fps)
    _report(target, count, fps, as_json=as_json)
    if shown.damage is not None:
        print_error(shown.damage)
    raise typer.Exit(DONE if shown.damage is None else FAILED)


def _frames_per_s(view: ViewOptions, speed: str | None) -> float:
    factor = 1.0 if speed is None else speed_factor(speed)
    if factor is None:
        raise UsageError("--speed max is no speed of a film; give a factor such as 0.5 or 10")
    if view.step_us is None:
        return _FPS_BY_COUNT
    fps = factor * 1e6 / view.step_us
    if not _SLOWEST_FPS <= fps <= _FASTEST_FPS:
        raise UsageError(
            f"--every {view.step_us / 1000:g}ms at --speed {factor:g} gives {fps:g} pictures a "
            f"second; allowed are {_SLOWEST_FPS:g} to {_FASTEST_FPS:g}"
        )
    return fps


def _report(target: Path, count: int, fps: float, *, as_json: bool) -> None:
    film = target.suffix.lower() != ".png"
    if as_json:
        print_json(
            {
                "type": "summary", "path": str(target), "pictures": count,
                "fps": round(fps, 3) if film else None, "bytes": target.stat().st_size,
            }
        )  # fmt: skip
        return
    detail = f", {count:,} pictures, {fps:g} a second" if film else ""
    console().print(f"{target}{detail}", markup=False, soft_wrap=True)
