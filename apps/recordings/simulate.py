"""`spikewire simulate`: a labelled data set from the simulated camera."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spikewire._children import exit_with_parent
from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options.shared import Json, length_s
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import duration_us, names

if TYPE_CHECKING:
    from spikewire.sensors import SimulatedRecording

    _Write = Callable[[SimulatedRecording, Path], int]


def simulate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder, new or empty.")],
    subjects: Annotated[int, typer.Option(min=2, max=999, help="Number of simulated people.")] = 29,
    train: Annotated[
        int | None,
        typer.Option(min=1, help="People in the training list (default: 4/5)."),
    ] = None,
    lights: Annotated[
        str,
        typer.Option(metavar="A,B", help="Lighting: natural, fluorescent, led."),
    ] = "natural,fluorescent,led",
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=duration_us,
            help="Length of each gesture (default: 6s).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of people, motions and noise.")] = 0,
    varied: Annotated[
        bool,
        typer.Option(
            "--varied", help="Vary how and where people make each gesture, class by class."
        ),
    ] = False,
    non_gestures: Annotated[
        int,
        typer.Option(
            "--non-gestures",
            min=0,
            max=99,
            metavar="N",
            help="Scenes without a gesture of each person in each light, as other_gestures: a "
            "shaken or panned camera, people who walk, fidget, come and go.",
        ),
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes (default: one per core).")
    ] = None,
    layout: Annotated[
        Literal["published", "tonic"],
        typer.Option(help="Layout of the folder: as published, or as Tonic unpacks it."),
    ] = "published",
    as_json: Json = False,
) -> None:
    """Simulate a data set of people making gestures, in the layout of DVS128 Gesture.

    The folder holds AEDAT 3.1 recordings userNN_LIGHT.aedat with their labels. The lists
    trials_to_train.txt and trials_to_test.txt share no person. With --layout tonic it holds an
    array per gesture in ibmGestureTrain and ibmGestureTest. The same options give the same bytes.
    Scenes without a gesture lie in recordings of their own, userNN_LIGHT_noneK.aedat.
    """
    seconds = length_s(for_us, default=6.0, least=0.1, most=60)
    from spikewire.sensors import (
        SensorError,
        plan_set,
        simulate_arrays,
        simulate_recording,
        write_trials,
    )

    first = max(1, subjects * 4 // 5) if train is None else train
    if first >= subjects:
        raise UsageError(f"--train {first} of {subjects} subjects leaves nobody to test with")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out}: there is something already")
    try:
        takes = plan_set(
            subjects, lights=names(lights), seconds=seconds, seed=seed, varied=varied,
            non_gestures=non_gestures,
        )  # fmt: skip
    except SensorError as error:
        raise UsageError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    write: _Write = simulate_recording
    folders = dict.fromkeys(takes, out)
    if layout == "tonic":
        write = simulate_arrays
        train_part, test_part = out / "ibmGestureTrain", out / "ibmGestureTest"
        folders = {take: train_part if take.user <= first else test_part for take in takes}
    events = _record(folders, write, jobs or os.cpu_count() or 1, quiet=as_json)
    if layout == "published":
        write_trials(out, takes, first)
    took = time.perf_counter() - began
    scenes = sum(take.scene > 0 for take in takes)
    gestures = sum(take.shown for take in takes) - scenes
    simulated_s = (gestures + scenes) * seconds
    if as_json:
        print_json(
            {
                "type": "summary", "folder": str(out), "recordings": len(takes),
                "subjects": subjects, "train": first, "gestures": gestures, "non_gestures": scenes,
                "events": events, "shown_s": simulated_s, "took_s": round(took, 1),
            }
        )  # fmt: skip
    else:
        console().print(
            f"{out}: {len(takes)} recordings of {subjects} people ({first} to train with), "
            f"{events:,} events; {simulated_s:,.0f} s shown, simulated in {took:,.0f} s",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    raise typer.Exit(DONE)


def _record(
    folders: Mapping[SimulatedRecording, Path], write: _Write, jobs: int, *, quiet: bool
) -> int:
    events = 0
    columns = (TextColumn("recording"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=stderr_console(), disable=quiet
    ) as progress:
        bar = progress.add_task("", total=len(folders))
        if jobs == 1:
            for take, folder in folders.items():
                events += write(take, folder)
                progress.advance(bar)
            return events
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(jobs, len(folders)), context, initializer=exit_with_parent
        ) as pool:
            try:
                for done in as_completed(
                    [pool.submit(write, take, folder) for take, folder in folders.items()]
                ):
                    events += done.result()
                    progress.advance(bar)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return events
