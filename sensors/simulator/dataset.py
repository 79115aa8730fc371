"""A simulated data set in the layout of DVS128 Gesture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spikewire._whole_file import write_whole
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import TEST_TRIALS, TRAIN_TRIALS
from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.recordings.labels import write_labels
from spikewire.sensors.recordings.writers import write_events
from spikewire.sensors.simulator.camera import (
    CHANGE_S,
    FRAME_US,
    SENSOR,
    Camera,
    Conditions,
    FrameCamera,
)
from spikewire.sensors.simulator.scenes import SCENES, SceneCamera

LIGHTS = ("natural", "fluorescent", "led")
"""Kinds of light: bare daylight, lamps that flicker with the mains, and a quiet sensor at night."""

MOST_NON_GESTURES = 99
_CHANGE_US = round(CHANGE_S * 1e6)
_STEP_US = 50_000


@dataclass(frozen=True, slots=True)
class SimulatedRecording:
    """One recording of the set: who, in which light, for how long each gesture.

    Attributes
    ----------
    user
        Number in the file's name, from 1.
    subject
        Number of the simulated person.
    light
        One of ``LIGHTS``.
    seconds
        How long each gesture is labelled.
    seed
        Draws the room, the sensor, and how each showing turns out.
    varied
        Whether people vary as `spikewire.sensors.simulator.variety` says.
    scene
        Number of a scene without a gesture, from 1, which is shown instead of the gestures; 0 for
        none.
    """

    user: int
    subject: int
    light: str
    seconds: float
    seed: int
    varied: bool = False
    scene: int = 0

    @property
    def name(self) -> str:
        """The recording's file name."""
        return f"user{self.user:02}_{self.light}{f'_none{self.scene}' * bool(self.scene)}.aedat"

    @property
    def shown(self) -> int:
        """Number of labels of the recording."""
        return 1 if self.scene else len(GESTURES)

    @property
    def kind(self) -> str | None:
        """One of ``SCENES``; over the people and their scenes each kind comes up as often."""
        return SCENES[(self.subject + self.scene) % len(SCENES)] if self.scene else None


def plan_set(
    subjects: int = 29,
    *,
    lights: Sequence[str] = LIGHTS,
    seconds: float = 6.0,
    seed: int = 0,
    varied: bool = False,
    non_gestures: int = 0,
) -> list[SimulatedRecording]:
    """List the recordings of a set.

    Parameters
    ----------
    subjects, lights
        Number of people, and the lights that each of them is recorded in.
    seconds
        How long each gesture, and each scene without one, is labelled.
    seed
        Draws people, rooms, sensors and movements.
    varied
        Whether people vary as `spikewire.sensors.simulator.variety` says.
    non_gestures
        Number of scenes without a gesture of each person in each light. The recordings of the
        gestures are the same with any number.

    Raises
    ------
    SensorError
        If a setting is impossible.
    """
    if not 2 <= subjects <= 999:
        raise SensorError(f"subjects is {subjects}; allowed are 2 to 999.")
    if not 0.1 <= seconds <= 60:
        raise SensorError(f"seconds is {seconds}; allowed are 0.1 to 60.")
    if not 0 <= seed < 1 << 20:
        raise SensorError(f"seed is {seed}; allowed are 0 to {(1 << 20) - 1}.")
    if not 0 <= non_gestures <= MOST_NON_GESTURES:
        raise SensorError(f"non_gestures is {non_gestures}; allowed are 0 to {MOST_NON_GESTURES}.")
    for light in lights:
        if light not in LIGHTS:
            raise SensorError(f"light is {light!r}; allowed are {', '.join(LIGHTS)}.")
    return [
        SimulatedRecording(
            user, 10_000 * (seed + 1) + user, light, seconds, 1000 * seed + number, varied, scene
        )
        for user in range(1, subjects + 1)
        for number, light in enumerate(lights)
        for scene in range(non_gestures + 1)
    ]


