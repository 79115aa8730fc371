"""A program that is only a client compiles no kernels, and loads none."""

import subprocess
import sys

import pytest

from spikewire import runtime

# The face of sensors is light (commands read times and sizes with it); what stands behind is not.
HEAVY = (
    "numba", "llvmlite", "numpy", "spikewire.qcore", "spikewire.sensors.events",
    "spikewire.sensors.sources", "spikewire.sensors.recordings", "spikewire.sensors.formats",
)  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "from spikewire.runtime import connect, BlockingClient",
        "from spikewire.runtime import follow, Retry, Client, ConnectionLost, RequestRefused",
        "from spikewire.apps.service import requests, teach, watch",
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
