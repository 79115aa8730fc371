"""What a hostile peer does to a service, drawn at random, and what must come back.

The limits are those of ``LIMITS``, which the service under attack has to be given.
"""

from __future__ import annotations

import random
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import msgpack

LIMITS: dict[str, Any] = {
    "hello_s": 3.0, "frame_s": 1.5, "frame_bytes": 65536, "add_classes": False,
}  # fmt: skip
PAUSE_S = 0.06
HELLO_BYTES = 4096
DEEP = (300, 20_000, 60_000)

End = Literal["read", "half", "reset", "close"]


@dataclass(frozen=True)
class Attempt:
    """One connection of a hostile peer.

    ``pieces`` are sent with ``pause_s`` between them; then the peer reads to the end, having closed
    its sending side before (``half``), or resets or closes the connection. ``codes`` are the errors
    of which one must come last ("" is none); None where the peer does not read. ``replies`` is how
    many replies must come, in order.
    """

    pieces: list[bytes]
    codes: frozenset[str] | None
    end: End = "read"
    pause_s: float = 0.0
    replies: int = 0


def frame(body: bytes) -> bytes:
    """Frame a payload."""
    return struct.pack(">I", len(body)) + body


def say(**fields: object) -> bytes:
    """Frame a message."""
    return frame(msgpack.packb(fields))


