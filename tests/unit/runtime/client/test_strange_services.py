"""Services that are none, or speak otherwise: every client ends with a sentence."""

import asyncio
import copy
import socket
import threading
from contextlib import contextmanager, suppress

import msgpack
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spikewire.apps import commands
from spikewire.apps.terminal.live_state import LiveState
from spikewire.runtime import (
    BlockingClient,
    ConnectionLost,
    ProtocolError,
    RequestRefused,
    connect,
    connect_asyncio,
    follow,
)
from spikewire.runtime.client.client import accepted, silence_limit_s, take_message
from spikewire.runtime.client.message_buffer import MessageBuffer
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.protocol.frames import Framer, encode, frame
from spikewire.runtime.protocol.service_messages import check_message
from tests.support.patience import patience
from tests.support.wire import RESULT, SERVICE_HELLO, STATUS


def without(message, name):
    return {key: value for key, value in message.items() if key != name}


GREETINGS = {
    "protocol 2": (encode({**SERVICE_HELLO, "protocol": 2}), "speaks protocol 2; this client"),
    "no protocol": (encode(without(SERVICE_HELLO, "protocol")), "speaks protocol None"),
    "no run": (encode(without(SERVICE_HELLO, "run")), "required field `run`"),
    "no tick": (encode({**SERVICE_HELLO, "tick_us": 0}), "tick_us is below 1"),
    "text for a list": (encode({**SERVICE_HELLO, "classes": "ab"}), r"got `str` - at `\$.classes`"),
    "limits": (encode({**SERVICE_HELLO, "limits": {"heartbeat_s": "x"}}), r"\$.limits"),
    "an escape": (encode({**SERVICE_HELLO, "classes": ["a\x1b[2J"]}), "cannot be printed"),
    "a long name": (encode({**SERVICE_HELLO, "classes": ["a" * 65]}), "65 characters"),
    "no map": (frame(msgpack.packb([1, 2])), "is not a msgpack map"),
    "no type": (encode({"protocol": 1}), "its type is no text"),
    "a number for a type": (encode({"type": 5}), "its type is no text"),
    "a reply": (encode({"type": "reply", "ok": True}), "did not begin with a hello"),
    "an error without words": (encode({"type": "error"}), "required field `code`"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "announces 1213486160 bytes"),
    "no length": (bytes(8), "announces 0 bytes"),
    "noise": (frame(b"\xc1\xff\x00"), "is not a msgpack map"),
    "deep": (frame(b"\x81\xa1a" + b"\x91" * 50_000), "is not a msgpack map"),
    "half a frame": (encode(SERVICE_HELLO)[:-3], "closed the connection without a goodbye"),
}
LATER = {
    "a result without scores": ({**without(RESULT, "scores"), "seq": 1}, "field `scores`"),
    "a result of text": ({**RESULT, "seq": "1"}, r"\$.seq"),
    "a class of a terminal": ({**RESULT, "seq": 1, "class": "\x1b]0;x\x07"}, "cannot be printed"),
    "no topic": (without({**RESULT, "seq": 1}, "topic"), "its topic is no text"),
    "a gap of nothing": ({"type": "gap", "topic": "result"}, "field `first`"),
    "a goodbye without a reason": ({"type": "goodbye"}, "field `reason`"),
    "an error with a list": ({"type": "error", "code": [], "message": "x"}, r"\$.code"),
    "a reply to a list": ({"type": "reply", "id": [1], "ok": True}, r"\$.id"),
}


