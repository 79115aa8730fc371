"""Scene of a live stream: picture, scores by class, rate, latency and accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from spikewire.apps.cli.units import format_rate, format_us
from spikewire.runtime import NOTHING, UNKNOWN

_BAR = 12
# A lateness that a person notices.
_LATE_US = 1_000_000
# In characters: what fits a terminal of 80 with a picture of 32, and without one.
_WIDTH, _WIDTH_WITHOUT = 80, 48
RIGHT_STYLE, WRONG_STYLE = "bold green", "bold red"


@dataclass(slots=True)
class Scene:
    """One moment of a live stream.

    Attributes
    ----------
    scores
        The network's integer score by class.
    truth
        The true class, where the source knows it.
    shares
        Percentages by class of the answer's window; scores are drawn where there are none.
    recognised, share, standing
        The answer, the percentage of the class that leads, and its relation to the next.
    behind_us
        Latency of the newest result.
    correct, labelled
        Results that named the true class, of so many that had one.
    """

    title: str
    scores: Mapping[str, int] = field(default_factory=dict)
    recognised: str | None = None
    truth: str | None = None
    teaching: str | None = None
    rate: float | None = None
    latency_us: float | None = None
    dropped: int = 0
    correct: int = 0
    labelled: int = 0
    progress: float | None = None
    footer: str = ""
    shares: Mapping[str, int] = field(default_factory=dict)
    share: int | None = None
    standing: str = ""
    behind_us: float = 0.0


def share(correct: int, labelled: int) -> str:
    """`87 %`, or a dash without labelled results."""
    return f"{100 * correct / labelled:.0f} %" if labelled else "-"


def draw(scene: Scene, image: Text | None = None) -> RenderableType:
    """Return the scene as one renderable, 80 columns wide with a picture and 48 without."""
    facts = Group(_headline(scene), Text(), bars(scene), Text(), status_line(scene))
    body: RenderableType = facts
    if image is not None:
        body = Table.grid(padding=(0, 2))
        body.add_row(image, facts)
    parts: list[RenderableType] = [body]
    if scene.progress is not None:
        parts.append(ProgressBar(total=1.0, completed=scene.progress))
    title = Text(f" {scene.title} ", "bold")
    subtitle = Text(f" {scene.footer} " if scene.footer else "", "dim")
    # A width of its own keeps the frame still while its content changes.
    width = _WIDTH if image is not None else _WIDTH_WITHOUT
    return Panel(Group(*parts), title=title, subtitle=subtitle, width=width, padding=(0, 1))


def _headline(scene: Scene) -> RenderableType:
    lines = Table.grid(padding=(0, 1))
    if scene.truth is not None:
        lines.add_row(Text("shown", "dim"), Text(display_name(scene.truth), "bold"))
    if scene.teaching is not None:
        lines.add_row(Text("teaching", "dim"), Text(display_name(scene.teaching), "bold yellow"))
    lines.add_row(Text("recognised", "dim"), _recognised(scene))
    if scene.standing:
        words = Text(scene.standing, "dim", no_wrap=True, overflow="ellipsis")
        lines.add_row(Text(), words)
    return lines


def _recognised(scene: Scene) -> Text:
    if scene.recognised is None:
        return Text("-", "dim")
    name = display_name(scene.recognised)
    if scene.recognised in (UNKNOWN, NOTHING):
        return Text(name, "yellow" if scene.recognised == UNKNOWN else "dim")
    if scene.share is not None:
        name = f"{name} {scene.share} %"
    if scene.truth is None or scene.teaching is not None:
        return Text(name, "bold")
    if scene.recognised == scene.truth:
        return Text(f"{name} \N{CHECK MARK}", RIGHT_STYLE)
    return Text(f"{name} \N{BALLOT X}", WRONG_STYLE)


def bars(scene: Scene) -> RenderableType:
    """Return a bar for the share, or else the score, of every class; the recognised one bright."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    by_share = set(scene.shares) == set(scene.scores)
    values = scene.shares if by_share else scene.scores
    # Scores are signed integers without a fixed range: the longest bar is the largest of now.
    longest = 100 if by_share else max([1, *(abs(score) for score in values.values())])
    for name, value in values.items():
        chosen = name == scene.recognised
        cells = round(_BAR * max(0, value) / longest)
        bar = Text("\N{FULL BLOCK}" * cells, "cyan" if chosen else "bright_black")
        bar.append("\N{BOX DRAWINGS LIGHT TRIPLE DASH HORIZONTAL}" * (_BAR - cells), "bright_black")
        said = f"{value} %" if by_share else f"{value:,}"
        style = "bold" if chosen else ""
        table.add_row(Text(display_name(name), style), bar, Text(said, style or "dim"))
    return table


def display_name(name: str) -> str:
    """Return a class name without underscores."""
    return name.replace("_", " ")


def status_line(scene: Scene) -> Text:
    """Return rate, latency, losses and accuracy as a line."""
    parts = []
    if scene.rate is not None:
        parts.append(format_rate(scene.rate))
    if scene.behind_us >= _LATE_US:
        parts.append(f"{scene.behind_us / 1e6:.1f} s behind")
    elif scene.latency_us is not None:
        parts.append(f"latency {format_us(scene.latency_us)}")
    if scene.dropped:
        parts.append(f"{scene.dropped} dropped")
    if scene.labelled:
        parts.append(f"right {share(scene.correct, scene.labelled)}")
    return Text("  ".join(parts))
