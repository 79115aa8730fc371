"""The client in docs/clients.md runs, exactly as it stands there, and comes back after a loss."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest
import trio

from tests.support.programs import find_program

TEXT = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
(CLIENT,) = re.findall(r"```javascript\n(.*?)```", TEXT, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
NODE = find_program("node")
needs_node = pytest.mark.skipif(NODE is None, reason="install node to run this test")


def test_the_client_needs_nothing_but_node():
    assert re.findall(r"require\((.*?)\)", CLIENT) == ['"net"']
    assert len([line for line in CLIENT.splitlines() if line.strip()]) <= 80


def test_the_client_in_python_is_python():
    text, _, _ = PYTHON
    body = "".join(f"    {line}\n" for line in text.splitlines())
    names = {}
    exec(compile(f"async def program():\n{body}", "clients.md", "exec"), names)
    assert callable(names["program"])


async def test_the_asyncio_client_prints_a_result(fakes, on_tcp):
    _, text, _ = PYTHON
    source = fakes.Source()
    async with on_tcp(source, fakes.Network()) as service, trio.open_nursery() as nursery:
        program = text.replace("7462", str(service.addresses[0][1]))

        async def feed():
            while not service.first.network_task.teaching.taught:  # noqa: ASYNC110
                await trio.sleep(0.01)
            source.push(fakes.packet(range(0, 100_000, 250), 99_999))

        nursery.start_soon(feed)
        done = await trio.run_process([sys.executable, "-c", program], capture_stdout=True)
    assert re.fullmatch(rb"\d+ \w+\n", done.stdout)


@needs_node
async def test_a_wrong_token_ends_the_client(fakes, on_tcp, tmp_path):
    program = tmp_path / "client.js"
    program.write_text(CLIENT)
    async with on_tcp(fakes.Source(), fakes.Network(), control_token="0123456789abcdef") as service:
        told = await trio.run_process(
            [NODE, str(program), str(service.addresses[0][1])],
            capture_stderr=True, check=False,
        )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr.startswith(b"wrong_token ")


@needs_node
async def test_the_client_receives_every_result_across_a_loss(fakes, on_tcp, tmp_path):
    program = tmp_path / "client.js"
    program.write_text(CLIENT)
    source = fakes.Source()
    async with on_tcp(source, fakes.Network()) as service:

        async def subscribed():
            while not any("result" in box.topics for box in service.first.broker._queues):  # noqa: ASYNC110
                await trio.sleep(0.01)

        port = str(service.addresses[0][1])
        client = await trio.lowlevel.open_process(
            [NODE, str(program), port], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        printed = b""
        await subscribed()
        source.push(fakes.packet(range(0, 100_000, 250), 99_999))
        while printed.count(b"\n") < 10:
            chunk = await client.stdout.receive_some()
            assert chunk
            printed += chunk
        # A loss: the service's end breaks, without a goodbye; results go on meanwhile.
        for box in tuple(service.first.broker._queues):
            box.finish()
        while service.first.broker.subscribers:
            await service.first.broker.left.wait()
        source.push(fakes.packet(range(100_000, 200_000, 250), 199_999))
        await subscribed()
        source.push(fakes.packet(range(200_000, 300_000, 250), 299_999))
        source.finish()
        while chunk := await client.stdout.receive_some():
            printed += chunk
        told = await client.stderr.receive_some()
        assert (await client.wait(), told) == (0, b"")
    lines = [line.split() for line in printed.decode().splitlines()]
    assert [int(tick) for tick, _ in lines] == list(range(0, 301, 10))
    assert {name for _, name in lines} <= {"a", "b", "null"}


@needs_node
def test_its_decoder_and_encoder_are_msgpack():
    value = {
        "up": [0, 127, 128, 255, 256, 65535, 65536, 2**32, 2**53],
        "down": [-1, -32, -33, -129, -(2**20), -(2**40)],
        "floats": [0.5, -1e300], "texts": ["", "x" * 31, "é" * 40, "y" * 300, "z" * 70_000],
        "rest": [None, True, False, {}, {"a": {"b": [1] * 20}}],
        "map": {str(n): n for n in range(70)}, "long": list(range(70_000)),
    }  # fmt: skip
    functions = CLIENT.partition("let run")[0]
    program = functions + (
        "const written = encode(['é', null, true, -5, {a: [2 ** 40]}]).toString('hex');"
        "const read = decode(require('fs').readFileSync(0));"
        "process.stdout.write(JSON.stringify([read, written]));"
    )
    told = subprocess.run(
        [NODE, "-e", program], input=msgpack.packb(value), capture_output=True, check=True
    )
    decoded, encoded = json.loads(told.stdout)
    assert decoded == value
    assert msgpack.unpackb(bytes.fromhex(encoded)) == ["é", None, True, -5, {"a": [2**40]}]
