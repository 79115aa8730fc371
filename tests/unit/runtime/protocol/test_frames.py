"""Frames survive any cutting, and keep to their limits."""

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewire.runtime import ProtocolError
from spikewire.runtime.protocol.frames import Framer, decode, encode, frame


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=4), max_size=6),
    st.lists(st.integers(1, 7), max_size=40),
)
def test_any_cutting_gives_the_same_messages(messages, cuts):
    wire = b"".join(encode(message) for message in messages)
    framer, got, at = Framer(1000), [], 0
    for size in [*cuts, len(wire) + 1]:
        framer.feed(wire[at : at + size])
        at += size
        while (payload := framer.take()) is not None:
            got.append(decode(payload))
    assert got == messages
    assert not framer.partial


def test_raw_payloads_are_cut_however_the_bytes_come():
    payloads = [bytes([n]) * size for n, size in enumerate((1, 7, 300, 70_000))]
    stream = b"".join(frame(payload) for payload in payloads)
    for piece in (1, 3, 5, 4096, len(stream)):
        framer = Framer(70_000)
        got = []
        for at in range(0, len(stream), piece):
            framer.feed(stream[at : at + piece])
            got.append(framer.take_raw())
        assert b"".join(got) == b"".join(payloads)
        assert not framer.partial


@pytest.mark.parametrize("length", [0, 101, 2**32 - 1])
def test_a_raw_frame_of_no_bytes_or_too_many_is_refused(length):
    framer = Framer(100)
    framer.feed(struct.pack(">I", length))
    with pytest.raises(ProtocolError, match=f"{length} bytes"):
        framer.take_raw()


def test_a_frame_is_a_big_endian_length_and_a_msgpack_map():
    body = msgpack.packb({"type": "hello"})
    assert encode({"type": "hello"}) == bytes([0, 0, 0, len(body)]) + body


@pytest.mark.parametrize(
    ("wire", "code"), [(b"\0\0\0\0", "empty_frame"), (b"\0\0\0\x11", "frame_too_large")]
)
def test_the_length_alone_is_judged(wire, code):
    framer = Framer(16)
    framer.feed(wire)
    with pytest.raises(ProtocolError) as caught:
        framer.take()
    assert caught.value.code == code


def test_a_frame_at_the_limit_passes():
    framer = Framer(16)
    framer.feed(b"\0\0\0\x10" + b"a" * 16)
    assert framer.take() == b"a" * 16


@pytest.mark.parametrize("payload", [b"\xc1", b"\x01", b"\x81\x01\x02", b"\x81\xa1a"])
def test_what_is_no_map_is_named(payload):
    with pytest.raises(ProtocolError, match="not a msgpack map"):
        decode(payload)
