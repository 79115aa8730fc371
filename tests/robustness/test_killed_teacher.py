"""A teacher that dies, or hangs, teaches no longer: real processes on real sockets."""

import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import msgpack
import pytest
import trio

from spikewire.runtime import BlockingClient
from tests.support.patience import patience
from tests.unit.apps.dashboard.browser import OPEN, opened

pytestmark = pytest.mark.timeout(patience(30))
HANGING = """
import sys, time
from spikewire.runtime import BlockingClient
with BlockingClient(port=int(sys.argv[1]), name="hanging") as client:
    client.request("teach", label="a", lease_s=2.0)
    for beat in range(36000):
        time.sleep(0.1)
        client._send({"type": "beat"})
        print(beat, flush=True)
"""
PLAIN = """
import sys, time
from spikewire.runtime import BlockingClient
with BlockingClient(port=int(sys.argv[1]), name="plain") as client:
    client.teach("a")
    time.sleep(3600)
"""


def started(*words):
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)


def read_beats(teacher, number):
    """Return when a teacher has sent so many beats."""
    for line in teacher.stdout:
        if int(line) >= number:
            return
    raise AssertionError("the teacher ended")


async def until(condition):
    with trio.fail_after(patience(60)):
        while not condition():  # noqa: ASYNC110 - another process is waited for
            await trio.sleep(0.02)


@pytest.mark.parametrize(
    ("how", "program"),
    [(signal.SIGKILL, PLAIN), (signal.SIGTERM, PLAIN), (signal.SIGSTOP, HANGING)],
    ids=["killed", "ended", "stopped"],
)
async def test_a_teacher_that_is_gone_teaches_no_longer(fakes, on_tcp, how, program):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        port = service.addresses[0][1]
        teaching = service.first.network_task.teaching
        teacher = started("-c", program, str(port))
        try:
            await until(lambda: teaching.taught == "a")
            if how == signal.SIGSTOP:
                # For longer than its lease of 2 s.
                await trio.to_thread.run_sync(read_beats, teacher, 24)
                assert teaching.taught == "a"
            teacher.send_signal(how)
            await until(lambda: teaching.taught is None)
        finally:
            teacher.kill()
            teacher.communicate()


async def test_a_killed_command_teaches_no_longer(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        address = f"127.0.0.1:{service.addresses[0][1]}"
        teaching = service.first.network_task.teaching
        teacher = started("-m", "spikewire", "teach", "a", "--for", "60min", "-c", address)
        try:
            await until(lambda: teaching.taught == "a")
            assert teaching.teacher.facts()["client"] == "teach"
        finally:
            teacher.kill()
            teacher.communicate()
        await until(lambda: teaching.taught is None)


@asynccontextmanager
async def teaching_page(service):
    """A page before the command that serves it, which teaches as the page does, with its beats."""
    port = service.addresses[0][1]
    words = ["dashboard", "--connect", f"127.0.0.1:{port}", "--http-port", "0", "--json"]
    relay = started("-m", "spikewire", *words)
    teaching = service.first.network_task.teaching
    try:
        line = await trio.to_thread.run_sync(relay.stdout.readline)
        page = await opened(json.loads(line)["url"])
        hello = {"type": "hello", "protocol": 1, "client": "dashboard"}
        teach = {"type": "teach", "id": 1, "label": "a", "lease_s": 3}
        for message in (hello, teach):
            await page.say(msgpack.packb(message))
        await until(lambda: teaching.taught == "a")
        assert teaching.teacher.facts() == {"client": "dashboard", "lasting": False, "lease_s": 3}
        yield relay, page, teaching
    finally:
        while OPEN:
            await trio.aclose_forcefully(OPEN.pop())
        relay.kill()
        await trio.to_thread.run_sync(relay.wait)
        relay.stdout.close()


@pytest.mark.parametrize("what", ["tab", "relay", "frozen relay", "frozen tab"])
async def test_a_killed_page_teaches_no_longer(fakes, on_tcp, what):
    async with (
        on_tcp(fakes.Source(), fakes.Network()) as service,
        teaching_page(service) as (relay, page, teaching),
    ):
        for _ in range(4):
            await trio.sleep(1)
            await page.say(msgpack.packb({"type": "beat"}))
        assert teaching.taught == "a"  # for longer than its lease
        began = trio.current_time()
        if what == "tab":
            await trio.aclose_forcefully(page.stream)
        elif what != "frozen tab":
            relay.send_signal(signal.SIGKILL if what == "relay" else signal.SIGSTOP)
        await until(lambda: teaching.taught is None)
        assert trio.current_time() - began < 3 + patience(2)


async def test_a_newer_teacher_is_not_disturbed_by_a_kill(fakes, on_tcp):
    async with on_tcp(fakes.Source(), fakes.Network()) as service:
        port = service.addresses[0][1]
        teaching = service.first.network_task.teaching
        teacher = started("-c", PLAIN, str(port))
        try:
            await until(lambda: teaching.taught == "a")
            await trio.to_thread.run_sync(_teach_b_then, port, teacher.kill)
            assert teaching.taught == "b"
        finally:
            teacher.kill()
            teacher.communicate()


def _teach_b_then(port, kill):
    with BlockingClient(port=port) as client:
        client.teach("b", lasting=True)
        kill()
        for _ in range(20):
            assert client.status()["status"]["label"] == "b"
