"""The public face: every name is there, typed, and loaded only when it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import spikewire

FACE = Path(spikewire.__file__)


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True
    )


def typed_names() -> dict[str, str]:
    """Read the names that a type checker sees, and the packages they are from."""
    names: dict[str, str] = {}
    for node in ast.parse(FACE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom):
                    package = str(statement.module).removeprefix("spikewire.")
                    names |= {alias.name: package for alias in statement.names}
    return names


@pytest.mark.parametrize("name", spikewire.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(spikewire, name) is not None


def test_type_checkers_see_the_names_that_python_loads() -> None:
    assert typed_names() == spikewire._HOME
    assert {*typed_names(), "__version__"} == set(spikewire.__all__)


def test_names_are_those_of_the_packages() -> None:
    from spikewire import Network, SensorError, connect
    from spikewire.qcore import Network as InQcore
    from spikewire.runtime import connect as in_runtime
    from spikewire.sensors import SensorError as InSensors

    assert Network is InQcore
    assert SensorError is InSensors
    assert connect is in_runtime


def test_every_error_has_the_one_base() -> None:
    errors = [name for name in spikewire.__all__ if isinstance(getattr(spikewire, name), type)]
    found = [name for name in errors if issubclass(getattr(spikewire, name), Exception)]
    assert len(found) >= 7
    for name in found:
        assert issubclass(getattr(spikewire, name), spikewire.SpikewireError)


def test_dir_lists_names_and_packages() -> None:
    assert {*spikewire.__all__, "apps", "qcore", "runtime", "sensors"} <= set(dir(spikewire))


def test_a_package_is_an_attribute() -> None:
    assert run("import spikewire; print(spikewire.runtime.DEFAULT_PORT)").stdout == "7462\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'spikewire' has no attribute 'nothing'"):
        _ = spikewire.nothing


def test_the_version_is_that_of_the_installed_package() -> None:
    assert spikewire.__version__ == metadata.version("spikewire")


def test_a_client_loads_neither_numpy_nor_numba() -> None:
    code = (
        "import sys\n"
        "from spikewire import BlockingClient, ServiceError, SpikewireError, connect, follow\n"
        "print({'numba', 'numpy'} & set(sys.modules))"
    )
    assert run(code).stdout == "set()\n"


def test_importing_the_face_loads_no_other_module_of_it() -> None:
    code = "import sys, spikewire; print([m for m in sys.modules if m.startswith('spikewire.')])"
    assert run(code).stdout == "[]\n"


def test_the_face_is_imported_within_20_ms() -> None:
    # The processor's time, not the wall's: other processes may be busy.
    code = (
        "import time\n"
        "before = time.process_time()\n"
        "import spikewire\n"
        "print(time.process_time() - before)"
    )
    assert min(float(run(code).stdout) for _ in range(5)) < 0.020