@contextmanager
def strange(*answers):
    """A server that says one of these after each message, the last ones at once; its port."""
    door = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def converse(peer):
        with peer, suppress(OSError):
            peer.settimeout(patience(20))
            framer, left = Framer(1 << 20), list(answers)
            while left and (data := peer.recv(65536)):
                framer.feed(data)
                while left and (payload := framer.take()) is not None:
                    said = msgpack.unpackb(payload)
                    answer = left.pop(0)
                    peer.sendall(answer(said) if callable(answer) else answer)

    def serve():
        while not over.is_set():
            with suppress(OSError):
                threading.Thread(target=converse, args=(door.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield door.getsockname()[1]
    finally:
        over.set()
        door.close()


async def by_trio(port):
    async with connect(port=port, subscribe=["result"]) as client:
        async for _ in client:
            pass


async def by_following(port):
    async with follow(port=port, subscribe=["result"]) as client:
        async for _ in client:
            pass


async def by_hand(port):
    def talk():
        with BlockingClient(port=port, subscribe=["result"], timeout_s=20) as client:
            for _ in client:
                pass

    await trio.to_thread.run_sync(talk)


async def by_asyncio(port):
    async def talk():
        async with connect_asyncio(port=port, subscribe=["result"]) as client:
            async for _ in client:
                pass

    await trio.to_thread.run_sync(asyncio.run, talk())


CLIENTS = [by_trio, by_following, by_hand, by_asyncio]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("greeting", GREETINGS)
async def test_a_strange_greeting_is_told_in_a_sentence(greeting, client):
    said, told = GREETINGS[greeting]
    with strange(said) as port:
        if client is by_following and greeting == "half a frame":
            client = by_trio  # a loss is no fault: it would be tried again for ever
        with pytest.raises((ProtocolError, ConnectionLost), match=told) as caught:
            await client(port)
    assert str(caught.value).endswith(".")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("later", LATER)
async def test_a_strange_message_is_told_in_a_sentence(later, client):
    said, told = LATER[later]

    def answer(asked):
        reply = {"type": "reply", "to": "subscribe", "id": asked["id"], "ok": True, "tick": 1}
        unknown = {"type": "news", "topic": "of a later protocol"}
        return encode({**reply, "topics": ["result"]}) + encode(unknown) + encode(said)

    with (
        strange(encode(SERVICE_HELLO), answer) as port,
        pytest.raises(ProtocolError, match=told) as caught,
    ):
        await client(port)
    assert str(caught.value).isprintable()


COMMANDS = [
    ["watch", "--once"], ["watch", "--once", "--json"], ["status"], ["status", "--json"], ["undo"],
    ["learn", "on"], ["checkpoint"], ["teach", "a", "--for", "10ms"], ["play", "x"],
    ["teach", "a", "--play", "x"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("greeting", ["protocol 2", "no tick", "no map", "an escape", "HTTP"])
def test_commands_tell_a_strange_service_in_a_sentence(greeting, command):
    with strange(GREETINGS[greeting][0]) as port:
        done = CliRunner().invoke(
            commands.application(), [*command, "--connect", f"127.0.0.1:{port}"]
        )
    assert isinstance(done.exception, ProtocolError) or done.exit_code == 1, done.exception


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (["status"], {}), (["status"], {"status": {**STATUS, "source": None}}),
        (["status"], {"status": {**STATUS, "classes": ["\x1b[31mred"]}}),
        (["undo"], {"tick": 1}), (["undo"], {"tick": 1, "label": "\x1b[31mred"}),
        (["checkpoint"], {"tick": 1}), (["learn", "on"], {}), (["learn", "on"], {"tick": "now"}),
        (["play", "x"], {"tick": 1, "segment": [], "first_tick": 0, "events": 1}),
        (["teach", "a", "--for", "1ms"], {"status": {"learn": True}}),
    ],
)  # fmt: skip
def test_commands_tell_a_strange_reply_in_a_sentence(command, reply):
    def answer(asked):
        said = {"type": "reply", "to": asked["type"], "id": asked["id"], "ok": True}
        more = {"topics": ["result"], "tick": 1} if asked["type"] == "subscribe" else reply
        return encode({**said, **more})

    with strange(encode(SERVICE_HELLO), *[answer] * 9) as port:
        done = CliRunner().invoke(
            commands.application(), [*command, "--connect", f"127.0.0.1:{port}"]
        )
    found = [done.exception]
    while isinstance(found[0], BaseExceptionGroup):
        found = list(found[0].exceptions)
    assert isinstance(found[0], ProtocolError), found


# -- messages that nearly fit --------------------------------------------------------------------

REPLIES = {
    "subscribe": {"topics": ["result"], "seq": {"result": 3},
                  "resume": {"result": {"resumed": 1, "gap": {"first": 1, "last": 2}}}},
    "unsubscribe": {"topics": []}, "teach": {"tick": 1}, "learn": {"tick": 1},
    "undo": {"tick": 1, "label": "a"}, "checkpoint": {"tick": 1, "path": "p"},
    "status": {"tick": 1, "status": STATUS},
    "play": {"tick": 1, "segment": 0, "first_tick": 0, "events": 3},
}  # fmt: skip
STATS = {
    "type": "message", "topic": "stats", "seq": 1, "tick": 1, "events_per_s": 1.5,
    "drops": {"late": 3}, "latency_us": {"p50": 1, "p99": 2, "max": 3},
}  # fmt: skip
GOOD = [
    SERVICE_HELLO | {"limits": {"heartbeat_s": 5, "frame_bytes": 9}}, {**RESULT, "seq": 4}, STATS,
    {"type": "message", "topic": "status", "seq": 1, **STATUS},
    {"type": "gap", "topic": "result", "first": 1, "last": 3, "count": 3},
    {"type": "goodbye", "reason": "stopped", "tick": 1}, {"type": "beat", "tick": 1},
    {"type": "error", "code": "too_slow", "message": "Too slow."},
    *({"type": "reply", "to": to, "id": 1, "ok": True, **more} for to, more in REPLIES.items()),
]  # fmt: skip
odd = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.binary(max_size=4),
    st.text(max_size=70), st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2),
)  # fmt: skip


