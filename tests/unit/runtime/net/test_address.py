"""Addresses are read, written and combined in one way by all clients."""

import pytest
import trio

from spikewire.runtime import BlockingClient, ConnectionLost, ServiceAddress, connect, follow
from spikewire.runtime.net.address import service_address


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("127.0.0.1:7000", ServiceAddress("127.0.0.1", 7000), "127.0.0.1:7000"),
        (":7000", ServiceAddress("127.0.0.1", 7000), "127.0.0.1:7000"),
        ("[::1]:7000", ServiceAddress("::1", 7000), "[::1]:7000"),
        ("::1", ServiceAddress("::1"), "[::1]:7462"),
        ("[::1]", ServiceAddress("::1"), "[::1]:7462"),
        ("example.org", ServiceAddress("example.org"), "example.org:7462"),
        ("unix:/run/s.sock", ServiceAddress(unix_path="/run/s.sock"), "/run/s.sock"),
    ],
)
def test_text_is_read(text, address, written):
    assert ServiceAddress.parse(text) == address
    assert str(address) == written


def test_clients_take_a_host_text_or_an_address():
    address = ServiceAddress("h", 1, tls=True)
    assert service_address(address, 7) is address
    assert service_address("h:1", 7, tls=True) == address
    assert service_address("h", 7) == service_address("h:7") == ServiceAddress("h", 7)
    assert service_address("::1", 7) == ServiceAddress("::1", 7)
    assert service_address("unix:/s").unix_path == "/s"


@pytest.mark.parametrize("host", ["a..b", ".b", "x" * 64])
async def test_an_impossible_name_is_told(host):
    with pytest.raises(ConnectionLost, match="that is no name of a machine"):
        await ServiceAddress(host).open()
    with pytest.raises(ConnectionLost, match="that is no name of a machine"):
        await trio.to_thread.run_sync(ServiceAddress(host).open_blocking, 5)


async def test_all_clients_take_the_same_arguments(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        host, port = service.addresses[0]
        for where in (
            (host, port),
            (f"{host}:{port}",),
            (ServiceAddress(host, port),),
        ):
            async with connect(*where, subscribe=["status"], name="one") as client:
                assert (await anext(client))["topic"] == "status"
            async with follow(*where, subscribe=["status"], name="two") as following:
                assert (await anext(following))["topic"] == "status"

            def by_hand(where=where):
                with BlockingClient(*where, subscribe=["status"], name="three") as blocking:
                    return next(iter(blocking))["topic"]

            assert await trio.to_thread.run_sync(by_hand) == "status"
        assert not await ServiceAddress(host, port).requires_token()


async def test_a_service_tells_whether_it_requires_a_token(fakes, on_tcp):
    secret = "control-secret-0123456789"
    async with on_tcp(fakes.Source(), fakes.Network(), control_token=secret) as service:
        assert await ServiceAddress(*service.addresses[0]).requires_token()


async def test_wrong_arguments_are_told():
    with pytest.raises(TypeError, match="tokn"):
        async with connect(tokn="x"):
            pass
    with pytest.raises(TypeError, match="subscribe="):
        async with follow("result"):
            pass
