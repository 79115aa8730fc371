"""The issue forms parse, and ask for the facts that a report needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"


def form(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FORMS / name).read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_a_form_has_what_the_format_requires(name: str) -> None:
    found = form(name)
    assert found["name"]
    assert found["description"]
    fields = [field for field in found["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    identities = [field["id"] for field in fields]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("fact", ["spikewire --version", "uname", "source", "spikewire info"])
def test_a_bug_report_asks_for_the_facts(fact: str) -> None:
    assert fact in str(form("bug.yml"))


def test_the_security_page_links_to_files_that_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for target in ("docs/benchmarks.md", "docs/operation.md", "docs/protocol.md"):
        assert f"]({target}" in text
        assert (ROOT / target).is_file()
    for tool in ("hostile", "flood", "fuzz", "crash"):
        assert (ROOT / "tests" / "robustness" / f"{tool}.py").is_file()