@st.composite
def nearly(draw):
    """A message of a service, in which some things are others."""
    message = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        at = message
        while True:
            name = draw(st.sampled_from(sorted(at)))
            if not isinstance(at[name], dict) or not at[name] or draw(st.booleans()):
                break
            at = at[name]
        if draw(st.booleans()):
            at[name] = draw(odd)
        else:
            del at[name]
        if not at:
            break
    return message


def consume(message):
    """Do with a message what clients and commands do."""
    match message["type"]:
        case "hello":
            silence_limit_s(message)
            positions = TopicPositions()
            positions.want(["*"], "drop_oldest")
            positions.met(message)
            positions.subscriptions(message)
            assert message["tick_us"] >= 1
            assert message["source"] + ", ".join(message["classes"]) is not None
        case "message" | "gap":
            state = LiveState("x")
            state.take(message)
            state.scene()
            positions = TopicPositions({"result": 2}, "r")
            buffer = MessageBuffer(1)
            for one in positions.take(message) * 3:
                buffer.put(one)
            while buffer.pop() is not None:
                pass
        case "reply":
            reply = accepted(str(message.get("to")), message)
            match message.get("to"):
                case "subscribe":
                    TopicPositions().answered(reply)
                case "unsubscribe":
                    TopicPositions().want_only(reply["topics"])
                case "status":
                    status = reply["status"]
                    assert status["source"]["name"] + ", ".join(status["classes"]) is not None
                    assert status["checkpoint"]["error"] or status["checkpoint"]["path"] or True
                case "play":
                    assert reply["tick"] - reply["first_tick"] + reply["events"] is not None


@settings(max_examples=1000, deadline=None)
@given(message=nearly())
def test_a_message_that_nearly_fits_is_used_or_refused(message):
    framer = Framer(1 << 20)
    framer.feed(encode(message))
    try:
        taken = take_message(framer)
        if taken is not None:
            consume(taken)
    except (ProtocolError, RequestRefused):
        return


@pytest.mark.parametrize("message", GOOD, ids=lambda one: one.get("topic", one["type"]))
def test_whole_messages_are_taken(message):
    assert check_message(message)


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=200), good=st.sampled_from(GOOD), at=st.integers(0, 400))
def test_damaged_frames_are_used_or_refused(data, good, at):
    wire = encode(good)
    at %= len(wire)
    framer = Framer(1 << 20)
    framer.feed(wire[:at] + data + wire[at + len(data) :])
    with suppress(ProtocolError, RequestRefused):
        while (taken := take_message(framer)) is not None:
            consume(taken)
