"""The shipped results of a sweep: files of this version, which say what the document says."""

from __future__ import annotations

import shutil
from pathlib import Path

from spikewire.apps.sweep.plan import NO_NETWORK
from spikewire.apps.sweep.results import ResultsCsv

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_accuracies_are_those_of_the_file(tmp_path: Path) -> None:
    shutil.copy(DOCS / "results" / "sweep-nmnist.csv", tmp_path / "sweep.csv")
    with ResultsCsv(tmp_path / "sweep.csv") as results:
        last = [rows[-1] for rows in results.trials.values()]
    of_300 = {
        row["value"]: f"{float(row['accuracy']):.3f}"
        for row in last
        if row["learn"] == "300" and row["setting"] != NO_NETWORK
    }
    text = (DOCS / "sweep.md").read_text(encoding="utf-8")
    assert f"| `nmnist` | {of_300['2']} | {of_300['3']} | {of_300['']} |" in text
    without = {row["learn"]: float(row["accuracy"]) for row in last if row["setting"] == NO_NETWORK}
    assert f"| no network | | | {without['300']:.3f} |" in text
    assert f"On 800 the baseline has {without['800']:.3f}" in text
    frozen = [row for row in last if row["preset"] == "nmnist frozen"]
    assert f"and in\n  {float(frozen[0]['accuracy']):.3f} with frozen layers" in text
