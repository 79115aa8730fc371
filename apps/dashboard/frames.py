"""Frames of protocol 1, cut and made without reading what is in them."""

from __future__ import annotations

_HEADER = 4


class FrameError(Exception):
    """What came is no frame of protocol 1; the message is a sentence."""


class Cutter:
    """Cuts a service's byte stream into payloads.

    Parameters
    ----------
    limit
        The longest payload accepted, in bytes; what is held stays below that and one piece more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes | bytearray) -> bytes:
        """Add bytes as they came, and return all payloads that are whole now, back to back.

        A msgpack map says itself where it ends, so payloads need nothing between them.

        Raises
        ------
        FrameError
            A frame announces nothing, or more than the limit.
        """
        held = self._held
        held += data
        whole: list[bytes] = []
        at = 0
        with memoryview(held) as view:
            while at + _HEADER <= len(view):
                length = int.from_bytes(view[at : at + _HEADER], "big")
                if not 0 < length <= self._limit:
                    raise FrameError(
                        f"The service announces a message of {length} bytes;"
                        f" 1 to {self._limit} are allowed. It may not speak protocol 1."
                    )
                end = at + _HEADER + length
                if end > len(view):
                    break
                whole.append(bytes(view[at + _HEADER : end]))
                at = end
        del held[:at]
        return b"".join(whole)


def frame(payload: bytes) -> bytes:
    """One message as a frame."""
    return len(payload).to_bytes(_HEADER, "big") + payload
