"""The release checklist: `make release` builds, installs and tries a version.

Each line says whether a check passed. The exit code is 1 when one failed. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNRELEASED = "unreleased"


class CommandError(Exception):
    """A command of a check that ended with an error; the message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist.

    Attributes
    ----------
    name
        The subject of the check.
    passed
        Whether it passed.
    note
        The value that was found, or the fault.
    """

    name: str
    passed: bool
    note: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.name}: {self.note}"


def project_version(root: Path) -> str:
    """Read the version in ``pyproject.toml``."""
    version: str = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return version


def changelog_top(root: Path) -> tuple[str, str]:
    """Read version and date of the first section of the changelog; empty if there is none."""
    found = re.search(r"^## (\S+) \((.+)\)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M)
    return (found[1], found[2]) if found else ("", "")


def citation_version(root: Path) -> str:
    """Read the version in ``CITATION.cff``; empty if there is none."""
    found = re.search(r"^version: *(\S+)$", (root / "CITATION.cff").read_text("utf-8"), re.M)
    return found[1].strip("\"'") if found else ""


def check_versions(root: Path) -> Check:
    """Compare the versions in ``pyproject.toml``, the changelog and ``CITATION.cff``."""
    versions = {
        "pyproject.toml": project_version(root),
        "CHANGELOG.md": changelog_top(root)[0],
        "CITATION.cff": citation_version(root),
    }
    if len(set(versions.values())) == 1:
        return Check("versions agree", True, versions["pyproject.toml"])
    told = ", ".join(f"{name} has {version or 'none'}" for name, version in versions.items())
    return Check("versions agree", False, told)


def check_changelog_date(root: Path, *, allow_unreleased: bool = False) -> Check:
    """Check that the first section of the changelog has a date, such as ``(2026-11-28)``.

    Parameters
    ----------
    root
        The repository.
    allow_unreleased
        Whether ``(unreleased)`` passes, for a rehearsal.
    """
    name = "changelog has a date"
    version, date = changelog_top(root)
    if not version:
        return Check(name, False, "no section is headed `## VERSION (DATE)`")
    if date == UNRELEASED:
        note = f"{version} is unreleased"
        return Check(name, allow_unreleased, note + ("" if allow_unreleased else "; set its date"))
    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        return Check(name, False, f"{date!r} is neither YYYY-MM-DD nor {UNRELEASED}")
    return Check(name, True, date)


def check_tree_clean(root: Path) -> Check:
    """Check that everything is committed: what is built is what is tagged."""
    name = "git tree is clean"
    try:
        changed = run(["git", "status", "--porcelain"], root).splitlines()
    except CommandError as error:
        return Check(name, False, str(error))
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return Check(name, False, f"{changed[0][3:]}{more} not committed")
    return Check(name, True, run(["git", "rev-parse", "--short", "HEAD"], root).strip())


def run(command: Sequence[str | Path], folder: Path, *, cache: Path | None = None) -> str:
    """Run a command in a folder and return its output.

    Parameters
    ----------
    command
        The program and its arguments.
    folder
        The working directory.
    cache
        A folder for compiled kernels, in place of the user's own.

    Raises
    ------
    CommandError
        If it cannot be started, or ends with an error.
    """
    unwanted = ("PYTHONPATH", "NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    if cache is not None:
        environment["XDG_CACHE_HOME"] = str(cache)
    words = [str(word) for word in command]
    try:
        finished = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CommandError(f"{words[0]}: {error.strerror}") from None
    if finished.returncode:
        told = (finished.stderr or finished.stdout).strip().splitlines()[-3:]
        raise CommandError(f"`{' '.join(words)}` ended with {finished.returncode}: {told}")
    return finished.stdout


def build(root: Path, out: Path) -> tuple[Path, Path]:
    """Build a wheel and an sdist into an empty folder.

    Returns
    -------
    tuple
        The wheel and the sdist.
    """
    for kind in ("wheel", "sdist"):
        run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", out], root)
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def smoke_tests(binaries: Path, folder: Path, version: str) -> Iterator[Check]:
    """Try an installation: import, version, and one recording made, inspected and replayed.

    Parameters
    ----------
    binaries
        The folder of the environment's programs.
    folder
        An empty folder to work in; compiled kernels go there, too.
    version
        The version that the installation should have.
    """
    python, spikewire = binaries / "python", binaries / "spikewire"
    made = "simulated/user01_natural.aedat"
    simulate = ["--subjects", "2", "--train", "1", "--lights", "natural", "--for", "0.3s"]
    steps: dict[str, tuple[list[str | Path], str]] = {
        "import spikewire": (
            [python, "-c", "import spikewire; print(spikewire.open_recording)"],
            "function open_recording",
        ),
        "spikewire --version": ([spikewire, "--version"], f"spikewire {version}\n"),
        "python -m spikewire": ([python, "-m", "spikewire", "--version"], f"{version}\n"),
        "spikewire simulate": ([spikewire, "simulate", "--out", "simulated", *simulate], ""),
        "spikewire info": ([spikewire, "info", made, "--json"], '"events":'),
        "spikewire replay": ([spikewire, "replay", made, "--model", "gestures", "--json"], "{"),
    }
    for name, (command, expected) in steps.items():
        try:
            output = run(command, folder, cache=folder / "cache")
        except CommandError as error:
            yield Check(name, False, str(error))
            return
        found = expected in output
        yield Check(name, found, "works" if found else f"{expected!r} is not in {output[-200:]!r}")


def install_and_try(distribution: Path, scratch: Path, root: Path) -> Iterator[Check]:
    """Install a wheel or an sdist into an empty environment and run the smoke tests there."""
    kind = "wheel" if distribution.suffix == ".whl" else "sdist"
    environment, folder = scratch / f"{kind}-environment", scratch / f"{kind}-folder"
    folder.mkdir()
    venv.create(environment, with_pip=True, symlinks=True)
    binaries = environment / "bin"
    pip: list[str | Path] = [binaries / "python", "-m", "pip", "--disable-pip-version-check"]
    try:
        run([*pip, "install", "--quiet", "-c", root / "constraints.txt", distribution], folder)
    except CommandError as error:
        yield Check(f"{kind}: install", False, str(error))
        return
    yield Check(f"{kind}: install", True, distribution.name)
    for check in smoke_tests(binaries, folder, project_version(root)):
        yield Check(f"{kind}: {check.name}", check.passed, check.note)


def checks(root: Path, out: Path, *, allow_unreleased: bool = False) -> Iterator[Check]:
    """Yield the whole checklist; the built files are left in ``out``."""
    yield check_versions(root)
    yield check_changelog_date(root, allow_unreleased=allow_unreleased)
    yield check_tree_clean(root)
    with tempfile.TemporaryDirectory(prefix="spikewire-release-") as name:
        scratch = Path(name)
        try:
            built = build(root, scratch / "dist")
        except CommandError as error:
            yield Check("build", False, str(error))
            return
        yield Check("build", True, ", ".join(path.name for path in built))
        for distribution in built:
            yield from install_and_try(distribution, scratch, root)
        out.mkdir(parents=True, exist_ok=True)
        for distribution in built:
            shutil.copy2(distribution, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the checklist and return the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the built files")
    parser.add_argument(
        "--allow-unreleased",
        action="store_true",
        help="accept a changelog without a date, for a rehearsal",
    )
    options = parser.parse_args(arguments)
    failed = 0
    for check in checks(ROOT, options.out, allow_unreleased=options.allow_unreleased):
        print(check, flush=True)
        failed += not check.passed
    if failed:
        print(f"{failed} failed: this version is not ready to be published")
        return 1
    version = project_version(ROOT)
    print(f"all passed; built files are in {options.out}; next: git tag v{version}, then upload")
    return 0


if __name__ == "__main__":
    sys.exit(main())
