"""Fixtures that every test folder shares."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.schedule import arrange

# Several processes run tests. PyTorch's threads wait for each other by spinning: on two busy cores
# one of its tests takes 62 s of the processor with two of them, and 4 s with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A parent may ignore Ctrl-C: nohup, background jobs of a script, many CI systems. Children inherit
# that, and tests that end them with SIGINT would wait for ever.
for ignorable, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, None)):
    if signal.getsignal(ignorable) == signal.SIG_IGN:
        signal.signal(ignorable, default or signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Compile every kernel once, before tests wait for it, and before several processes do."""
    if hasattr(config, "workerinput"):
        return
    from spikewire import qcore, sensors
    from spikewire._jit import compile_all

    assert qcore.KERNELS
    sensors.load_all()
    compile_all()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        arrange(items)


@pytest.fixture(autouse=True)
def _denormal_floats() -> Iterator[None]:
    """Undo what benches of the float network set for their whole process."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings, or a skip that says how to name one."""
    named = os.environ.get("SPIKEWIRE_DATA")
    if not named:
        pytest.skip("set SPIKEWIRE_DATA to the folder of real recordings to run this test")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"SPIKEWIRE_DATA names {folder}, which is not a folder")
    return folder
