"""Last words to a peer: the error that ends its connection."""

from __future__ import annotations

import trio

from spikewire.runtime.errors import ProtocolError
from spikewire.runtime.net.peer_socket import end_sending
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.settings.settings import Settings

LINGER_S = 0.5
"""Time for which a peer is read after an error, so that closing does not destroy the error on its
way: TCP resets a connection that is closed with unread input."""
_CHUNK = 4096


def no_place(settings: Settings) -> ProtocolError:
    """Make the error for a peer that finds all places of clients taken."""
    return ProtocolError(
        "too_many_connections", f"All {settings.connections} connections are in use."
    )


async def refuse(stream: trio.abc.Stream, fault: ProtocolError) -> None:
    """Tell a peer why it cannot be served, and close."""
    try:
        with trio.move_on_after(LINGER_S):
            await stream.send_all(error_frame(fault))
            await end_sending(stream)
            while await stream.receive_some(_CHUNK):
                pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


def error_frame(fault: ProtocolError) -> bytes:
    """Encode the error that ends a connection."""
    return encode({"type": "error", "code": fault.code, "message": str(fault)})
