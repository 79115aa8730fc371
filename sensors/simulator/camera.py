"""A simulated camera that watches one subject gesture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.datasets.gesture_names import EXTRA_GESTURES, GESTURES
from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Events
from spikewire.sensors.simulator.body import FIELDS, PARTS, measure, place_parts, pose_at, sway
from spikewire.sensors.simulator.gestures import KNOTS, Floats, Path, path, rest
from spikewire.sensors.simulator.pixels import PixelModel, Pixels, disturb, render_events
from spikewire.sensors.simulator.render import draw_textures, draw_wall, paint, shift
from spikewire.sensors.simulator.subject import Subject
from spikewire.sensors.simulator.variety import vary_place

SENSOR = (128, 128)
FRAME_US = 1_000
"""Time between painted frames; events lie between them to the microsecond."""

CHANGE_S = 0.4
"""Seconds that the hands take from one gesture to the next."""

_SOFTNESS = 1.3
_MAINS_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Sensor, background and lamp.

    Attributes
    ----------
    pixels
        How good the sensor is.
    noise
        Factor on leak, shot noise and hot pixels' rates; 0 is a sensor without them.
    clutter
        0 is a bare wall behind the subject, 1 a full office.
    shake
        How far the camera moves, in pixels.
    flicker
        Modulation of the lamp at twice the mains' 50 Hz, 0 to less than 1.
    """

    pixels: PixelModel = field(default_factory=PixelModel)
    noise: float = 1.0
    clutter: float = 0.4
    shake: float = 0.0
    flicker: float = 0.0

    def __post_init__(self) -> None:
        for name, high in (("noise", 100.0), ("clutter", 4.0), ("shake", 20.0), ("flicker", 0.99)):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise SourceError(f"{name} is {value}; allowed are values from 0 to {high:g}.")


@kernel(numba.void(numba.float64[:, ::1], numba.uint8[:, ::1], numba.float64[:, ::1]))
def _log_painted(frame, painted, logs):  # type: ignore[no-untyped-def]
    """Keep the logarithms in step with the frame where it was painted; clears the marks."""
    rows, columns = frame.shape
    for y in range(rows):
        for x in range(columns):
            if painted[y, x]:
                frame[y, x] = max(0.01, frame[y, x])
                logs[y, x] = np.log(frame[y, x])
                painted[y, x] = 0


FRAME_KERNELS = (place_parts, pose_at, shift, paint, _log_painted, render_events, disturb)
"""Kernels that a frame needs."""


