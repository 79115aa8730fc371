"""Every example in a docstring is run, and every Python block of the documents.

Examples of docstrings stand after `>>>`, or in a fenced block. A block that speaks to a service
speaks to one of the test's, on the simulated camera.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import re
import shutil
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from tests.support.documents import Line, Stage, documents, free_port

ROOT = Path(__file__).parents[2]
FOLDERS = ("src/spikewire", "qcore", "sensors", "runtime", "apps")
BLOCK = re.compile(r"^([ ]*)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PORT = "7462"

ELSEWHERE = {
    "docs/decoder.md": "test_documents_run.py",
    "docs/interop.md": "test_interop_document.py",
    "docs/nats.md": "test_bridge_command.py",
    "docs/protocol.md": "test_protocol_document.py",
}
"""Documents whose blocks a test of their own runs."""


@dataclass(frozen=True)
class Example:
    """A docstring with examples, or a block of a document."""

    place: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}"


def docstrings(path: Path) -> Iterator[Example]:
    """The docstrings of a module, its functions and its classes that have an example."""
    place = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node) or ""
        if ">>> " in text or BLOCK.search(text):
            yield Example(place, node.body[0].lineno, text)


def module_at(place: str) -> types.ModuleType:
    """Import the module of a file, whose names its examples may use."""
    name = place.removeprefix("src/spikewire/").removesuffix(".py").removesuffix("/__init__")
    parts = [] if name == "__init__" else name.split("/")
    return importlib.import_module(".".join(["spikewire", *parts]))


def blocks(document: str) -> Iterator[Example]:
    """The Python blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Example(document, line, found[2])


MODULES = sorted({path for name in FOLDERS for path in (ROOT / name).rglob("*.py")})
DOCSTRINGS = [example for path in MODULES for example in docstrings(path)]
BLOCKS = [e for document in documents() if document not in ELSEWHERE for e in blocks(document)]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a service on the simulated camera."""
    chosen = free_port()
    stage = Stage(tmp_path_factory.mktemp("service"), chosen)
    text = f'spikewire run --source "sim:?seed=1" --model gestures --port {chosen} &'
    try:
        stage.do(Line("the service", 0, 0, text), text)
        yield str(chosen)
        stage.end()
    finally:
        stage.kill()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording that examples read."""
    stage = Stage(tmp_path_factory.mktemp("recording"), free_port())
    text = 'spikewire record walk.aedat4 --source "sim:?seed=7&duration=1" --speed max'
    stage.do(Line("the recording", 0, 0, text), text)
    return stage.folder / "walk.aedat4"


@pytest.fixture
def folder(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recording, which an example runs in."""
    shutil.copy(recording, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepared(text: str, request: pytest.FixtureRequest) -> str:
    """A text that speaks to the service of this test, started when one is needed."""
    return text.replace(PORT, request.getfixturevalue("port")) if PORT in text else text


def run_block(text: str, name: str, line: int) -> None:
    """Run a block as a program; one that awaits at its top level, in a task."""
    tree = compile("\n" * line + text, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    space: dict[str, Any] = {"__name__": "example"}
    if not tree.co_flags & inspect.CO_COROUTINE:
        exec(tree, space)
        return
    main = types.FunctionType(tree, space)

    async def bounded() -> None:
        with trio.fail_after(60):
            await main()

    if "asyncio" in text:
        asyncio.run(main())
    else:
        trio.run(bounded)


@pytest.mark.slow
@pytest.mark.parametrize("example", DOCSTRINGS, ids=str)
def test_the_docstring_at(example: Example, folder: Path, request: pytest.FixtureRequest) -> None:
    text = prepared(example.text, request)
    assert "+SKIP" not in text, "an example that is not run is none"
    for found in BLOCK.finditer(text):
        run_block(inspect.cleandoc(found[2]), example.place, example.line)
    space = {**vars(module_at(example.place)), "np": np}
    test = doctest.DocTestParser().get_doctest(text, space, example.place, None, example.line)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("example", BLOCKS, ids=str)
def test_the_block_at(example: Example, folder: Path, request: pytest.FixtureRequest) -> None:
    run_block(prepared(example.text, request), example.place, example.line)


@pytest.mark.parametrize(("document", "test"), ELSEWHERE.items())
def test_blocks_run_elsewhere_are_there(document: str, test: str) -> None:
    assert list(blocks(document))
    (path,) = (ROOT / "tests").rglob(test)
    assert Path(document).name.removesuffix(".md") in path.read_text(encoding="utf-8")
