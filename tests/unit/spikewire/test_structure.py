"""The structure of the code: no import circle, short files and functions, folders with few files.

A file or function that is longer than the rules allow stands in a table of CONTRIBUTING.md, with
the reason.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("apps", "qcore", "runtime", "sensors")
FILE_LINES, FUNCTION_LINES, KERNEL_LINES = 400, 60, 40
FOLDER_MODULES = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Long:
    """A file or a function that is longer than the rules allow."""

    name: str
    lines: int
    most: int


def body_lines(function: Function) -> int:
    """Count the lines below the signature and the docstring."""
    first = function.body[0]
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    if documented and len(function.body) > 1:
        first = function.body[1]
    assert function.end_lineno is not None
    return function.end_lineno - first.lineno + 1


def is_kernel(function: Function) -> bool:
    text = " ".join(ast.unparse(decorator) for decorator in function.decorator_list)
    return bool(re.search(r"\b(kernel|inline)\b", text))


def functions(tree: ast.Module) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def long() -> dict[str, Long]:
    found = []
    for path in modules():
        lines = len(path.read_text("utf-8").splitlines())
        if lines > FILE_LINES:
            found.append(Long(shown(path), lines, FILE_LINES))
        for function in functions(parsed(path)):
            most = KERNEL_LINES if is_kernel(function) else FUNCTION_LINES
            if (lines := body_lines(function)) > most:
                found.append(Long(f"{shown(path)}:{function.name}", lines, most))
    return {each.name: each for each in found}


def exceptions() -> dict[str, str]:
    """Read the table of CONTRIBUTING.md: names and reasons."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+/[\w/]+\.py(?::\w+)?)` \| (.+) \|$", text, re.M)
    return dict(rows)


def test_long_files_and_functions_have_a_reason() -> None:
    broken = [
        f"{each.name}: {each.lines} lines, allowed are {each.most}"
        for name, each in long().items()
        if name not in exceptions()
    ]
    assert not broken, "\n".join(broken)


def test_no_exception_is_out_of_date() -> None:
    assert set(exceptions()) <= set(long())


def test_every_exception_is_a_sentence() -> None:
    for name, reason in exceptions().items():
        assert len(reason.split()) >= 5, name
        assert reason.endswith("."), name


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Find the groups of modules that import each other (Tarjan's algorithm, without recursion)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in sorted(graph.modules):
        work = (
            [(root, iter(graph.find_modules_directly_imported_by(root)))]
            if (root not in number)
            else []
        )
        while work:
            module, rest = work[-1]
            if module not in number:
                number[module] = lowest[module] = len(number)
                stack.append(module)
                on_stack.add(module)
            for imported in rest:
                if imported not in number:
                    work.append((imported, iter(graph.find_modules_directly_imported_by(imported))))
                    break
                if imported in on_stack:
                    lowest[module] = min(lowest[module], number[imported])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[module])
                if lowest[module] == number[module]:
                    at = stack.index(module)
                    group = sorted(stack[at:])
                    del stack[at:]
                    on_stack -= set(group)
                    if len(group) > 1:
                        found.append(group)
    return found


def graph_of(*arrows: tuple[str, str]) -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    for importer, imported in arrows:
        graph.add_import(importer=importer, imported=imported)
    return graph


def test_circles_are_found() -> None:
    graph = graph_of(
        ("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("f", "a")
    )
    assert sorted(circles(graph)) == [["a", "b", "c"], ["d", "e"]]
    assert circles(graph_of(("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))) == []


def test_no_modules_import_each_other_not_even_for_types() -> None:
    graph = grimp.build_graph("spikewire", exclude_type_checking_imports=False, cache_dir=None)
    assert len(graph.modules) > 200
    assert circles(graph) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_star_import(package: str) -> None:
    found = [
        f"{shown(path)}:{node.lineno}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert found == []


def test_no_module_name_begins_with_an_underscore() -> None:
    names = ("__init__.py", "__main__.py")
    found = [shown(path) for path in modules() if path.name[0] == "_" and path.name not in names]
    assert found == []


def test_folders_of_apps_have_at_most_a_dozen_modules() -> None:
    count = Counter(
        shown(path.parent) for path in (ROOT / "apps").rglob("*.py") if path.name != "__init__.py"
    )
    assert {name: n for name, n in count.items() if n > FOLDER_MODULES} == {}
