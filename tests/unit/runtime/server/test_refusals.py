"""Who is refused at the door: each is told why in words, logged and counted."""

import logging
import re
import socket

import pytest
import trio

from spikewire.runtime import BlockingClient, ConnectionLost, ProtocolError, RequestRefused, connect
from spikewire.runtime.server.metrics import Collector
from tests.support.certificates import write_certificate
from tests.support.patience import until

CONTROL, WATCH = "control-secret-0123456789", "watch-secret-0123456789"


@pytest.fixture
def serving(on_tcp):
    return lambda fakes, **settings: on_tcp(fakes.Source(), fakes.Network(), **settings)


def refused(service):
    """Numbers of the refused, by what: the same on the page and in the stats."""
    families = {family.name: family for family in Collector(service).collect()}
    page = {one.labels["what"]: one.value for one in families["spikewire_refused"].samples}
    stats = service.first.stats_publisher._stats()
    assert page == {what: stats[f"refused_{what}"] for what in page}
    return {what: count for what, count in page.items() if count}


async def fails_with(error, says, **how):
    """Both clients fail to connect, with this error."""
    with pytest.raises(error, match=says):
        async with connect(**how):
            pass

    def by_hand():
        with BlockingClient(timeout_s=10, **how):
            pass

    with pytest.raises(error, match=says):
        await trio.to_thread.run_sync(by_hand)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"first_day": -10, "last_day": -1}, "certificate has expired"),
        ({"first_day": 1, "last_day": 10}, "certificate is not yet valid"),
        ({"host": "127.0.0.9"}, "IP address mismatch"),
        ({"host": "example.org"}, "IP address mismatch"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused(
    how, says, fakes, serving, tmp_path, caplog
):
    files = write_certificate(tmp_path, "server", **how)
    async with serving(fakes, **files) as service:
        port = service.addresses[0][1]
        sentence = f"No secure connection to 127.0.0.1.*{says}"
        await fails_with(ConnectionLost, sentence, port=port, tls=True, ca=files["tls_cert"])
        # trio's client leaves without a word, the other says why.
        await until(lambda: refused(service) == {"handshakes": 1})
        await until(lambda: not service.connections)
    told = [r for r in caplog.records if "made no TLS handshake" in r.getMessage()]
    assert [r.levelno for r in told] == [logging.WARNING]


async def test_a_stranger_s_certificate_is_refused(fakes, serving, tmp_path):
    files = write_certificate(tmp_path, "server")
    other = write_certificate(tmp_path, "other")["tls_cert"]
    async with serving(fakes, **files) as service:
        port = service.addresses[0][1]
        await fails_with(ConnectionLost, "self.signed|unable to get", port=port, tls=True, ca=other)
        await until(lambda: refused(service) == {"handshakes": 1})


async def test_a_plain_client_on_a_tls_port_is_refused(fakes, serving, tmp_path):
    files = write_certificate(tmp_path, "server")
    async with serving(fakes, **files) as service:
        port = service.addresses[0][1]
        await fails_with((ConnectionLost, ProtocolError), ".{20}", port=port)
        await until(lambda: refused(service) == {"handshakes": 2})
        await until(lambda: not service.connections)
        async with connect(port=port, tls=True, ca=files["tls_cert"]) as good:
            assert (await good.status())["ok"]


async def test_a_tls_client_on_a_plain_port_is_refused(fakes, serving, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    files = write_certificate(tmp_path, "server")
    async with serving(fakes) as service:
        port = service.addresses[0][1]
        sentence = "No secure connection to 127.0.0.1"
        await fails_with(ConnectionLost, sentence, port=port, tls=True, ca=files["tls_cert"])
        await until(lambda: not service.connections)
    assert len(re.findall("broke the protocol: A frame announces", caplog.text)) == 2


async def test_a_peer_that_says_nothing_in_tls_is_sent_away(fakes, serving, tmp_path):
    files = write_certificate(tmp_path, "server")
    async with serving(fakes, **files, hello_s=0.2, goodbye_s=0.2) as service:
        with socket.create_connection(service.addresses[0]):
            await until(lambda: service.connections == 1)
            await until(lambda: service.connections == 0)


async def test_wrong_tokens_are_logged_without_their_text(fakes, serving, monkeypatch, caplog):
    monkeypatch.delenv("SPIKEWIRE_TOKEN", raising=False)
    async with serving(fakes, control_token=CONTROL, watch_token=WATCH) as service:
        port = service.addresses[0][1]
        await fails_with(ProtocolError, "wants a token", port=port, name="mallory\nroot")
        await fails_with(ProtocolError, "wants a token", port=port, token=CONTROL.upper())
        assert refused(service) == {"tokens": 4}
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 4
    assert told[0] == "client 'mallory\\nroot' was refused: it brought no token"
    assert "a wrong token" in told[2]
    assert CONTROL.upper() not in caplog.text


async def test_control_with_a_watch_token_is_refused_logged_and_counted(fakes, serving, caplog):
    async with serving(fakes, control_token=CONTROL, watch_token=WATCH) as service:
        async with connect(port=service.addresses[0][1], token=WATCH) as watcher:
            with pytest.raises(RequestRefused, match="allows to watch only") as caught:
                await watcher.teach("a")
            assert caught.value.code == "not_allowed"
            with pytest.raises(RequestRefused, match="allows to watch only"):
                await watcher.play("x")
            assert (await watcher.status())["ok"]
        assert refused(service) == {"requests": 2}
        assert service.first.network_task.teaching.taught is None
    assert "teach refused: The token of this connection allows to watch only." in caplog.text
    assert "play refused" in caplog.text


async def test_a_replayed_request_is_refused_logged_and_counted(fakes, serving, caplog):
    async with serving(fakes) as service:
        async with connect(port=service.addresses[0][1]) as client:
            await client.teach("a")
            await client.teach("b")
            for again in (2, 1):
                client._last_id -= again
                with pytest.raises(RequestRefused, match="was used before") as caught:
                    await client.teach("a")
                assert caught.value.code == "repeated_id"
            assert service.first.network_task.teaching.taught == "b"
            client._last_id += 2
            assert (await client.teach(None))["ok"]
        assert refused(service) == {"requests": 2}
    assert caplog.text.count("teach refused: The id") == 2
