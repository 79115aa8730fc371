"""`make docs` builds the reference without a warning, with a page for every public package."""

import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("spikewire", "spikewire.qcore", "spikewire.sensors", "spikewire.runtime")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference, built by the command of the Makefile."""
    pytest.importorskip("pdoc", reason="the reference needs spikewire[docs]")
    folder = tmp_path_factory.mktemp("site")
    recipe = re.search(r"^docs:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    line = recipe[1].replace("\\\n", " ").replace("$(SITE)", str(folder))
    variable, program, *rest = shlex.split(line)
    assert program == "$(BIN)/python"
    name, _, value = variable.partition("=")
    built = subprocess.run(
        [sys.executable, *rest], cwd=ROOT, env={**os.environ, name: value},
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_has_every_documented_name_of(package: str, site: Path) -> None:
    page = unescape((site / (package.replace(".", "/") + ".html")).read_text(encoding="utf-8"))
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert f'<section id="{name}">' in page, f"{package}.{name} has no docstring"


@pytest.mark.slow
def test_no_private_module_has_a_page(site: Path) -> None:
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    expected = {name.replace(".", "/") + ".html" for name in PACKAGES}
    assert pages == expected | {"index.html", "spikewire/errors.html"}
