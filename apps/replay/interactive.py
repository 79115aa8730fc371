"""Interactive replay: keys that pause, seek, loop and change the speed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import trio
from rich.console import Console

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.units import format_us
from spikewire.apps.replay.progress import LiveView
from spikewire.apps.replay.score import ReplayScore
from spikewire.apps.terminal.event_tap import EventTap
from spikewire.apps.terminal.keyboard import Keyboard
from spikewire.apps.terminal.scene import Scene
from spikewire.sensors import DEFAULT_JUMP_S, JumpFinder, SourceWrapper

if TYPE_CHECKING:
    from spikewire.apps.replay.recording import Playback
    from spikewire.apps.replay.runner import ResultSink
    from spikewire.qcore import Network
    from spikewire.sensors import Deliver, Excerpt, Packet, Source

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, None)
"""Speeds that + and - step through; None is as fast as possible."""

STEPS_US = {
    "left": -1_000_000, "right": 1_000_000, "down": -10_000_000, "up": 10_000_000,
    "shift-left": -10_000_000, "shift-right": 10_000_000,
}  # fmt: skip
"""Distance by which a key seeks, in microseconds."""


class Controlled(Protocol):
    """A source whose replay can be controlled."""

    @property
    def replay(self) -> Mapping[str, Any]:
        """State of the replay."""

    async def control(self, **changes: Any) -> None:
        """Change the state."""


async def handle_key(source: Controlled, key: str) -> None:
    """Control a replay by a key: space, arrows, + and -, l; others are ignored.

    Raises
    ------
    sensors.SourceError
        If the recording cannot be replayed from there.
    """
    state = source.replay
    if key == "space":
        await source.control(paused=not state["paused"])
    elif key == "l":
        await source.control(loop=not state["loop"])
    elif key in ("+", "="):
        await source.control(speed=_faster(state["speed"]))
    elif key in ("-", "_"):
        await source.control(speed=_slower(state["speed"]))
    elif key in STEPS_US:
        wanted = max(state["position_us"] + STEPS_US[key], 0)
        if state["duration_us"] is not None:
            wanted = min(wanted, state["duration_us"])
        await source.control(position_us=wanted)


def _faster(speed: float | None) -> float | None:
    if speed is None:
        return None
    return next((step for step in SPEEDS if step is None or step > speed), None)


def _slower(speed: float | None) -> float:
    slower = [step for step in SPEEDS if step is not None and (speed is None or step < speed)]
    return slower[-1] if slower else SPEEDS[0] or 0.1


class _SegmentFiles(SourceWrapper):
    """A source that records the recording of each segment in the results.

    The network counts segments at jumps of time, too.
    """

    def __init__(self, source: Source, files: dict[int, int]) -> None:
        super().__init__(source)
        self._files = files
        self._jumps = JumpFinder(round(DEFAULT_JUMP_S * 1e6))
        self._segment = 0

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        if packet.segment != self._segment:
            self._segment = packet.segment
            self._jumps.begin()
        number = packet.segment + self._jumps.count
        self._jumps.find(packet.events["t"])
        for segment in range(number, packet.segment + self._jumps.count + 1):
            self._files.setdefault(segment, self._source.replay["number"])  # type: ignore[attr-defined]
        await deliver(packet)


class InteractiveView(LiveView):
    """Live view with keys.

    Attributes
    ----------
    left
        Whether the view was ended by its key.
    files
        Number of the recording of each segment.
    """

    def __init__(
        self, score: ReplayScore, total: int, console: Console, keyboard: Keyboard | None = None
    ) -> None:
        super().__init__(score, total, console)
        self.left = False
        self.files: dict[int, int] = {}
        self._keyboard = Keyboard() if keyboard is None else keyboard
        self._source: Controlled | None = None
        self._note = ""
        self._end = trio.Event()

    def __enter__(self) -> Self:
        self._keyboard.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self._keyboard.__exit__(None, None, None)
            raise

    def __exit__(self, *_: object) -> None:
        try:
            super().__exit__()
        finally:
            self._keyboard.__exit__()

    def wrap_source(self, source: Source) -> Source:
        self._source = source  # type: ignore[assignment]
        self._tap = EventTap(_SegmentFiles(source, self.files))
        return self._tap

    async def measure(self) -> None:
        """Do nothing: the source knows the length of its recordings."""

    async def companion(self) -> None:
        """Redraw and handle keys."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keyboard.listen, self.press)
            await super().companion()

    async def until(self) -> None:
        """Wait for the key that ends the replay."""
        await self._end.wait()

    async def press(self, key: str) -> None:
        """Handle a key."""
        from spikewire.sensors import SensorError

        self._note = ""
        if key == "q":
            self.left = True
            self._end.set()
        elif self._source is not None:
            try:
                await handle_key(self._source, key)
            except SensorError as error:
                self._note = str(error)

    def scene(self) -> Scene:
        scene = super().scene()
        if self._source is None:
            return scene
        state = self._source.replay
        scene.title = f"{state['file']} • space ←→ ↑↓ + - l q"
        speed = "full speed" if state["speed"] is None else f"{state['speed']:g}x"
        parts = [format_us(state["position_us"]), speed]
        if state["duration_us"]:
            scene.progress = min(state["position_us"] / state["duration_us"], 1.0)
            parts[0] += f" of {format_us(state['duration_us'])}"
        parts += [name for name in ("paused", "loop") if state[name]]
        scene.footer = self._note or ", ".join(parts)
        return scene


def run_interactive(
    network: Network,
    excerpts: Sequence[Excerpt],
    playback: Playback,
    sink: ResultSink,
    view: InteractiveView,
) -> bool:
    """Replay recordings under control of keys.

    The sink gets each stretch between two jumps as a recording of its own.

    Returns
    -------
    bool
        Whether the replay was interrupted, other than by its key.
    """
    from spikewire.apps.replay.recording import replay_recording

    def take(result: dict[str, Any]) -> None:
        played = sink.score.played
        number = result["segment"]
        if not played or played[-1].segment != number:
            sink.score.begin(str(excerpts[view.files.get(number, 0)].path), number)
        sink.take(result)
        view.take(result)

    view.begin(0, excerpts[0])
    outcome = replay_recording(
        network,
        excerpts,
        playback,
        take,
        wrap_source=view.wrap_source,
        companion=view.companion,
        until=view.until,
    )
    if not sink.score.played:
        sink.begin(0, excerpts[0])
    sink.end(outcome)
    return outcome.stopped and not view.left


def check_terminal(out: Console) -> None:
    """Check that there is a terminal for keys and for the view.

    Raises
    ------
    UsageError
        If standard input or output is not a terminal.
    """
    if not (sys.stdin.isatty() and out.is_terminal and not out.is_dumb_terminal):
        raise UsageError("--interactive needs a terminal to listen to and to draw on")
