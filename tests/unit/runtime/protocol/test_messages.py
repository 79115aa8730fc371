"""What a client says is checked field by field."""

import msgpack
import pytest

from spikewire.runtime import ProtocolError
from spikewire.runtime.protocol.messages import Hello, Play, Subscribe, Teach, decode_message


def test_good_messages_become_typed():
    def say(**fields):
        return decode_message(msgpack.packb(fields))

    assert say(type="hello", protocol=1) == Hello(protocol=1)
    assert say(type="teach", label="wave", id=3) == Teach(label="wave", id=3)
    assert say(type="teach", label=None, id="x") == Teach(label=None, id="x")
    assert say(type="subscribe", topics=["result"]) == Subscribe(
        topics=["result"], policy="drop_oldest"
    )
    assert say(type="play", name="a", speed=2) == Play(name="a", speed=2.0)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"type": "teach"}, "label"),
        ({"type": "teach", "label": ""}, "label"),
        ({"type": "teach", "label": "x" * 65}, "label"),
        ({"type": "teach", "label": 3}, "label"),
        ({"type": "teach", "label": "  "}, "label"),
        ({"type": "teach", "label": "\x1b[2J"}, "label"),
        ({"type": "teach", "label": "a", "extra": 1}, "extra"),
        ({"type": "teach", "label": "a", "id": 1.5}, "id"),
        ({"type": "learn", "on": 1}, "on"),
        ({"type": "dance"}, "dance"),
        ({"protocol": 1}, "type"),
        ({"type": "subscribe", "topics": ["results"]}, "results"),
        ({"type": "subscribe", "topics": ["result"] * 17}, "topics"),
        ({"type": "subscribe", "topics": [], "policy": "block"}, "block"),
        ({"type": "play", "name": "a", "speed": 0.0}, "speed"),
        ({"type": "play", "name": "a", "speed": float("nan")}, "speed"),
        ({"type": "play", "name": "a", "start_us": -1}, "start_us"),
        ({"type": "play", "name": "a", "start_us": 5, "stop_us": 5}, "stop_us"),
        ({"type": "hello", "protocol": "1"}, "protocol"),
    ],
)
def test_a_wrong_message_is_refused_by_name(fields, names):
    with pytest.raises(ProtocolError, match=names) as caught:
        decode_message(msgpack.packb(fields))
    assert caught.value.code == "invalid"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc1",
        b"\x82\xa4type",
        msgpack.packb({"type": "status"}) + b"\0",
        b"\x81\xa4type" + b"\x91" * 100_000 + b"\xc0",
        b"\x91" * 100_000,
        b"\x81" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
    ],
)
def test_what_is_no_message_at_all_is_refused(payload):
    with pytest.raises(ProtocolError) as caught:
        decode_message(payload)
    assert caught.value.code in ("malformed", "invalid")
