"""Options of `spikewire replay`, and the check of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import UsageError, check_target
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.cli.options.shared import (
    Drop,
    Filters,
    NetworkOptions,
    RecordingOptions,
    Start,
    Stop,
    Trials,
)
from spikewire.apps.cli.output import console
from spikewire.apps.cli.units import speed_factor
from spikewire.apps.cluster import dask
from spikewire.apps.cluster.options import ClusterOptions
from spikewire.apps.replay.export import check_out
from spikewire.apps.replay.inputs import ReplayInputs, from_paths, from_session
from spikewire.apps.replay.interactive import check_terminal

if TYPE_CHECKING:
    from spikewire.apps.replay.recording import Playback


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """Labels and excerpts of the replayed recordings."""

    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Label file: lines of class,startTime_usec,endTime_usec."),
    ] = None
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Class of all recordings.")] = (
        None
    )
    session: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Recorded session to replay, with its labels."),
    ] = None
    trials: Trials = None
    start: Start = None
    stop: Stop = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackOptions:
    """Speed and display of the replay, filters and learning."""

    learn: Annotated[bool, typer.Option("--learn", help="Learn from the labels.")] = False
    speed: Annotated[
        str, typer.Option(metavar="FACTOR|max", help="Playback speed (1: real time).")
    ] = "max"
    drop: Drop = False
    filters: Filters = None
    view: Annotated[bool, typer.Option("--view", help="Show the events live.")] = False
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive",
            help="Control the replay by keys: space pauses, arrows seek, + - l, q ends.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """Files that a replay writes."""

    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.jsonl|.csv", help="Write each result to this file."),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE.png|.svg", help="Draw the confusion matrices to this file."
        ),
    ] = None
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the network at the end.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """All options of the command.

    Attributes
    ----------
    files
        Recordings, and folders of recordings.
    network, inputs, formats, playback, output, cluster
        Groups of options.
    as_json
        Whether results are printed as JSON lines.
    """

    files: tuple[Path, ...]
    network: NetworkOptions
    inputs: InputOptions
    formats: RecordingOptions
    playback: PlaybackOptions
    output: OutputOptions
    cluster: ClusterOptions
    as_json: bool

    @property
    def speed(self) -> float | None:
        """Factor of the playback speed; None for as fast as possible."""
        return speed_factor(self.playback.speed)

    @property
    def grow(self) -> bool:
        """Whether unknown labels become classes of the network."""
        return self.playback.learn or self.inputs.session is not None

    def check(self) -> None:
        """Check the options against each other, before anything is loaded.

        Raises
        ------
        UsageError
            If two options exclude each other, or a file cannot be written.
        """
        inputs, playback, output = self.inputs, self.playback, self.output
        if inputs.session is not None and self._describes_recordings():
            raise UsageError(
                "--session says what is replayed, and what it is called: give it alone"
            )
        if inputs.session is None and not self.files:
            raise UsageError("give files to replay, or --session JSON")
        if inputs.labels is not None and inputs.label is not None:
            raise UsageError("give --labels or --label, not both")
        if inputs.labels is not None and len(self.files) > 1:
            raise UsageError("--labels holds the times of one recording: replay one at a time")
        if output.save is not None:
            check_target("--save", output.save)
        if playback.view and self.as_json:
            raise UsageError("--view is for people and --json for programs: give one of them")
        speed = self.speed  # refuses what is no speed
        if self.cluster.parallel:
            self._check_parallel(paced=speed is not None)
        if playback.interactive:
            if self.as_json or self.cluster.parallel:
                raise UsageError(
                    "--interactive is for a person at a terminal: give it without "
                    "--json, --workers and --cluster"
                )
            check_terminal(console())
        if output.plot is not None:
            check_plot(output.plot)

    def _describes_recordings(self) -> bool:
        inputs, formats = self.inputs, self.formats
        excerpts = (inputs.labels, inputs.label, inputs.start, inputs.stop, inputs.trials)
        return any((self.files, *excerpts, formats.size, formats.columns, formats.unit))

    def _check_parallel(self, *, paced: bool) -> None:
        option = "--workers" if self.cluster.cluster is None else "--cluster"
        if self.playback.learn:
            raise UsageError(f"--learn goes from one recording to the next: leave {option} out")
        if self.inputs.session is not None:
            raise UsageError(f"the parts of a --session follow each other: leave {option} out")
        if paced:
            raise UsageError(f"--speed is for one recording after the other: leave {option} out")
        self.cluster.check()
        dask.require(f"replaying with {option}", dask.WORKERS)
        if self.playback.view:
            raise UsageError("--view shows one recording at a time: leave --workers out")

    def recordings(self) -> ReplayInputs:
        """Find the recordings, and check the options against them.

        Raises
        ------
        UsageError
            If an option does not fit the recordings.
        sensors.SensorError
            If a recording does not exist, or a label file is damaged.
        """
        inputs = self.inputs
        if inputs.session is not None:
            recordings = from_session(inputs.session)
        else:
            recordings = from_paths(
                self.files, labels=inputs.labels, label=inputs.label, start=inputs.start,
                stop=inputs.stop, part=inputs.trials, formats=self._formats(),
            )  # fmt: skip
        if self.playback.learn and inputs.session is None and not recordings.names:
            raise UsageError("--learn needs to be told what is shown: give --labels or --label")
        if self.output.plot is not None and not recordings.names:
            raise UsageError("--plot draws what is taken for what: give --labels or --label")
        if self.output.save is not None and self.independent(recordings):
            raise UsageError(
                "--save: each recording starts from the network as it was loaded, which "
                "stays as it is; --learn changes it"
            )
        if self.output.out is not None:
            labels = [] if inputs.labels is None else [inputs.labels]
            check_out(
                self.output.out, [*(excerpt.path for excerpt in recordings.excerpts), *labels]
            )
        return recordings

    def _formats(self) -> dict[str, Any]:
        from spikewire.sensors import parse_columns

        columns = self.formats.columns
        return {
            "size": self.formats.sensor_size(),
            "columns": None if columns is None else parse_columns(columns),
            "unit": self.formats.unit,
            "convention": self.formats.convention,
            "reader": self.formats.reader,
            "sort": self.formats.sort,
        }

    def independent(self, recordings: ReplayInputs) -> bool:
        """Tell whether each recording starts from the network as it was loaded."""
        continuous = self.playback.learn or self.playback.interactive
        return not continuous and (recordings.folder or self.cluster.parallel)

    def settings(self) -> Playback:
        """Return the settings by which recordings reach the network."""
        from spikewire.apps.replay.recording import Playback

        playback, speed = self.playback, self.speed
        if playback.interactive and speed is None:
            speed = 1.0
        return Playback(
            speed, playback.drop, tuple(playback.filters or ()), playback.learn, self.grow,
            wait=playback.interactive,
        )  # fmt: skip
