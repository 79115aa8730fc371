"""The installed package works beside other software, in any folder."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.integration.packaging.conftest import ROOT, Environment

pytestmark = pytest.mark.slow

OTHER = 'NAME = "of another project"\n'


@pytest.fixture
def others(installed: Environment) -> Environment:
    """Put another project's `qcore` package and `runtime` module into the environment."""
    (installed.packages / "qcore").mkdir(exist_ok=True)
    (installed.packages / "qcore" / "__init__.py").write_text(OTHER)
    (installed.packages / "runtime.py").write_text(OTHER)
    return installed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an `apps` package and a `sensors` module of its own, as a Django site has."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "__init__.py").write_text(OTHER)
    (tmp_path / "sensors.py").write_text(OTHER)
    return tmp_path


def test_it_imports_from_an_empty_folder(installed: Environment, tmp_path: Path) -> None:
    code = "import spikewire; print(spikewire.open_recording); print(spikewire.__file__)"
    function, where = installed.run("-c", code, folder=tmp_path).splitlines()
    assert function.startswith("<function open_recording")
    assert Path(where) == installed.packages / "spikewire" / "__init__.py"


def test_it_lives_beside_packages_of_the_same_names(others: Environment, tmp_path: Path) -> None:
    code = (
        "import json, qcore, runtime, spikewire\n"
        "from spikewire import Network, serve\n"
        "from spikewire.apps import commands\n"
        "print(json.dumps([qcore.NAME, runtime.NAME, Network.__module__, serve.__module__]))"
    )
    one, two, *own = json.loads(others.run("-c", code, folder=tmp_path))
    assert one == two == "of another project"
    assert all(name.startswith("spikewire.") for name in own)


def test_the_command_runs_in_a_folder_of_the_same_names(others: Environment, folder: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert others.run("-m", "spikewire", "--version", folder=folder) == f"spikewire {version}\n"
    script = others.python.parent / "spikewire"
    assert others.run(str(script), "--version", folder=folder) == f"spikewire {version}\n"


def test_a_bench_child_starts_in_a_folder_of_the_same_names(
    others: Environment, folder: Path
) -> None:
    # A bench starts its service and clients with `python -m spikewire...` in the same folder.
    code = (
        "import json, trio, spikewire\n"
        "from spikewire.apps.bench.load.child_process import child\n"
        "async def main():\n"
        "    async with child('config', spikewire, 'config', '--json') as process:\n"
        "        print(json.dumps(await process.read()))\n"
        "trio.run(main)"
    )
    assert "port" in json.loads(others.run("-c", code, folder=folder))
