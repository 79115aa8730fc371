"""The commands that the documents name exist, with the options they name."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs").glob("*.md")


def examples() -> list[tuple[str, str]]:
    found = []
    for name in ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in DOCS)]:
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, line) for line in re.findall(r"spikewire [a-z]+[^`\n#]*", text)]
    return found


@pytest.mark.parametrize(("document", "line"), [e for e in examples() if "--" in e[1]])
def test_every_example_uses_what_there_is(document: str, line: str) -> None:
    words = line.split()
    command = words[1:3] if words[1] == "bench" else words[1:2]
    help_text = (
        CliRunner().invoke(cli.application(), [*command, "--help"], env={"COLUMNS": "200"}).output
    )
    for option in re.findall(r"--[a-z-]+", line):
        assert option in help_text, f"{document}: {line}"


def test_the_readme_begins_with_one_screen() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Reference")[0]
    assert len(first.splitlines()) <= 40
    assert "make demo" in first
    assert "make test" in first


def test_linked_files_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_a_term_of_the_glossary_takes_one_sentence() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \|$", text, re.MULTILINE)
    terms = {term: meaning for term, meaning in rows if term != "term"}
    assert len(terms) >= 20
    for term, meaning in terms.items():
        assert meaning.endswith(".")
        assert not re.search(r"\. [A-Z]", meaning), f"{term} takes more than one sentence"
        assert len(meaning.split()) <= 35, term


def anchors(path: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_lead_to_headings_that_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\(([^)#:]*)#([\w-]+)\)", text):
        page = document.parent / target if target else document
        assert heading in anchors(page), f"{document.name}: {target}#{heading}"


def test_every_dependency_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *itertools.chain(*extras)]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE))
    for requirement in wanted:
        name = re.match(r"[\w-]+", requirement)
        assert name
        assert re.search(rf"\b{name[0]}\b", rows), f"{name[0]} is missing in docs/dependencies.md"
