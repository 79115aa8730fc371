"""Socket of a peer: its options, its end of sending, and TCP's signs of life."""

from __future__ import annotations

import socket
import struct
import sys

import trio

SEND_BYTES = 1 << 17
"""Room in the kernel for what a peer has not read: what waits there is out of the policies' reach.
Left alone it grows to megabytes, half a minute of results."""

# A machine that is gone without a word is noticed after 10 s + 3 * 5 s, where no data wait for it.
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
# Linux: eight bytes, then counters of 32 bits, of which the 5th are the segments sent and not
# acknowledged, and the 13th the milliseconds since an acknowledgement came.
_TCP_INFO = struct.Struct("=8x13I")
_UNACKED, _LAST_ACK_MS = 4, 12


def prepare(stream: trio.abc.Stream) -> None:
    """Set the options of an accepted connection: a small send buffer, and keepalive on TCP.

    With keepalive the kernel asks a silent peer's machine whether it is there.
    """
    under = _under_tls(stream)
    if under is None:
        return
    under.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    if not _is_tcp(under):
        return
    under.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:
            under.setsockopt(socket.IPPROTO_TCP, option, value)


async def end_sending(stream: trio.abc.Stream) -> None:
    """Tell the peer that nothing more comes, where the stream can say so and go on reading.

    TLS cannot: its peer sees the end when the connection closes.
    """
    if isinstance(stream, trio.abc.HalfCloseableStream):
        await stream.send_eof()


def unacknowledged_s(stream: trio.abc.Stream) -> float:
    """Return the seconds for which sent data wait for an acknowledgement; 0 where unknown.

    A peer that does not read acknowledges all the same: only its machine or the way to it is gone.
    """
    under = _under_tls(stream)
    if under is None or not _is_tcp(under) or not sys.platform.startswith("linux"):
        return 0.0
    try:
        found = under.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return 0.0
    return waiting_s(found)


def waiting_s(tcp_info: bytes) -> float:
    """Read the kernel's ``tcp_info``: the seconds without an acknowledgement that is due."""
    if len(tcp_info) < _TCP_INFO.size:
        return 0.0
    fields = _TCP_INFO.unpack_from(tcp_info)
    return float(fields[_LAST_ACK_MS]) / 1000 if fields[_UNACKED] else 0.0


def _under_tls(stream: trio.abc.Stream) -> trio.SocketStream | None:
    under = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    return under if isinstance(under, trio.SocketStream) else None


def _is_tcp(stream: trio.SocketStream) -> bool:
    return stream.socket.family in (socket.AF_INET, socket.AF_INET6)
