"""The notebook runs, prints what it shows, and its lesson has an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.notebook import code_cells, printed, read, run_cell

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_the_notebook_is_small() -> None:
    assert NOTEBOOK.stat().st_size < 200_000


@pytest.mark.slow
def test_every_cell_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="plots need spikewire[plot]")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "notebook"}
    figures = 0
    for number, cell in enumerate(code_cells(read(NOTEBOOK)), 1):
        text, pictures = run_cell(cell, space, f"cell {number}")
        assert text == printed(cell), f"run: python -m tests.support.notebook {NOTEBOOK}"
        figures += len(pictures)
    assert figures == 4
    assert space["share_before"] == 0
    assert space["share_after"] > 0.5
