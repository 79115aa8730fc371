"""CONTRIBUTING.md names files and folders that exist, and all folders of the packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PACKAGES = ("apps", "qcore", "runtime", "sensors")
PLACES = ("decoder", "layer", "filter", "source", "topic", "command")


def layout() -> Iterator[tuple[str, str]]:
    """Yield the paths of the tree below `## Layout`, and their phrases."""
    tree = re.search(r"## Layout\n\n```text\n(.*?)```", TEXT, re.S)
    assert tree is not None
    above: list[str] = []
    for line in tree[1].splitlines():
        found = re.fullmatch(r"( *)(\S+/) +(\S.*)", line)
        assert found is not None, line
        above[len(found[1]) // 2 :] = [found[2]]
        yield "".join(above), found[3]


TREE = dict(layout())


def named_files() -> list[str]:
    """Find the paths below the layout that name a file or folder, in backticks and links."""
    text = TEXT.partition("## Add")[2]
    found = set(re.findall(r"`([\w./]+/[\w./]*)`", text)) | set(
        re.findall(r"\]\(([\w./]+)\)", text)
    )
    found |= set(re.findall(r"`(\w+\.(?:md|toml|cff))`", text))
    return sorted(found - {"dist/"})


def rows() -> dict[str, tuple[str, str]]:
    """Read the table below `## Add`: one file and one test for each."""
    found = re.findall(r"^\| ([a-z ]+) \| `(\S+)` \| `(\S+)` \|$", TEXT, re.M)
    return {what: (start, test) for what, start, test in found}


@pytest.mark.parametrize("path", TREE)
def test_every_folder_of_the_tree_exists(path: str) -> None:
    assert (ROOT / path).is_dir()


def test_the_tree_is_complete() -> None:
    for package in PACKAGES:
        for folder in (ROOT / package).iterdir():
            if any(file.suffix != ".pyc" for file in folder.glob("*.*")) and folder.is_dir():
                assert f"{package}/{folder.name}/" in TREE


def test_the_layout_fits_one_screen() -> None:
    assert len(TREE) <= 60


@pytest.mark.parametrize("path", named_files())
def test_every_file_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("what", PLACES)
def test_each_addition_names_one_file_and_one_test(what: str) -> None:
    ((start, test),) = [row for name, row in rows().items() if what in name.split()]
    assert (ROOT / start).is_file()
    assert start.split("/")[0] in PACKAGES
    assert (ROOT / test).is_file()
    assert Path(test).name.startswith("test_")
