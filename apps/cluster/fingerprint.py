"""Fingerprint of a function: no result of other code is reused or accepted."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import spikewire
from spikewire.apps.cli.errors import CommandError

ROOT = Path(spikewire.__file__).parent
WHOLE = ("qcore", "sensors", "runtime")
"""Sub-packages that count as a whole: their faces import modules by name, when they are used."""


def fingerprint(work: Callable[..., Any], root: Path = ROOT) -> str:
    """Name the version and the code that decide what a function returns.

    Parameters
    ----------
    work
        A function of a module of this package.
    root
        Folder of the package.

    Returns
    -------
    str
        The version, and a digest of the text of all modules that the function's module reaches.
    """
    return _fingerprint(work.__module__, root)


def check_fingerprint(work: Callable[..., Any], expected: str, task: str) -> None:
    """Refuse to compute for a command of other code.

    Parameters
    ----------
    work
        The function to be called.
    expected
        Its fingerprint in the process of the command.
    task
        Name of the command's task for the message, such as ``sweep``.

    Raises
    ------
    CommandError
        If the code here is different.
    """
    here = fingerprint(work)
    if here != expected:
        raise CommandError(
            f"a worker runs spikewire {here}, but the {task} was begun with {expected}"
        )


@functools.cache
def _fingerprint(module: str, root: Path) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(reached_modules(module, root).items()):
        digest.update(f"{name}\0".encode())
        digest.update(path.read_bytes())
    return f"{metadata.version('spikewire')}+{digest.hexdigest()[:8]}"


def reached_modules(module: str, root: Path = ROOT) -> dict[str, Path]:
    """Find a module, and the modules of its package that it imports, directly or not.

    Imports inside functions count, imports for type checkers do not. A module of one of the
    sub-packages in ``WHOLE`` brings all of that sub-package.

    Parameters
    ----------
    module
        Dotted name of the module.
    root
        Folder of the package.

    Returns
    -------
    dict
        Files by dotted names.

    Raises
    ------
    ValueError
        If the package has no such module.
    """
    reached: dict[str, Path] = {}
    waiting = [module]
    if _file_of(module, root) is None:
        raise ValueError(f"{module} is no module of {root.name}")
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if name in reached or path is None:
            continue
        reached[name] = path
        waiting += _imports(name, path)
        waiting += _whole(name, root)
    return reached


def _file_of(name: str, root: Path) -> Path | None:
    package, *parts = name.split(".")
    if package != root.name or not parts:  # the package's own face decides nothing
        return None
    place = root.joinpath(*parts)
    return next(
        (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None
    )


def _whole(name: str, root: Path) -> Iterator[str]:
    _, part, *_ = name.split(".")
    if part not in WHOLE:
        return
    for path in (root / part).rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join((root.name, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def _imports(name: str, path: Path) -> Iterator[str]:
    root, part, *_ = name.split(".")
    text = path.read_bytes()
    if part in WHOLE and root.encode() not in text.replace(f"{root}.{part}".encode(), b""):
        return  # it imports its own sub-package only, which counts already
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _run_time_nodes(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(dots, package) if node.level else dots
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        test = child.test if isinstance(child, ast.If) else None
        if isinstance(test, ast.Name) and test.id == "TYPE_CHECKING":
            continue
        yield from _run_time_nodes(child)
