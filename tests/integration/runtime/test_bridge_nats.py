"""The bridge and a real nats-server, over real sockets."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import msgpack
import pytest
import trio

from spikewire.runtime import Bridge, BridgeOptions, connect, follow
from spikewire.sensors import BrokerError, NatsLink, nats_server
from tests.support.natsd import Reader, need_nats, server_or_skip
from tests.support.patience import patience, until

# These sources are faster than any camera: none of what is tested here is the service's to drop.
AMPLE = {"subscriber_messages": 10_000, "history_messages": 10_000}


@pytest.fixture
def broker(tmp_path):
    need_nats()  # here: a skip inside an asynchronous test would lose its reason
    started = []

    def start(*options, config=""):
        started.append(server_or_skip(tmp_path, *options, config=config))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def reader():
    opened = []

    def read(url, subject):
        opened.append(Reader(url, subject))
        return opened[-1]

    yield read
    for one in opened:
        one.close()


@asynccontextmanager
async def bridged(service, url, prefix, **options):
    stream = partial(follow, *service.addresses[0], subscribe=["result"], notices=True)
    link = NatsLink(nats_server(url))
    told = []
    bridge = Bridge(
        stream, link, BridgeOptions(prefix=prefix, **options),
        told.append,
    )  # fmt: skip
    bridge.told = told
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run)
        await until(lambda: any(m.get("side") == "service" for m in told))
        yield bridge
        bridge.stop()


def push(source, fakes, first, last):
    source.push(fakes.packet(range(first * 10_000, last * 10_000 + 1000, 250)))


def numbers(messages, topic="result"):
    return [
        msgpack.unpackb(data)["seq"] for s, data, _ in messages if s.rpartition(".")[2] == topic
    ]


@pytest.mark.slow
async def test_results_arrive_complete_and_in_order(fakes, on_tcp, broker, reader):
    server, source = broker(), fakes.Source()
    read = reader(server.url, "spikewire.>")
    async with on_tcp(source, fakes.Network(), **AMPLE) as service:
        port = service.addresses[0][1]
        async with connect(port=port, subscribe=["result"]) as beside:
            async with bridged(service, server.url, "spikewire.one") as bridge:
                push(source, fakes, 0, 1000)
                await until(lambda: bridge.counters["published"] == 1000)
                await until(lambda: len(read.messages) == 1000)
            seen = [await anext(beside) for _ in range(1000)]
    assert [msgpack.unpackb(data) for _, data, _ in read.messages] == seen
    assert {subject for subject, _, _ in read.messages} == {"spikewire.one.result"}
    assert [headers["Spikewire-Seq"] for _, _, headers in read.messages] == [
        str(n) for n in range(1, 1001)
    ]


async def test_two_services_are_read_by_one_wildcard(fakes, on_tcp, broker, reader):
    server = broker()
    read = reader(server.url, "spikewire.*.result")
    left, right = fakes.Source(), fakes.Source()
    async with (
        on_tcp(left, fakes.Network(), **AMPLE) as one,
        on_tcp(right, fakes.Network(), **AMPLE) as two,
        bridged(one, server.url, "spikewire.left"),
        bridged(two, server.url, "spikewire.right"),
    ):
        push(left, fakes, 0, 50)
        push(right, fakes, 0, 70)
        await until(lambda: len(read.messages) == 120)
    for name, count in (("left", 50), ("right", 70)):
        mine = [m for m in read.messages if m[0] == f"spikewire.{name}.result"]
        assert numbers(mine) == list(range(1, count + 1))
        assert len({headers["Spikewire-Run"] for _, _, headers in mine}) == 1


@pytest.mark.slow
async def test_a_killed_server_costs_what_the_gap_says_and_no_more(fakes, on_tcp, broker, reader):
    server, source = broker(), fakes.Source()
    async with (
        on_tcp(source, fakes.Network(), **AMPLE) as service,
        bridged(service, server.url, "p", most_messages=150) as bridge,
    ):
        read = reader(server.url, "p.>")
        push(source, fakes, 0, 100)
        # A busy machine may confirm late: then they are sent again.
        await until(lambda: set(numbers(read.messages)) == set(range(1, 101)))
        await trio.to_thread.run_sync(read.close)
        server.kill()
        push(source, fakes, 101, 300)
        await until(lambda: bridge.counters["received"] == 300)
        assert bridge.waiting == 150
        server.start()
        await until(lambda: bridge.waiting == 0)
        again = reader(server.url, "p.>")
        push(source, fakes, 301, 320)
        await until(lambda: len(again.messages) == 20)
    (gap,) = [m for m in bridge.told if m["type"] == "gap"]
    assert (gap["topic"], gap["first"], gap["last"], gap["count"]) == ("result", 101, 150, 50)
    assert (gap["lost_by"], gap["run"]) == ("bridge", service.first.run_id)
    assert bridge.counters["lost"] == 50
    assert bridge.counters["published"] == 320 - 50
    assert numbers(again.messages) == list(range(301, 321))


@pytest.mark.slow
async def test_a_stream_has_every_result_once_through_kills(fakes, on_tcp, broker, tmp_path):
    """Killed four times while it stores; what it has at the end is complete, and nothing twice."""
    server = broker("-js", "-sd", str(tmp_path / "store"))
    await trio.to_thread.run_sync(asyncio.run, add_stream(server.url))
    source, made = fakes.Source(), 0
    async with (
        on_tcp(source, fakes.Network(), **AMPLE) as service,
        bridged(service, server.url, "p", stored=True) as bridge,
    ):
        for _ in range(4):
            before = bridge.counters["published"]
            push(source, fakes, made, made + 999)
            made += 1000
            # Right in the middle: some are stored, some on the way, some wait.
            await until(lambda before=before: bridge.counters["published"] > before)
            server.kill()
            await trio.sleep(0.05)
            server.start()
        push(source, fakes, made, made + 10)
        await until(lambda: bridge.counters["published"] == made + 10)
    stored = await trio.to_thread.run_sync(asyncio.run, read_stream(server.url))
    assert numbers(stored) == list(range(1, made + 11))
    assert bridge.counters["nats_lost"] >= 4
    assert bridge.counters["lost"] == bridge.counters["gaps"] == 0


async def add_stream(url):
    import nats

    async with await nats.connect(url) as client:
        await client.jetstream().add_stream(name="spikewire", subjects=["p.>"])


async def read_stream(url):
    import nats

    async with await nats.connect(url) as client:
        taken = []
        reading = await client.jetstream().subscribe("p.>", ordered_consumer=True)
        count = (await client.jetstream().stream_info("spikewire")).state.messages
        while len(taken) < count:
            message = await reading.next_msg(timeout=patience(10))
            taken.append((message.subject, message.data, message.headers))
        return taken


@pytest.mark.slow
async def test_a_service_that_comes_back_is_found_again(fakes, broker, reader):
    from spikewire.runtime import Service, Settings

    server = broker()
    read = reader(server.url, "p.>")
    ports, told = [0], []

    def stream():
        return follow(port=ports[0], subscribe=["result"], notices=True, after_goodbye="wait")

    bridge = Bridge(
        stream, NatsLink(nats_server(server.url)), BridgeOptions(prefix="p"), told.append
    )

    async with trio.open_nursery() as nursery:
        runs = []
        for count in (30, 40):
            source = fakes.Source()
            service = Service(source, fakes.Network(), Settings(port=ports[0], at_end="stay"))

            async def serve(task_status, service=service):
                await service.serve(signals=False, task_status=task_status)

            await nursery.start(serve)
            ports[0] = service.addresses[0][1]
            runs.append(service.first.run_id)
            if count == 30:
                nursery.start_soon(bridge.run)
            connects = len(runs)
            await until(
                lambda n=connects: sum(
                    m.get("side") == "service" and m["state"] == "connected" for m in told
                ) == n
            )  # fmt: skip
            push(source, fakes, 0, count)
            await until(lambda: any(h["Spikewire-Run"] == runs[-1] for _, _, h in read.messages))
            service.stop()
            await until(lambda n=connects: sum(m.get("state") == "lost" for m in told) == n)
        bridge.stop()
    # The reader has a connection of its own: the last results may be on their way.
    await until(lambda: len(read.messages) >= 31 + 41)
    for run, count in zip(runs, (31, 41), strict=True):
        mine = [m for m in read.messages if m[2]["Spikewire-Run"] == run]
        assert numbers(mine) == list(range(1, count + 1))


async def fault(url, **files):
    link = NatsLink(nats_server(url, **files))
    try:
        with pytest.raises(BrokerError) as caught:
            await link.connect()
    finally:
        await link.aclose()
    return str(caught.value)


async def test_a_server_that_is_not_there_or_is_none(broker, fakes, on_tcp):
    server = broker()
    server.kill()
    assert await fault(server.url) == (
        f"Cannot reach NATS at 127.0.0.1:{server.port}: Connection refused."
    )
    with trio.socket.socket() as other:
        await other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        async def answer():
            peer, _ = await other.accept()
            await peer.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            peer.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            told = await fault(f"nats://127.0.0.1:{port}")
    assert told == f"What answers at 127.0.0.1:{port} is no NATS server."


async def test_credentials(broker):
    server = broker("--user", "camera", "--pass", "secret")
    place = f"127.0.0.1:{server.port}"
    for wrong in ("", "camera:false@", "token@"):
        told = await fault(f"nats://{wrong}{place}")
        assert told == f"NATS at {place} refuses these credentials."
    link = NatsLink(nats_server(f"nats://camera:secret@{place}"))
    await link.connect()
    await link.publish([("a", b"b", None)])
    await link.aclose()


async def test_a_token(broker):
    server = broker("--auth", "s3cret")
    place = f"127.0.0.1:{server.port}"
    assert "refuses these credentials" in await fault(f"nats://wrong@{place}")
    link = NatsLink(nats_server(f"nats://s3cret@{place}"))
    await link.connect()
    await link.aclose()


async def test_a_credentials_file(broker, tmp_path):
    pytest.importorskip("nkeys", reason="install spikewire[nats] to run this test")
    from tests.support.nats_user import credentials

    config, path = credentials(tmp_path)
    (tmp_path / "other").mkdir()
    _, stranger = credentials(tmp_path / "other")
    server = broker(config=config)
    link = NatsLink(nats_server(server.url, credentials=str(path)))
    await link.connect()
    await link.publish([("a", b"b", None)])
    await link.aclose()
    told = await fault(server.url, credentials=str(stranger))
    assert told == f"NATS at 127.0.0.1:{server.port} refuses these credentials."
    stranger.write_text(stranger.read_text().replace("SEED-----\n", "SEED-----\nno seed at all"))
    assert "Cannot connect to NATS" in await fault(server.url, credentials=str(stranger))


async def test_a_forbidden_subject_is_told(broker):
    user = "{user: u, password: p, permissions: {publish: 'mine.>'}}"
    server = broker(config=f"authorization: {{users: [{user}]}}")
    link = NatsLink(nats_server(f"nats://u:p@127.0.0.1:{server.port}"))
    await link.connect()
    await link.publish([("mine.result", b"", None)])
    with pytest.raises(BrokerError, match=r"does not allow it: .*yours.result") as caught:
        await link.publish([("yours.result", b"", None)])
    assert caught.value.refused
    await link.aclose()


async def test_no_stream_is_told(broker, tmp_path):
    server = broker("-js", "-sd", str(tmp_path / "store"))
    link = NatsLink(nats_server(server.url))
    await link.connect()
    with pytest.raises(BrokerError, match="no JetStream stream") as caught:
        await link.publish([("a.result", b"", None)], stored=True)
    assert caught.value.refused
    await link.aclose()


@pytest.mark.slow
async def test_tls(broker, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    await trio.run_process(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        capture_stdout=True, capture_stderr=True,
    )  # fmt: skip
    server = broker("--tls", "--tlscert", str(cert), "--tlskey", str(key))
    place = f"127.0.0.1:{server.port}"
    link = NatsLink(nats_server(f"tls://{place}", ca=str(cert)))
    await link.connect()
    await link.publish([("a", b"b", None)])
    await link.aclose()
    told = await fault(f"tls://{place}")
    assert told == f"No secure connection to NATS at {place}: self-signed certificate."


async def test_tls_is_never_given_up(broker):
    server = broker()
    place = f"127.0.0.1:{server.port}"
    assert await fault(f"tls://camera:secret@{place}") == (
        f"NATS at {place} speaks no TLS; tls:// sends nothing to it in the clear."
    )


async def test_one_of_a_cluster_is_enough(broker):
    server, dead = broker(), broker()
    dead.kill()
    link = NatsLink(nats_server(f"{dead.url},{server.url}"))
    await link.connect()
    await link.publish([("a", b"b", None)])
    await link.aclose()
