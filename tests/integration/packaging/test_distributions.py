"""The wheel and the sdist hold the whole package, and nothing beside it."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.integration.packaging.conftest import ROOT, Built

pytestmark = pytest.mark.slow

PACKAGES = ("apps", "qcore", "runtime", "sensors")


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def package_files(wheel: Path) -> set[str]:
    return {name for name in names(wheel) if name.startswith("spikewire/")}


def tree() -> set[str]:
    """List the files that the package has in the repository."""
    own = {path for path in (ROOT / "src" / "spikewire").iterdir() if path.is_file()}
    found = {f"spikewire/{path.name}" for path in own}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"spikewire/{path.relative_to(ROOT)}")
    return found


def test_the_top_level_of_the_wheel_is_one_package(built: Built) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    top = {name.split("/")[0] for name in names(built.wheel)}
    assert top == {"spikewire", f"spikewire-{version}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(built: Built) -> None:
    assert package_files(built.wheel) == tree()


def test_the_wheel_of_the_sdist_is_the_same(built: Built) -> None:
    assert names(built.wheel_of_sdist) == names(built.wheel)
    with zipfile.ZipFile(built.wheel) as one, zipfile.ZipFile(built.wheel_of_sdist) as other:
        for name in package_files(built.wheel):
            assert one.read(name) == other.read(name), name


@pytest.mark.parametrize(
    "pattern",
    ["py.typed", "qcore/presets/*.toml", "qcore/models/*.model", "apps/dashboard/static/*"],
)
def test_what_is_not_python_is_in_the_wheel(built: Built, pattern: str) -> None:
    found = {Path(name) for name in package_files(built.wheel)}
    assert any(path.match(f"spikewire/{pattern}") for path in found)


def test_the_sdist_has_the_license_and_the_changelog(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= found
