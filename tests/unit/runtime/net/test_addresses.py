"""Tokens, TLS and Unix sockets: who may come in, and what they may do."""

import os
import stat

import pytest
import trio

from spikewire.runtime import (
    BlockingClient,
    ConnectionLost,
    ProtocolError,
    RequestRefused,
    Service,
    ServiceError,
    Settings,
    SettingsError,
    connect,
)
from tests.support.certificates import write_certificate

CONTROL, WATCH = "control-secret-0123456789", "watch-secret-0123456789"


@pytest.fixture
def serving(on_tcp):
    return lambda fakes, **settings: on_tcp(fakes.Source(), fakes.Network(), **settings)


@pytest.mark.parametrize("token", [None, "", "wrong-secret-0123456789", CONTROL[:-1], WATCH + "x"])
async def test_no_token_and_wrong_ones_are_refused_and_counted(token, fakes, monkeypatch, serving):
    monkeypatch.delenv("SPIKEWIRE_TOKEN", raising=False)
    async with serving(fakes, control_token=CONTROL, watch_token=WATCH) as service:
        port = service.addresses[0][1]
        with pytest.raises(ProtocolError, match="wants a token"):
            async with connect(port=port, token=token):
                pass
        async with connect(port=port, token=CONTROL) as good:
            await good.subscribe("stats")
            stats = await anext(good)
        assert stats["refused_tokens"] == 1


async def test_who_may_watch_may_not_control(fakes, monkeypatch, serving):
    async with serving(fakes, control_token=CONTROL, watch_token=WATCH) as service:
        port = service.addresses[0][1]
        monkeypatch.setenv("SPIKEWIRE_TOKEN", WATCH)
        async with connect(port=port, subscribe=["*"]) as watcher:
            assert (await watcher.status())["ok"]
            for ask in (watcher.teach("a"), watcher.learn(False), watcher.checkpoint()):
                with pytest.raises(RequestRefused, match="allows to watch only"):
                    await ask
        assert service.refused_requests == 3
        assert service.first.network_task.teaching.learning

        def by_hand():
            with BlockingClient(port=port, token=CONTROL) as client:
                return client.learn(False)["on"]

        assert await trio.to_thread.run_sync(by_hand) is False


async def test_a_repeated_request_is_done_once(fakes, serving):
    async with serving(fakes) as service, connect(port=service.addresses[0][1]) as client:
        await client.learn(False)
        client._last_id -= 1  # as somebody would who plays back what was sent
        with pytest.raises(RequestRefused, match="was used before"):
            await client.learn(True)
        assert not service.first.network_task.teaching.learning
        assert service.refused_requests == 1
        await client.learn(True)
        assert service.first.network_task.teaching.learning


def test_tokens_that_are_none_and_public_hosts_without_one():
    for wrong in ("short", "x" * 257, "line\nbreak-0123456789", 5):
        with pytest.raises(SettingsError, match="16 to 256") as caught:
            Settings(control_token=wrong)
        assert str(wrong) not in str(caught.value).replace("16 to 256", "")
    with pytest.raises(SettingsError, match="another secret"):
        Settings(control_token=CONTROL, watch_token=CONTROL)
    with pytest.raises(SettingsError, match="control_token"):
        Settings(host="0.0.0.0", public=True, watch_token=WATCH)
    with pytest.raises(SettingsError, match="together with tls_cert"):
        Settings(tls_cert="a.pem")


async def test_tls_with_a_certificate_that_is_trusted(fakes, tmp_path, serving):
    files = write_certificate(tmp_path, "good")
    async with serving(fakes, **files) as service:
        port = service.addresses[0][1]
        async with connect(port=port, tls=True, ca=files["tls_cert"]) as client:
            assert (await client.teach("a"))["ok"]
            assert (await client.status())["ok"]

        def by_hand():
            with BlockingClient(port=port, tls=True, ca=files["tls_cert"], timeout_s=10) as client:
                return client.hello["protocol"]

        assert await trio.to_thread.run_sync(by_hand) == 1


@pytest.mark.parametrize("fault", ["expired", "stranger", "plain"])
async def test_tls_that_cannot_be_trusted_is_refused(fault, fakes, tmp_path, serving):
    files = write_certificate(tmp_path, "mine", last_day=-1 if fault == "expired" else 1)
    ca = files["tls_cert"]
    if fault == "stranger":
        ca = write_certificate(tmp_path, "other")["tls_cert"]
    async with serving(fakes, **files, hello_s=1.0) as service:
        port = service.addresses[0][1]
        if fault == "plain":
            with pytest.raises((ConnectionLost, ProtocolError)):
                async with connect(port=port):
                    pass
        else:
            says = "expired" if fault == "expired" else "self.signed|unable to get"
            with pytest.raises(ConnectionLost, match=f"No secure connection to 127.*({says})"):
                async with connect(port=port, tls=True, ca=ca):
                    pass
        # The service goes on for those who can.
        if fault != "expired":
            async with connect(port=port, tls=True, ca=files["tls_cert"]) as client:
                assert (await client.status())["ok"]


async def test_files_that_are_no_certificate_are_said(fakes, tmp_path):
    (tmp_path / "a.pem").write_text("hello")
    settings = Settings(port=0, tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "b.key"))
    with pytest.raises(ServiceError, match=r"The certificate .*a\.pem with .* cannot be used"):
        await Service(fakes.Source(), fakes.Network(), settings).serve(signals=False)


async def test_a_unix_socket_for_this_user_only(fakes, tmp_path, serving):
    path = str(tmp_path / "s")
    async with serving(fakes, unix_path=path) as service:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        async with connect(unix_path=path) as client:
            assert (await client.teach("a"))["ok"]

        def by_hand():
            with BlockingClient(unix_path=path, timeout_s=10) as client:
                return client.status()["ok"]

        assert await trio.to_thread.run_sync(by_hand)
        other = Settings(port=0, unix_path=path)
        with pytest.raises(ServiceError, match="another service does already"):
            await Service(fakes.Source(), fakes.Network(), other).serve(signals=False)
        assert (tmp_path / "s").exists()
        assert service.first.state == "running"
    assert not (tmp_path / "s").exists()


async def test_what_lies_where_a_unix_socket_should_be(fakes, tmp_path, serving):
    path = tmp_path / "s"
    path.write_text("a letter")
    settings = Settings(port=0, unix_path=str(path))
    with pytest.raises(ServiceError, match="there is something else"):
        await Service(fakes.Source(), fakes.Network(), settings).serve(signals=False)
    path.unlink()
    with trio.socket.socket(trio.socket.AF_UNIX) as dead:
        await dead.bind(str(path))  # and closed without listening: what a kill leaves behind
    async with serving(fakes, unix_path=str(path)), connect(unix_path=str(path)) as client:
        assert (await client.status())["ok"]
