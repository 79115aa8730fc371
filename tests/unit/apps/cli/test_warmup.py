"""What is said of compiling: only where kernels are compiled, and how many are left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spikewire import _compiling, _jit
from spikewire._jit import prepare
from spikewire.apps.cli import warmup
from spikewire.apps.cli.output import compiling_note
from spikewire.qcore import Network
from spikewire.qcore.kernels import engine, layer, packet_bins

LEARNING = {"apply_layers", "learn_layer", "advance_traces", "regulate_layers"}
ENGINES = {engine.advance, engine.advance_ordinary, engine.advance_reading, engine.advance_fixed}
OTHERS = {"step_general_layer", "step_traced_layer"}
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
    monkeypatch.setattr(_jit, "_LIVE", _jit._LIVE - ENGINES)
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
    assert capsys.readouterr().err == "compiling 18 kernels, once: up to a minute ...\n"


def test_the_count_is_true_and_parts_count(compiled: Compiled) -> None:
    told: list[tuple[int, int]] = []
    prepare(FIXED, tell=lambda *counts: told.append(counts))
    assert compiled[0] == "advance_fixed"
    assert told == []  # kernels tell themselves, when they are compiled
    parts = {one.__name__ for one in _jit._reached(engine.advance_fixed)}
    assert {"scatter_conv", "step_layer", "advance_fixed"} <= parts


def test_an_ordinary_network_that_infers_needs_few_kernels(compiled: Compiled) -> None:
    parts = {one.__name__ for one in _jit._reached(engine.advance_fixed)}
    assert {one.__name__ for one in (layer.step_layer, engine.advance_fixed)} <= parts
    assert not LEARNING & parts
    assert not OTHERS & parts


def test_a_network_whose_readout_alone_learns_needs_no_other_learning(compiled: Compiled) -> None:
    parts = {one.__name__ for one in _jit._reached(engine.advance_reading)}
    assert {"step_layer", "delta_rule", "regulate_layers"} <= parts
    assert not (LEARNING - {"regulate_layers"}) & parts
    assert not OTHERS & parts


@pytest.fixture
def network() -> Network:
    return Network.load("edge", classes=("a", "b"))


def test_a_service_compiles_the_engine_that_its_network_needs(
    network: Network, compiled: Compiled
) -> None:
    prepare()
    assert {"bin_packet", "_all_right"} <= set(compiled)
    assert not {"advance", "advance_ordinary", "advance_reading", "advance_fixed"} & set(compiled)
    compiled.clear()
    network.keep_ready(learn=True)
    prepare()
    assert "advance_reading" in compiled
    assert not {"advance", "advance_ordinary", "advance_fixed"} & set(compiled)


class Unloaded:
    """Instead of a kernel that no cache holds."""

    def __init__(self) -> None:
        self._compile_for_args = self.get_call_template = self._compiler = SimpleNamespace()

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
    assert count > 2
    one = packet_bins.bin_packet
    monkeypatch.setattr(_jit, "_is_cached", lambda kernel, signature: kernel is one)
    assert _jit.count_compiled("qcore") == (1, count)
