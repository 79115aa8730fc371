"""Unit tests on the other Pythons that the machine has, each in an environment of its own."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.12", "3.13")
PACKAGES = ("qcore", "sensors", "runtime", "apps", "src", "tools")


def find_python(version: str, versions: Path | None = None) -> str | None:
    """Find an interpreter of a version, such as ``"3.12"``: on the path, or among pyenv's.

    Parameters
    ----------
    version
        The first two numbers.
    versions
        Folder of pyenv's interpreters; None for its usual one.

    Returns
    -------
    str or None
        The program, or None if none of them says that it is of this version.
    """
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted((versions or folder).glob(f"{version}.*/bin/python"))
    for program in (shutil.which(f"python{version}"), *map(str, reversed(kept))):
        if program is not None and _version_of(program) == version:
            return program
    return None


def _version_of(program: str) -> str | None:
    """Ask a program for its version; a shim of pyenv may stand for no interpreter."""
    ask = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"\d+\.\d+", told.stdout)
    return found[0] if found and told.returncode == 0 else None


def compile_all(program: str) -> int:
    """Compile all modules with a Python, warnings as errors; writes nothing into the project."""
    with tempfile.TemporaryDirectory() as kept:
        return subprocess.run(
            [program, "-W", "error", "-m", "compileall", "-q", *PACKAGES],
            cwd=ROOT, env={**os.environ, "PYTHONPYCACHEPREFIX": kept}, check=False,
        ).returncode  # fmt: skip


def run_unit(program: str, version: str, tests: Sequence[str]) -> int:
    """Install the project for a Python, into ``.venv-VERSION``, and run tests with it."""
    folder = ROOT / f".venv-{version}"
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([program, "-m", "venv", str(folder)], check=True)
    install = [str(own), "tools/install.py", "-c", "constraints.txt", "-e", ".[dev]"]
    subprocess.run(install, cwd=ROOT, check=True)
    pytest = [str(own), "-m", "pytest", "-p", "no:cacheprovider", *tests]
    return subprocess.run(pytest, cwd=ROOT, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, and say which Pythons there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true", help="only compile all modules")
    parser.add_argument("tests", nargs="*", default=["tests/unit"])
    options = parser.parse_args(arguments)
    failed = []
    for version in VERSIONS:
        program = find_python(version)
        if program is None:
            print(f"python {version}: not on this machine")
            continue
        print(f"python {version}: {program}", flush=True)
        code = compile_all(program)
        if code == 0 and not options.compile:
            code = run_unit(program, version, options.tests)
        if code:
            failed.append(version)
    if failed:
        print(f"failed with Python {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
