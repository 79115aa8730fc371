"""Closed connections are freed at once: TLS states and buffers do not wait for the collector."""

import gc
import random
import ssl

import pytest
import trio

from spikewire.runtime.net.tls import client_context
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.server.connection import Connection
from tests.robustness import hostile_kinds, hostile_peers
from tests.robustness.hostile_kinds import Attempt
from tests.support.certificates import write_certificate
from tests.support.patience import until
from tests.support.wire import HELLO

LATE = {**hostile_kinds.LIMITS, "hello_s": 0.5, "frame_s": 0.3}
PLAY = HELLO + encode({"type": "play", "name": "a"})


class SlowShelf:
    """Plays one excerpt for ever."""

    name = "shelf:slow"
    live = False

    def __init__(self):
        self.counters = {}

    async def run(self, deliver):
        await trio.sleep_forever()

    async def play(self, name, **excerpt):
        await trio.sleep_forever()


def held():
    """Count the connections and TLS states of services."""
    return sum(
        type(thing) is Connection or (type(thing) is ssl.SSLObject and thing.server_side)
        for thing in gc.get_objects()
    )


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("how", ["plain", "TLS", "not TLS"])
async def test_no_attempt_leaves_a_connection_to_the_collector(
    how, fakes, on_tcp, tmp_path, no_collector
):
    files = {} if how == "plain" else write_certificate(tmp_path, "tls")
    tls = client_context(files["tls_cert"]) if how == "TLS" else "not" if files else None
    before = held()
    async with on_tcp(fakes.Source(), fakes.Network(), **LATE, **files) as service:
        for kind in hostile_kinds.FAST + hostile_kinds.SLOW:
            attempt = kind(random.Random(0))
            if how != "TLS" or attempt.end != "half":  # TLS has no half-closed connections
                await hostile_peers.attack(service.addresses[0][1], attempt, tls)
        await until(lambda: not service.connections)
        await until(lambda: held() == before)


@pytest.mark.parametrize("end", ["read", "half", "close", "reset"])
async def test_no_broken_play_leaves_a_connection_to_the_collector(
    end, fakes, on_tcp, no_collector
):
    before = held()
    async with on_tcp(SlowShelf(), fakes.Network()) as service:
        pieces = [PLAY, b"\xff" * 8 if end == "read" else encode({"type": "beat"})]
        codes = None if end in ("close", "reset") else frozenset({""})
        await hostile_peers.attack(
            service.addresses[0][1], Attempt(pieces, codes, end, pause_s=0.1), None
        )
        await until(lambda: not service.connections)
        await until(lambda: held() == before)
