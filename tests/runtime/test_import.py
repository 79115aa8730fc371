"""A program that is only a client compiles no kernels, and loads none."""

import subprocess
import sys

import pytest

import runtime

HEAVY = ("numba", "llvmlite", "qcore", "sensors", "numpy")


@pytest.mark.parametrize(
    "line",
    [
        "from runtime import connect, BlockingClient",
        "from runtime import follow, Retry, Client, ConnectionLost, ProtocolError, RequestRefused",
        "from apps import _ask, _teach, _watch",
    ],
)
def test_a_client_is_light(line):
    program = f"import sys; {line}; print([name for name in {HEAVY!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (told.stdout.strip(), told.stderr) == ("[]", "")


def test_every_public_name_is_there():
    assert set(runtime.__all__) <= set(dir(runtime))
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = runtime.nothing
