"""What is said of compiling: only where kernels are compiled, and how many are left."""

from __future__ import annotations

from typing import Any

import pytest

from spikewire import _compiling, _jit
from spikewire._jit import keep_ready, prepare
from spikewire.apps.cli import warmup
from spikewire.apps.cli.output import compiling_note
from spikewire.qcore.kernels import engine, layer

FIXED = "spikewire.qcore.kernels.engine.advance_fixed"


class Compiled(list[str]):
    """Instead of the loading of kernels: their names."""

    def __call__(self, kernel: Any) -> None:
        if kernel in _jit._UNLOADED:
            self.append(kernel.__name__)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """A cache without any kernel, and nothing loaded."""
    names = Compiled()
    kernels = [one for table in _jit.KERNELS.values() for one in table.data.values()]
    monkeypatch.setattr(_jit, "load", names)
    monkeypatch.setattr(_jit, "_UNLOADED", dict.fromkeys(kernels, ("void()",)))
    monkeypatch.setattr(_jit, "_CACHED", set())
    monkeypatch.setattr(_jit, "_LIVE", _jit._LIVE - {engine.advance})
    monkeypatch.setattr(_jit, "_is_cached", lambda kernel, signature: False)
    return names


def test_loading_what_is_cached_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with warmup.compiling_shown():
        pass
    assert capsys.readouterr().err == ""


def test_compiling_is_told_once_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with warmup.compiling_shown() as tell:
        tell(0, 18)
        tell(1, 18)
    assert capsys.readouterr().err == "compiling 18 kernels, once: a minute or two ...\n"


def test_the_count_is_true_and_callees_come_first(compiled: Compiled) -> None:
    told: list[tuple[int, int]] = []
    prepare(FIXED, tell=lambda *counts: told.append(counts))
    *parts, last, again = compiled
    assert last == again == "advance_fixed"
    assert told == [(n, len(parts) + 1) for n in range(len(parts) + 1)]
    assert parts.index("scatter_conv") < parts.index("step_layer")
    assert len(set(parts)) == len(parts)


def test_an_ordinary_network_that_infers_needs_few_kernels(compiled: Compiled) -> None:
    prepare(FIXED)
    left_out = {"step_general_layer", "step_traced_layer", "apply_layers", "learn_layer", "parse"}
    assert {one.__name__ for one in (layer.step_layer, engine.advance_fixed)} <= set(compiled)
    assert not left_out & set(compiled)


def test_all_kernels_are_prepared_for_a_service(compiled: Compiled) -> None:
    usual = {"advance_ordinary", "apply_layers", "count_channels", "square_root"}
    rare = {"advance", "step_general_layer", "step_traced_layer"}
    prepare()
    assert usual <= set(compiled)
    assert not rare & set(compiled)
    keep_ready(engine.advance)  # as a network does that has such layers
    prepare()
    assert rare <= set(compiled)


class Unloaded:
    """Instead of a kernel that no cache holds."""

    def __init__(self) -> None:
        self._compile_for_args = self.get_call_template = None

    def compile(self, signature: str) -> None:
        """Take no time."""

    def disable_compile(self) -> None:
        """Nothing is compiled."""


def test_unforeseen_compiling_is_told_once_and_not_beside_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels = [Unloaded() for _ in range(4)]
    monkeypatch.setattr(_jit, "_UNLOADED", dict.fromkeys(kernels, ("void()",)))
    monkeypatch.setattr(_jit, "_load_cached", lambda kernel, signature: False)
    _compiling.tell_with(compiling_note())
    try:
        with _compiling.told_otherwise():
            _jit.load(kernels[0])
        assert capsys.readouterr().err == ""
        _jit.load(kernels[1])
        assert "compiling what this command needs" in capsys.readouterr().err
        _jit.load(kernels[2])
        assert capsys.readouterr().err == ""
    finally:
        _compiling.tell_with(None)
    _jit.load(kernels[3])
    assert capsys.readouterr().err == ""


def test_compiled_kernels_are_counted_in_the_cache(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, count = _jit.count_compiled("qcore")
    assert ready == 0
    assert count > 5
    one = engine.advance_fixed
    monkeypatch.setattr(_jit, "_is_cached", lambda kernel, signature: kernel is one)
    assert _jit.count_compiled("qcore") == (1, count)
