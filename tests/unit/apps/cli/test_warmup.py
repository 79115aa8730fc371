"""What is said of compiling: only where kernels are compiled, and how many are left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from numba.core import event

from spikewire._jit import KERNELS
from spikewire.apps.cli import warmup
from spikewire.sensors import load_all


def compiles(module: str) -> None:
    """Tell what Numba tells when it compiles a function of this module."""
    function = SimpleNamespace(__module__=module)
    with event.trigger_event(
        "numba:compile", data={"dispatcher": SimpleNamespace(py_func=function)}
    ):
        pass


def test_loading_what_is_cached_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with warmup.compiling_shown():
        compiles("numba.core.extending")  # helpers of the compiler itself
    assert capsys.readouterr().err == ""


def test_compiling_is_told_once_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "kernels_so_far", lambda: 100)
    monkeypatch.setattr(warmup, "count_kernels", lambda: 118)
    with warmup.compiling_shown():
        compiles("spikewire.qcore.kernels.trace")
        compiles("spikewire.qcore.kernels.trace")
    assert capsys.readouterr().err == "compiling 18 kernels, once: a minute or two ...\n"


def test_the_bar_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    ready = iter([100, 105])
    monkeypatch.setattr(warmup, "kernels_so_far", lambda: next(ready))
    with warmup.compiling_told(lambda *counts: told.append(counts)):
        compiles("spikewire.sensors.filters.hot")
        compiles("spikewire.qcore.kernels.trace")
    compiles("spikewire.qcore.kernels.trace")
    assert told == [(100, warmup.count_kernels()), (105, warmup.count_kernels())]


def test_every_kernel_is_counted() -> None:
    load_all()
    import spikewire.qcore

    assert spikewire.qcore is not None
    assert warmup.count_kernels() == sum(len(KERNELS[name]) for name in ("qcore", "sensors"))
