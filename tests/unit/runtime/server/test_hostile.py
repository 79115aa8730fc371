"""Hostile peers cost their own connection only: short forms of tests/robustness/hostile.py."""

import time
from fnmatch import fnmatchcase

import msgpack
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.runtime import ProtocolError, connect
from spikewire.runtime.protocol.frames import Framer, decode
from spikewire.runtime.protocol.messages import TOPICS, ClientMessage, decode_message, matching
from tests.robustness import hostile_kinds, hostile_peers
from tests.support.patience import patience, until


def tasks(task=None):
    """How many tasks there are below one; by default below the root."""
    task = task or trio.lowlevel.current_root_task()
    return 1 + sum(tasks(t) for nursery in task.child_nurseries for t in nursery.child_tasks)


@pytest.mark.slow
async def test_every_attempt_gets_its_error_and_leaves_nothing(fakes, on_tcp, tmp_path):
    source = fakes.Source()
    path = str(tmp_path / "s")
    limits = {
        **hostile_kinds.LIMITS,
        "hello_s": patience(1.5), "unix_path": path, "stats_every_s": 0.05,
    }  # fmt: skip
    async with on_tcp(source, fakes.Network(), **limits) as service:
        port = service.addresses[0][1]
        async with connect(port=port, subscribe=["result"]) as healthy, connect(port=port) as boss:
            await boss.status()
            before, open_before = tasks(), service.connections
            report = {}
            asked = 0

            async def attack():
                report.update(await hostile_peers.assault([port, port, path], 0, 600, 7, 64, 1e9))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(attack)
                results = healthy.results()
                while not report:
                    start = asked * 10_000
                    source.push(fakes.packet(range(start, start + 10_000, 500), start + 10_000))
                    assert (await anext(results))["tick"] == asked * 10
                    asked += 1
                    assert (await boss.status())["ok"]
            assert (report["wrong"], report["wrongs"]) == ([], 0)
            assert len(report["kinds"]) == len(hostile_kinds.FAST) + len(hostile_kinds.SLOW)
            assert asked > 20
            assert healthy.missed == 0
            # The service accepts attempts that were closed at once after the attack is over.
            await until(lambda: (service.connections, tasks()) == (open_before, before))
            assert service.first.broker.subscribers == 2
        await until(lambda: not service.connections)


# What a client may nearly say: the fields' names and tags are right often enough to get far.
words = st.sampled_from(
    ["type", "hello", "subscribe", "teach", "status", "play", "learn", "label", "topics", "on",
     "policy", "last_seq", "run", "id", "protocol", "speed", "result", "*", "latest", "name"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary()
    | words | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
GOOD = tuple(
    msgpack.packb(message)
    for message in (
        {"type": "hello", "protocol": 1, "client": "a"}, {"type": "teach", "label": "b", "id": 1},
        {"type": "subscribe", "topics": ["*"], "last_seq": {"result": 3}, "run": "x"},
        {"type": "play", "name": "a", "speed": 2.0, "stop_us": 9},
    )
)  # fmt: skip
tags = st.fixed_dictionaries({"type": words})


nearly = st.builds(lambda a, b: msgpack.packb({**a, **b}), tags, st.dictionaries(words, values))


def flip(whole, at, bits):
    """Change one byte."""
    at %= len(whole)
    return whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]


def outcome(call):
    """What a call returns, or the protocol error that it raises, within a second of computing."""
    began = time.thread_time()
    try:
        return call()
    except ProtocolError as error:
        return error
    finally:
        assert time.thread_time() - began < 1


@given(nearly)
@settings(max_examples=60, deadline=None)
def test_nearly_right_messages_are_understood_or_refused(payload):
    said = outcome(lambda: decode_message(payload))
    if isinstance(said, ProtocolError):
        assert said.code in ("invalid", "malformed")
        assert len(str(said)) < 1000
    else:
        assert isinstance(said, ClientMessage)


@given(
    st.binary(max_size=200)
    | st.builds(flip, st.sampled_from(GOOD), st.integers(0, 999), st.integers(1, 255))
)
@settings(max_examples=300, deadline=None)
def test_bytes_are_understood_or_refused(payload):
    for read in (decode_message, decode):
        got = outcome(lambda read=read: read(payload))
        assert not isinstance(got, ProtocolError) or got.code in ("invalid", "malformed")


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_a_framer_gives_what_was_framed_or_names_the_fault(pieces, limit):
    framer, wire, taken = Framer(limit), b"".join(pieces), b""
    for piece in pieces:
        framer.feed(piece)
        while (payload := outcome(framer.take)) is not None:
            if isinstance(payload, ProtocolError):
                length = int.from_bytes(wire[len(taken) : len(taken) + 4], "big")
                assert payload.code == ("frame_too_large" if length else "empty_frame")
                assert not 0 < length <= limit
                return
            assert 1 <= len(payload) <= limit
            taken += len(payload).to_bytes(4, "big") + payload
            assert wire.startswith(taken)
    assert framer.partial == (len(taken) < len(wire))


@given(st.text("*restula", max_size=12))
def test_patterns_stand_for_what_they_do_in_a_shell(pattern):
    assert matching([pattern]) == [topic for topic in TOPICS if fnmatchcase(topic, pattern)]


def test_a_pattern_of_a_stranger_costs_no_time():
    # Before, this one message held the whole service up for 352 s.
    fields = {"type": "subscribe", "topics": ["result"], "run": "x", "last_seq": {"[" * 100_000: 1}}
    with pytest.raises(ProtocolError, match="last_seq") as caught:
        decode_message(msgpack.packb(fields))
    assert len(str(caught.value)) < 200
