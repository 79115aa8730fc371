"""The pages /metrics and /healthz, over a real socket."""

import json
import sys
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
import trio

from spikewire.runtime import Service, ServiceError, Settings
from spikewire.sensors import SourceError
from tests.robustness.hostile_kinds import UPGRADE
from tests.support.patience import patience


@pytest.fixture
def serving(on_tcp):
    return lambda source, network, **settings: on_tcp(source, network, http_port=0, **settings)


async def get(service, page, **headers):
    def fetch():
        request = urllib.request.Request(f"{service.http_address}{page}", headers=headers)
        for name, value in headers.items():
            request.add_header(name, value.encode().decode("latin-1"))  # as curl sends it
        try:
            with urllib.request.urlopen(request, timeout=patience(20)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await trio.to_thread.run_sync(fetch)


async def test_metrics_are_what_the_service_did(fakes, serving):
    source = fakes.Source()
    async with serving(source, fakes.Network()) as service:
        source.push(fakes.packet(range(0, 50_000, 500)))
        while service.first.network_task.counters.results < 5:  # noqa: ASYNC110
            await trio.sleep(0.01)
        code, text = await get(service, "/metrics")
    assert code == 200
    values = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )
    assert float(values['spikewire_packets_total{pipeline="main"}']) == 1
    assert float(values['spikewire_events_total{pipeline="main"}']) > 90
    assert float(values['spikewire_time_jumps_total{pipeline="main"}']) == 0
    results = float(values['spikewire_results_total{pipeline="main"}'])
    assert 5 <= results <= service.first.network_task.counters.results
    assert float(values['spikewire_latency_seconds_bucket{le="+Inf",pipeline="main"}']) == results
    assert float(values['spikewire_latency_seconds_count{pipeline="main"}']) == results
    assert float(values["spikewire_up"]) == 1
    assert float(values['spikewire_refused_total{what="tokens"}']) == 0


async def test_health_says_why_not(fakes, serving):
    class Dies(fakes.Source):
        async def run(self, deliver):
            raise SourceError("The cable was pulled.")

    async with serving(fakes.Source(), fakes.Network()) as service:
        assert await get(service, "/healthz") == (
            200, json.dumps({"ok": True, "faults": [], "tick": 0}, separators=(",", ":")),
        )  # fmt: skip
        assert (await get(service, "/other"))[0] == 404
    async with serving(Dies(), fakes.Network(), at_end="stay") as service:
        while service.first.source_state != "failed":  # noqa: ASYNC110
            await trio.sleep(0.01)
        code, text = await get(service, "/healthz")
        assert code == 503
        assert json.loads(text)["faults"] == ["the source failed: The cable was pulled."]


async def test_with_tokens_the_pages_want_one(fakes, serving, caplog):
    watch, control = "w" * 16, "für-alle-daheim-à"
    tokens = {"watch_token": watch, "control_token": control}
    async with serving(fakes.Source(), fakes.Network(), **tokens) as service:
        for authorization in ({}, {"Authorization": f"Bearer {watch}x"},
                              {"Authorization": f"Basic {watch}"}, {"Authorization": watch},
                              {"Authorization": "Bearer"}):  # fmt: skip
            code, text = await get(service, "/metrics", **authorization)
            assert (code, "spikewire_" in text) == (401, False)
        assert service.admission.refused_tokens == 5
        assert "/metrics was refused" in caplog.text
        assert await get(service, "/healthz") == (200, '{"ok":true}')
        assert service.admission.refused_tokens == 5
        for token in (watch, control):
            bearer = {"Authorization": f"bearer {token}"}
            code, text = await get(service, "/metrics", **bearer)
            assert code == 200
            assert 'spikewire_refused_total{what="tokens"} 5.0' in text
            assert "faults" in json.loads((await get(service, "/healthz", **bearer))[1])
        assert (await get(service, "/healthz", Authorization="Basic abc"))[1] == '{"ok":true}'
        assert service.admission.refused_tokens == 6
        assert "/healthz was refused" in caplog.text
        assert watch not in caplog.text


async def test_without_the_extra_it_is_named(fakes, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    settings = Settings(port=0, http_port=0)
    with pytest.RaisesGroup(
        pytest.RaisesExc(ServiceError, match=r"spikewire\[http\]"), flatten_subgroups=True
    ):
        await Service(fakes.Source(), fakes.Network(), settings).serve(signals=False)


@pytest.mark.parametrize(
    "said", [UPGRADE + b"\xff" * 40, UPGRADE, b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
)
async def test_a_peer_that_breaks_http_costs_its_own_connection(said, fakes, serving, caplog):
    async with serving(fakes.Source(), fakes.Network()) as service:
        host, port = service.http_address.removeprefix("http://").split(":")
        for _ in range(3):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(said)
                with trio.move_on_after(0.2):
                    while await stream.receive_some(4096):
                        pass
        assert (await get(service, "/healthz"))[0] == 200
        assert service.first.state == "running"
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("page", ["/metrics", "/healthz"])
async def test_pages_answer_under_their_own_names_only(fakes, serving, page):
    async with serving(fakes.Source(), fakes.Network()) as service:
        for name in ("localhost:9464", "127.0.0.1", "[::1]:1", "192.168.1.5"):
            assert (await get(service, page, Host=name))[0] == 200, name
        for name in ("evil.example", "localhost.evil.example:80", ""):
            assert await get(service, page, Host=name) == (421, "This server has another name.\n")


async def test_a_right_token_is_enough_under_any_name(fakes, serving):
    token = "control-secret-0123456789"
    async with serving(fakes.Source(), fakes.Network(), control_token=token) as service:
        monitor = {"Host": "spikewire.example"}
        assert (await get(service, "/metrics", **monitor))[0] == 401
        assert await get(service, "/healthz", **monitor) == (200, '{"ok":true}')
        monitor["Authorization"] = f"Bearer {token}"
        assert (await get(service, "/metrics", **monitor))[0] == 200


async def test_health_answers_while_strangers_trickle(fakes, serving):
    async with serving(fakes.Source(), fakes.Network()) as service:
        host, _, port = service.http_address.removeprefix("http://").rpartition(":")
        strangers = [await trio.open_tcp_stream(host, int(port)) for _ in range(150)]
        for stream in strangers:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(b"GET /healthz HTTP/1.1\r\nX: ")
        for _ in range(3):
            assert (await get(service, "/healthz"))[0] == 200
            for stream in strangers:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(b"y")
        for stream in strangers:
            await stream.aclose()


async def test_a_trickling_request_has_an_end(fakes, serving, monkeypatch):
    monkeypatch.setattr("spikewire.runtime.server.metrics.PATIENCE_S", 1)
    async with serving(fakes.Source(), fakes.Network()) as service:
        host, _, port = service.http_address.removeprefix("http://").rpartition(":")
        stream = await trio.open_tcp_stream(host, int(port))
        began = trio.current_time()
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"G")
                await trio.sleep(0.1)
        assert trio.current_time() >= began + 1
        await stream.aclose()