def draw_conditions(take: SimulatedRecording) -> Conditions:
    """Draw a room for a take; the light decides what disturbs."""
    place = [take.seed, take.subject, 0x11647]
    rng = np.random.default_rng([*place, take.scene] if take.scene else place)
    noise = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    return Conditions(
        clutter=rng.uniform(0.0, 1.0),
        noise=noise * (0.5 if take.light == "led" else 1.0),
        flicker=rng.uniform(0.02, 0.07) if take.light == "fluorescent" else 0.0,
    )


def simulate_recording(take: SimulatedRecording, folder: Path) -> int:
    """Simulate and write one recording and its labels; returns its number of events.

    The gestures follow each other in the order of their classes, as in the published set. A label
    begins when the hands have arrived. A scene without a gesture is of the last class from its
    beginning to its end.
    """
    labels: list[tuple[str, int, int]] = []
    path = folder / take.name
    count = write_events(_show(take, labels), path, SENSOR)
    write_labels(path.with_name(f"{path.stem}_labels.csv"), labels)
    return count


def simulate_arrays(take: SimulatedRecording, folder: Path) -> int:
    """Simulate one recording, and write its gestures as Tonic does; returns the number of events.

    A folder of the recording's name in ``folder`` holds ``0.npy`` to ``10.npy``: tables of
    x, y, p and t, with times in milliseconds from the start of the label.
    """
    labels: list[tuple[str, int, int]] = []
    events = np.concatenate(list(_show(take, labels)))
    inside = folder / Path(take.name).stem
    inside.mkdir(parents=True)
    count = 0
    for name, start, stop in labels:
        first, last = np.searchsorted(events["t"], (start, stop))
        part = events[first:last]
        columns = [part["x"], part["y"], part["p"], (part["t"] - start) // 1000]
        np.save(inside / f"{int(name) - 1}.npy", np.stack(columns, axis=1).astype(np.float64))
        count += len(part)
    return count


def _show(take: SimulatedRecording, labels: list[tuple[str, int, int]]) -> Iterator[Events]:
    """Yield the events of a recording, and add its labels."""
    span = round(take.seconds * 1e6 / FRAME_US) * FRAME_US
    if take.kind is not None:
        yield from _show_scene(take, take.kind, span)
        labels.append((str(GESTURES.index("other_gestures") + 1), 0, span))
        return
    camera = Camera(
        seed=take.seed,
        subject=take.subject,
        conditions=draw_conditions(take),
        varied=take.varied,
    )
    for number, gesture in enumerate(GESTURES, 1):
        camera.begin(gesture)
        start = camera.t + (_CHANGE_US if camera.t else 0)
        stop = start + span
        yield from _until(camera, partial(camera.see, gesture), stop)
        labels.append((str(number), start, stop))


def _show_scene(take: SimulatedRecording, kind: str, span_us: int) -> Iterator[Events]:
    camera = SceneCamera(
        kind,
        seconds=take.seconds,
        seed=100 * take.seed + take.scene,
        subject=take.subject,
        conditions=draw_conditions(take),
    )
    yield from _until(camera, camera.see, span_us)


def _until(camera: FrameCamera, see: Callable[[int], Events], stop_us: int) -> Iterator[Events]:
    """Yield what a camera sees up to a time, in parts."""
    while camera.t < stop_us:
        events = see(min(_STEP_US, stop_us - camera.t))
        if len(events):
            yield events


def write_trials(folder: Path, takes: Sequence[SimulatedRecording], train: int) -> None:
    """Write the two lists of recordings: the first ``train`` users, and the others.

    Raises
    ------
    SensorError
        If one of the lists would be empty.
    """
    lists: dict[str, list[str]] = {TRAIN_TRIALS: [], TEST_TRIALS: []}
    for take in takes:
        lists[TRAIN_TRIALS if take.user <= train else TEST_TRIALS].append(take.name)
    for name, lines in lists.items():
        if not lines:
            raise SensorError(f"{name} would be empty: {train} subjects to train with of all.")
        write_whole(folder / name, "\n".join(lines) + "\n")