class FrameCamera:
    """A DVS that is shown a picture each ``FRAME_US``. What moves in front of it is a subclass's.

    Attributes
    ----------
    conditions
        The sensor's quality, the background, the lamp.
    t
        Time seen so far, in microseconds.
    """

    conditions: Conditions
    t: int

    def _begin(self, scene: Floats, rng: np.random.Generator) -> None:
        """Take a scene that is larger than the picture, and see its first frame."""
        width, height = SENSOR
        self._scene = scene
        self._wall = np.empty((height, width))
        shift(scene, 0.0, 0.0, self._wall)
        self._wall_logs = np.log(self._wall)
        self._painted = np.zeros((height, width), np.uint8)
        self.t = 0
        frame, _ = self._frame()
        self._pixels = Pixels(_noisy(self.conditions), frame, FRAME_US, rng)

    def _frame(self) -> tuple[Floats, Floats]:
        """Return the intensities that are to be seen now, and their logarithms."""
        frame, logs = self._picture()
        _log_painted(frame, self._painted, logs)
        return frame, logs

    def _picture(self) -> tuple[Floats, Floats]:
        """Paint what is to be seen now; the logarithms are the background's."""
        raise NotImplementedError

    def _background(self, moved: tuple[float, float] | None) -> tuple[Floats, Floats]:
        """Copy the wall and its logarithms, seen by a camera that has moved by some pixels."""
        if moved is None:
            return self._wall.copy(), self._wall_logs.copy()
        frame = np.empty_like(self._wall)
        shift(self._scene, *moved, frame)
        return frame, np.log(frame)

    def _paint(
        self, parts: Floats, textures: Floats, frame: Floats, moved: tuple[float, float] | None
    ) -> None:
        """Paint a body over a frame, moved as its background is."""
        if moved is not None:
            parts[:, [0, 3]] -= moved[0]
            parts[:, [1, 4]] -= moved[1]
        paint(parts, textures, frame, self._painted, _SOFTNESS)

    def _watch(self, duration_us: int) -> Events:
        """Watch for a while, rounded down to whole frames."""
        parts = []
        for _ in range(duration_us // FRAME_US):
            before, self.t = self.t, self.t + FRAME_US
            frame, logs = self._frame()
            lamp = _lamp_at(self.conditions.flicker, self.t)
            parts.append(self._pixels.see(frame, logs, lamp, before))
        return self._pixels.read_out(parts)


class Camera(FrameCamera):
    """A DVS that watches one subject; deterministic by its arguments.

    Parameters
    ----------
    seed
        Draws the sensor, the place and how each showing of a gesture turns out.
    subject
        The number of the person who gestures.
    conditions
        The sensor's quality, the background, the lamp.
    varied
        Whether the person stands elsewhere, or makes some gestures in another way, as people do.
    distance
        Factor on how far away the person stands.

    Attributes
    ----------
    t
        Time seen so far, in microseconds.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        subject: int = 1,
        conditions: Conditions | None = None,
        varied: bool = False,
        distance: float = 1.0,
    ) -> None:
        self.conditions = conditions or Conditions()
        self.subject = Subject.number(subject)
        self._varied = varied
        if varied:
            self.subject = vary_place(self.subject)
        if distance != 1.0:
            zoom, away = self.subject.zoom / distance, self.subject.distance * distance
            self.subject = replace(self.subject, zoom=zoom, distance=away)
        rng = np.random.default_rng([seed, 0xCA3E])
        self._acts = np.random.default_rng([seed, subject, 0xAC7])
        clothes = np.random.default_rng([subject, 0xC107])
        width, height = SENSOR
        margin = 2 * math.ceil(1.5 * self.conditions.shake) + 2
        scene = draw_wall(
            rng, (width + margin, height + margin), self.subject.wall, self.conditions.clutter
        )
        self._textures = draw_textures(clothes, self.subject.folds)
        self._parts = np.empty((PARTS, FIELDS))
        self._body = measure(self.subject)
        self._waves = rng.uniform(0, 2 * math.pi, 10)
        self._pose, self._old = rest(), rest()
        self._gesture: str | None = None
        self._path = Path(np.repeat(rest()[:, None, :], KNOTS, 1), 1.0, 0.0)
        self._since = 0
        self._settled = self._fresh = True
        self._begin(scene, rng)

    def _picture(self) -> tuple[Floats, Floats]:
        seconds = self.t * 1e-6
        self._move(seconds)
        place_parts(self._body, self._pose, self._parts)
        shake, moved = self.conditions.shake, None
        if shake:
            moved = shake * self._jitter(seconds, 4), shake * self._jitter(seconds, 7)
        frame, logs = self._background(moved)
        self._paint(self._parts, self._textures, frame, moved)
        return frame, logs

    def _jitter(self, seconds: float, wave: int) -> float:
        a, b, c = self._waves[wave : wave + 3]
        turn = 2 * math.pi * seconds
        return (
            0.7 * math.sin(0.9 * turn + a)
            + 0.5 * math.sin(2.7 * turn + b)
            + 0.3 * math.sin(6.1 * turn + c)
        )

    def _move(self, seconds: float) -> None:
        """Bring hands and body to where they are at a time."""
        into = (self.t - self._since) * 1e-6
        share = 1.0 if self._settled else min(1.0, into / CHANGE_S)
        share *= share * (3 - 2 * share)
        w = self._waves
        # Nobody keeps an even beat.
        cycles = self._path.start + self._path.hertz * into + 0.03 * math.sin(2.3 * into + w[0])
        pose_at(self._path.table, cycles, self._old, share, self._pose)
        sway(self._body, self.subject.sway, self._pose, seconds, w[1:4])

    def see(self, gesture: str | None, duration_us: int) -> Events:
        """Watch the subject gesture for a while.

        Parameters
        ----------
        gesture
            What to show; None: the arms hang. Where it differs from the last call, the hands take
            ``CHANGE_S`` to get there. The first gesture is already under way.
        duration_us
            How long, rounded down to whole frames of ``FRAME_US``.

        Returns
        -------
        ndarray
            Events in time order, from the camera's ``t`` before the call to its ``t`` after.

        Raises
        ------
        SourceError
            If there is no such gesture.
        """
        if gesture is not None:
            check_gesture(gesture)
        if gesture != self._gesture:
            self.begin(gesture)
        return self._watch(duration_us)

    def begin(self, gesture: str | None) -> None:
        """Start a new showing of a gesture, even of the same one; None lets the arms hang."""
        self._settled = self._fresh
        self._fresh = False
        self._gesture, self._since = gesture, self.t
        self._old = self._pose.copy()
        if gesture is None:
            self._path = Path(np.repeat(rest()[:, None, :], KNOTS, 1), 1.0, 0.0)
            self._path.table[:, :, :3] *= self.subject.size
        else:
            self._path = path(gesture, self.subject, self._acts, self._varied)


def check_gesture(gesture: str) -> None:
    """Raise SourceError unless there is such a gesture."""
    if gesture not in GESTURES and gesture not in EXTRA_GESTURES:
        raise SourceError(
            f"{gesture!r} is no gesture; there are {', '.join(GESTURES)}, and, never shown unless "
            f"asked for, {', '.join(EXTRA_GESTURES)}."
        )


def check_recording(seconds: float, subject: int, seed: int) -> None:
    """Raise SourceError unless a recording of this length, person and seed can be."""
    if not 0 <= seconds <= 3600:
        raise SourceError(f"seconds is {seconds}; allowed are numbers from 0 to 3600.")
    for name, number in (("subject", subject), ("seed", seed)):
        if number < 0:
            raise SourceError(f"{name} is {number}; allowed are numbers from 0.")


def _lamp_at(flicker: float, t_us: int) -> float:
    """Return the logarithm of the lamp's light at a time, relative to its mean."""
    if not flicker:
        return 0.0
    return math.log1p(flicker * math.sin(4 * math.pi * _MAINS_HZ * t_us * 1e-6))


def _noisy(conditions: Conditions) -> PixelModel:
    """Return the sensor of these conditions, with its noise."""
    model, factor = conditions.pixels, conditions.noise
    return replace(
        model,
        leak_hz=model.leak_hz * factor,
        shot_hz=model.shot_hz * factor,
        hot_hz=model.hot_hz * factor,
    )


def simulate(
    gesture: str,
    *,
    subject: int = 1,
    seconds: float = 1.5,
    seed: int = 0,
    conditions: Conditions | None = None,
) -> Events:
    """Simulate a recording of one person's gesture.

    Parameters
    ----------
    gesture
        A name of ``GESTURES`` or ``EXTRA_GESTURES``. The gesture is already under way at time 0.
    subject
        Number of the person, from 0: build, clothes and habits follow from it.
    seconds
        Length, rounded down to whole milliseconds; at most 3,600.
    seed
        Draws the sensor, the room and this performance; the same seed gives the same events.
    conditions
        Quality of the sensor, background and lamp; None for the usual ones.

    Returns
    -------
    ndarray
        Contiguous ``EVENT_DTYPE`` array in time order, with times from 0 in microseconds, of a
        sensor of 128x128 pixels.

    Raises
    ------
    SourceError
        If there is no such gesture, or a number is out of range.

    Examples
    --------
    >>> from spikewire.sensors import simulate
    >>> events = simulate("hand_clapping", subject=3, seconds=0.2, seed=7)
    >>> events.dtype.names
    ('t', 'x', 'y', 'p')
    >>> bool((events["t"] < 200_000).all())
    True
    """
    check_recording(seconds, subject, seed)
    camera = Camera(seed=seed, subject=subject, conditions=conditions)
    return camera.see(gesture, round(seconds * 1e6))
