"""Frames: a 4-byte big-endian length, then one msgpack map. No sockets here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from spikewire.runtime.errors import ProtocolError

HEADER_BYTES = 4
# What a client accepts from a service before it has read the limits in the service's hello.
CLIENT_FRAME_LIMIT = 16 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_any_map = msgspec.msgpack.Decoder(dict[str, Any])


def encode(message: Mapping[str, Any]) -> bytes:
    """Encode one message as a frame."""
    return frame(_encoder.encode(message))


def frame(payload: bytes) -> bytes:
    """Put the length in front of a payload."""
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def decode(payload: bytes) -> dict[str, Any]:
    """Decode the map in a frame's payload.

    Raises
    ------
    ProtocolError
        The payload is not one msgpack map with text keys.
    """
    try:
        return _any_map.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError("malformed", f"A frame is not a msgpack map: {error}.") from error


class Framer:
    """Cuts a byte stream into frame payloads.

    Parameters
    ----------
    limit
        The longest payload accepted, in bytes. Nothing is reserved ahead: memory follows the
        bytes that arrived.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Add bytes as they came."""
        self._buffer += data

    @property
    def partial(self) -> bool:
        """Whether bytes of an unfinished frame, or of frames not taken yet, are held."""
        return bool(self._buffer)

    def take(self) -> bytes | None:
        """Take the next whole payload; None until more bytes came.

        Raises
        ------
        ProtocolError
            The frame announces no bytes, or more than the limit.
        """
        end = self._frame_end(0)
        if end is None:
            return None
        payload = bytes(self._buffer[HEADER_BYTES:end])
        del self._buffer[:end]
        return payload

    def take_raw(self) -> bytes:
        """Take all whole payloads, back to back.

        A msgpack map says itself where it ends, so payloads need nothing between them.

        Raises
        ------
        ProtocolError
            A frame announces no bytes, or more than the limit.
        """
        payloads: list[bytearray] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            payloads.append(self._buffer[start + HEADER_BYTES : end])
            start = end
        del self._buffer[:start]
        return b"".join(payloads)

    def _frame_end(self, start: int) -> int | None:
        """Give the end of the frame that begins at ``start``, if all of it is there."""
        if len(self._buffer) < start + HEADER_BYTES:
            return None
        length = int.from_bytes(self._buffer[start : start + HEADER_BYTES], "big")
        if length == 0:
            raise ProtocolError("empty_frame", "A frame announces 0 bytes; a message has some.")
        if length > self.limit:
            raise ProtocolError(
                "frame_too_large",
                f"A frame announces {length} bytes; at most {self.limit} are allowed.",
            )
        end = start + HEADER_BYTES + length
        return end if end <= len(self._buffer) else None
