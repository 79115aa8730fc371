"""The built distributions, and an empty environment with the wheel installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def build(source: Path, kind: str, out: Path) -> Path:
    """Build a wheel or an sdist with the backend itself: no isolation, no network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (built,) = out.iterdir()
    return built


@dataclass(frozen=True)
class Built:
    """A wheel from the tree, an sdist, and a wheel from that sdist."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build everything once."""
    folder = tmp_path_factory.mktemp("built")
    wheel = build(ROOT, "wheel", folder / "wheel")
    sdist = build(ROOT, "sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Built(wheel, sdist, build(unpacked, "wheel", folder / "again"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has the wheel, and the dependencies of this one."""

    python: Path
    packages: Path

    def run(self, *arguments: str, folder: Path) -> str:
        """Run its interpreter in a folder and return the output; kernels stay uncompiled."""
        finished = subprocess.run(
            [self.python, *arguments],
            cwd=folder,
            env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Install the wheel into an empty environment, beside other software of the same names."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--no-index", "--no-deps", built.wheel], check=True, capture_output=True
    )
    (packages,) = (folder / "lib").glob("python*/site-packages")
    # A folder named in a .pth file supplies its packages, not its own .pth files: the dependencies
    # come from there, the editable install of this project does not.
    dependencies = Path(str(metadata.distribution("numba").locate_file("")))
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return Environment(python, packages)