HELLO = say(type="hello", protocol=1)
NONE = frozenset({""})
# Half a WebSocket handshake, for the pages.
UPGRADE = (
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def _gets(code: str, data: bytes, end: End = "read", replies: int = 0) -> Attempt:
    return Attempt([data], frozenset(code.split() or [""]), end, replies=replies)


def _maybe_hello(rng: random.Random) -> bytes:
    return HELLO if rng.random() < 0.7 else b""


def _bad_frame(rng: random.Random, body: bytes) -> Attempt:
    hello = _maybe_hello(rng)
    short = hello or len(body) <= HELLO_BYTES
    return _gets("malformed invalid" if short else "frame_too_large", hello + frame(body))


def empty_frame(rng: random.Random) -> Attempt:
    return _gets("empty_frame", _maybe_hello(rng) + bytes(4) + rng.randbytes(rng.choice([0, 90])))


def oversized(rng: random.Random) -> Attempt:
    size = rng.choice([LIMITS["frame_bytes"] + 1, 2**24, 2**31, 2**32 - 1])
    body = rng.randbytes(rng.choice([0, 10, 5_000, 100_000]))
    return _gets("frame_too_large", _maybe_hello(rng) + struct.pack(">I", size) + body)


def foreign(rng: random.Random) -> Attempt:
    return _gets("frame_too_large", rng.choice([
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", client_hello(),
        b"PING\r\n", b"CONNECT {}\r\n",
    ]))  # fmt: skip


def truncated(rng: random.Random) -> Attempt:
    whole = rng.choice([HELLO, say(type="hello", protocol=1, client="x" * 128)])
    if rng.random() < 0.5:
        return _gets("truncated", whole[: rng.randrange(1, len(whole))], "half")
    more = say(type="teach", label="y" * 60)
    return _gets("truncated", HELLO + more[: rng.randrange(1, len(more))], "half")


def nested(rng: random.Random) -> Attempt:
    deep = rng.choice([b"\x91", b"\x81\xa1a", b"\x81\xa4type"])
    levels = rng.choice(DEEP) // len(deep)
    head = rng.choice([b"", b"\x82\xa2id", b"\x82\xa4type\xa6status\xa2id"])
    return _bad_frame(rng, head + deep * levels)


def wrong_types(rng: random.Random) -> Attempt:
    odd: list[Any] = [None, True, -1, 2**63, 1.5, float("nan"), "x" * 2_000, b"\0", [], [[]], {}]
    good: list[dict[str, Any]] = [
        {"type": "learn", "on": True}, {"type": "teach", "label": None},
        {"type": "play", "name": "a", "start_us": 0, "speed": 1.0},
        {"type": "subscribe", "topics": ["result"], "policy": "latest"},
        {"type": "unsubscribe", "topics": ["result"]}, {"type": "status", "id": 3},
    ]  # fmt: skip
    chosen = dict(rng.choice(good))
    name = rng.choice(list(chosen))
    chosen[name] = rng.choice([value for value in odd if not _allowed(name, value)])
    if rng.random() < 0.2:
        chosen["extra"] = rng.choice(odd)
    return _gets("invalid", HELLO + say(**chosen))


def _allowed(name: str, value: Any) -> bool:
    return (
        (name == "on" and value is True)
        or (name == "label" and value is None)
        or (name in ("topics",) and value == [])
        or (name == "id" and (value is None or (type(value) is int and value < 2**63)))
        or (name == "start_us" and type(value) is int and 0 <= value <= 2**62)
        or (name == "speed" and (value is None or value == 1.5 or value == 2**63))
        or (name == "name" and isinstance(value, str) and len(value) <= 1024)
    )


def bad_text(rng: random.Random) -> Attempt:
    text = rng.choice([b"\xa1\xff", b"\xa2\xc3\x28", b"\xa3\xed\xa0\x80", b"\xa4\xf8\x88\x80\x80"])
    body = rng.choice([
        b"\x82\xa4type\xa5teach\xa5label" + text, b"\x82\xa4type\xa5teach" + text + b"\xc0",
        b"\x81\xa4type" + text,
    ])  # fmt: skip
    return _gets("malformed", HELLO + frame(body))


def patterns(rng: random.Random) -> Attempt:
    name = rng.choice(["[" * 60_000, "*a" * 20_000, "[!" * 9_000, "result\n", "*" * 33, "(a+)+$"])
    fields: dict[str, Any] = {"type": "subscribe", "topics": ["result"]}
    if rng.random() < 0.5:
        fields |= {"last_seq": {name: 1}, "run": "x"}
    else:
        fields["topics"] = [name]
    return _gets("invalid", HELLO + say(**fields))


def huge_counts(rng: random.Random) -> Attempt:
    body = rng.choice([b"\xdd", b"\xdf", b"\xc6", b"\xdb"]) + b"\xff\xff\xff\xff"
    head = rng.choice([b"", b"\x82\xa4type\xa9subscribe\xa6topics"])
    return _bad_frame(rng, head + body)


def noise(rng: random.Random) -> Attempt:
    codes = "frame_too_large truncated empty_frame malformed invalid hello_first"
    return _gets(codes, rng.randbytes(rng.choice([1, 2, 3, 4, 5, 60, 1_400, 40_000])), "half")


def noise_in_a_frame(rng: random.Random) -> Attempt:
    body = rng.randbytes(rng.choice([1, 2, 9, 100, 5_000, 60_000]))
    return _bad_frame(rng, body)


def out_of_turn(rng: random.Random) -> Attempt:
    way = rng.randrange(3)
    if way == 0:
        return _gets("hello_first", say(type="status"))
    if way == 1:
        return _gets("hello_twice", HELLO + HELLO)
    return _gets("wrong_protocol", say(type="hello", protocol=rng.choice([0, 2, -1, 2**40])))


def valid_then_garbage(rng: random.Random) -> Attempt:
    count = rng.choice([1, 3, 20])
    good = b"".join(say(type="status", id=n) for n in range(count))
    bad, code = rng.choice([
        (bytes(4), "empty_frame"), (b"\xff" * 8, "frame_too_large"),
        (frame(b"\xc1"), "malformed"), (say(type="dance"), "invalid"), (HELLO, "hello_twice"),
    ])  # fmt: skip
    return _gets(code, HELLO + good + bad, replies=count)


def many_in_one_segment(rng: random.Random) -> Attempt:
    ask = [{"type": "unsubscribe", "topics": []}, {"type": "status"}, {"type": "learn", "on": 1}]
    count = rng.choice([50, 200])
    good = b"".join(say(**rng.choice(ask[:2]), id=n) for n in range(count))
    if rng.random() < 0.5:
        return _gets("invalid", HELLO + good + say(**ask[2]), replies=count)
    return _gets("", HELLO + good, "half", replies=count)


def refused_requests(rng: random.Random) -> Attempt:
    once = say(type="teach", label=f"nobody {rng.randrange(99)}", id="a")
    return Attempt([HELLO + once * 2 + say(type="checkpoint")], NONE, "half", replies=3)


def half_closed(rng: random.Random) -> Attempt:
    data = rng.choice([b"", HELLO, HELLO + say(type="subscribe", topics=["*"])])
    return Attempt([data] if data else [], NONE, "half", replies=int(len(data) > len(HELLO)))


def zero_length(rng: random.Random) -> Attempt:
    return Attempt([], None, rng.choice(["close", "reset"]))


def reset(rng: random.Random) -> Attempt:
    data = rng.choice([
        HELLO[: rng.randrange(1, len(HELLO))], HELLO, HELLO + say(type="subscribe", topics=["*"]),
        HELLO + say(type="status") * 300, HELLO + frame(b"\xc1"), b"\xff" * 70_000,
    ])  # fmt: skip
    return Attempt([data], None, rng.choice(["reset", "close"]), rng.choice([0.0, 0.01]))


def drip(rng: random.Random) -> Attempt:
    whole = HELLO + say(type="teach", label="z" * 40)
    if rng.random() < 0.5:
        pieces = [HELLO, *(bytes([b]) for b in whole[len(HELLO) :])]
    else:
        pieces = [bytes([b]) for b in whole]
    return Attempt(pieces, frozenset({"frame_late", "hello_late"}), pause_s=PAUSE_S)


def silent(rng: random.Random) -> Attempt:
    return Attempt([], frozenset({"hello_late"}))


def client_hello() -> bytes:
    """Return what a TLS client says first."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        side.do_handshake()
    return outgoing.read()


Kind = Callable[[random.Random], Attempt]
FAST: tuple[Kind, ...] = (
    empty_frame, oversized, foreign, truncated, nested, wrong_types, bad_text, patterns,
    huge_counts, noise, noise_in_a_frame, out_of_turn, valid_then_garbage, many_in_one_segment,
    refused_requests, half_closed, zero_length, reset,
)  # fmt: skip
SLOW: tuple[Kind, ...] = (drip, silent)


def draw(seed: int, number: int) -> tuple[str, Attempt]:
    """Draw attempt ``number``: its kind's name, and what it does. One in 25 is slow."""
    rng = random.Random(f"{seed}/{number}")
    kind = SLOW[number // 25 % len(SLOW)] if number % 25 == 24 else rng.choice(FAST)
    return kind.__name__, kind(rng)
