"""The terminal's picture as a file."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from apps._image import EventImage
from apps._view import Scene, draw


def save_picture(path: Path, scene: Scene, image: EventImage) -> None:
    """Write what a terminal of 88 columns would show, as SVG."""
    console = Console(file=io.StringIO(), width=88, record=True, color_system="truecolor")
    console.print(draw(scene, image.render()))
    path.write_text(console.export_svg(title="spikewire demo"), encoding="utf-8")
