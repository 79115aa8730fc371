"""A notebook, run cell by cell without Jupyter.

``python -m tests.support.notebook FILE`` runs one and writes its outputs into it.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Read a notebook."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that are run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(cell: dict[str, Any]) -> str:
    """The text that a cell holds as its output."""
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


def run_cell(cell: dict[str, Any], space: dict[str, Any], name: str) -> tuple[str, list[bytes]]:
    """Run one cell.

    Returns
    -------
    tuple
        What it printed, and its figures as PNG.
    """
    from matplotlib import pyplot as plt

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile("".join(cell["source"]), name, "exec"), space)
    figures = []
    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", dpi=60)
        figures.append(picture.getvalue())
    plt.close("all")
    return out.getvalue(), figures


def write_outputs(path: Path) -> None:
    """Run a notebook, and keep its outputs in it."""
    import matplotlib

    matplotlib.use("Agg")
    notebook = read(path)
    space: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(code_cells(notebook), 1):
        text, figures = run_cell(cell, space, f"cell {number}")
        cell["execution_count"] = number
        cell["outputs"] = [
            {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        ][: bool(text)]
        for picture in figures:
            data = {"image/png": base64.b64encode(picture).decode(), "text/plain": ["<Figure>"]}
            cell["outputs"].append({"data": data, "metadata": {}, "output_type": "display_data"})
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    notebook = Path(sys.argv[1]).resolve()
    # What the cells write, such as a recording, goes with the folder.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_outputs(notebook)
