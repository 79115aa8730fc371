"""The client in docs/protocol.md runs, exactly as it stands there, and the tables are complete."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import trio

from spikewire.runtime import TOPICS, Service, Settings
from spikewire.runtime.pipeline.membrane import Membrane, NeuronPlace
from spikewire.runtime.protocol.messages import _said

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def client_text():
    (text,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    return text


def test_the_client_is_short_and_needs_msgpack_only():
    lines = [line for line in client_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    imports = re.findall(r"^import (.*)", client_text(), re.MULTILINE)
    assert imports == ["socket, struct, sys, msgpack"]


async def test_the_client_receives_every_result(fakes):
    source = fakes.Source()
    service = Service(source, fakes.Network(), Settings(port=0))
    async with trio.open_nursery() as nursery:

        async def serve(task_status):
            await service.serve(signals=False, task_status=task_status)

        await nursery.start(serve)
        run = [sys.executable, "-c", client_text(), str(service.addresses[0][1])]
        client = await trio.lowlevel.open_process(run, stdout=subprocess.PIPE)
        with trio.fail_after(60):
            while not any("result" in box.topics for box in service.first.broker._queues):  # noqa: ASYNC110
                await trio.sleep(0.01)
            source.push(fakes.packet(range(0, 100_000, 250)))
            source.finish()
            printed = b""
            while chunk := await client.stdout.receive_some():
                printed += chunk
            assert await client.wait() == 0
    lines = [line.split() for line in printed.decode().splitlines()]
    assert [int(tick) for tick, _ in lines] == list(range(0, 101, 10))
    assert {name for _, name in lines} <= {"a", "b", "None"}


def test_every_message_and_field_of_a_client_is_documented():
    kinds = _said.type.__args__
    assert len(kinds) == 18
    for kind in kinds:
        assert f"`{kind.__struct_config__.tag}`" in TEXT
        for field in kind.__struct_fields__:
            assert f"`{field}`" in TEXT, (kind, field)


def test_every_code_that_can_be_sent_is_documented():
    source = "".join(p.read_text() for p in (Path(__file__).parents[2] / "runtime").rglob("*.py"))
    codes = set(re.findall(r'"code": "(\w+)"', source))
    codes |= set(re.findall(r'ProtocolError\(\s*"(\w+)"', source))
    codes |= set(re.findall(r'error_reply\(\s*"(\w+)"', source))
    codes |= set(re.findall(r'refuse\(\s*stream,\s*"(\w+)"', source))
    assert len(codes) >= 26
    missing = {code for code in codes if f"| `{code}` |" not in TEXT}
    assert not missing


async def test_every_published_field_is_documented(fakes, running, autojump_clock):
    source = fakes.Source([])
    async with running(source) as run, run.client() as client:
        await client.subscribe("*")
        await client.teach("a")
        source.push(fakes.packet([0, 500, 20_000]))
        await trio.sleep(1)
        source.push(fakes.packet([20_000, 40_000]))
        seen = {}
        # The simple network here has no membranes to show.
        while len(seen) < len(TOPICS) - 1:
            message = await anext(client)
            seen[message["topic"]] = message
        place = NeuronPlace(0, (0, 0, 0))
        seen["membrane"] = Membrane(place, 0, np.zeros((1, 3), np.int32)).body()
        fields = {field for message in seen.values() for field in message} | set(client.hello)
        assert {field for field in fields if f"`{field}`" not in TEXT} == set()
