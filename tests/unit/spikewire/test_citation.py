"""The citation file parses, and names this version and the papers it builds on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    return found


def test_it_has_what_the_format_requires(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"]
    assert citation["message"]
    assert citation["title"].startswith("spikewire")


def test_version_and_license_are_those_of_the_package(citation: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]


def test_it_refers_to_the_two_papers(citation: dict[str, Any]) -> None:
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year", "doi"} <= set(paper)
    names = {
        author["family-names"] for paper in citation["references"] for author in paper["authors"]
    }
    assert names == {"Schaefer", "Joshi", "Kaiser", "Mostafa", "Neftci"}
