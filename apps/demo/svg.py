"""Terminal picture as an SVG file."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from spikewire._whole_file import write_whole
from spikewire.apps.terminal.event_image import EventImage
from spikewire.apps.terminal.scene import Scene, draw


def save_picture(path: Path, scene: Scene, image: EventImage) -> None:
    """Write the scene as on a terminal of 80 columns into a self-contained SVG file."""
    console = Console(file=io.StringIO(), width=80, record=True, color_system="truecolor")
    console.print(draw(scene, image.render()))
    svg = console.export_svg(title="spikewire demo")
    # rich names fonts to be fetched from the network; any monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    write_whole(path, svg.replace("Fira Code, monospace", "monospace"))
