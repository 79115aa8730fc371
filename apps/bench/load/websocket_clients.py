"""WebSocket clients that receive the messages of a dashboard's page.

`python -m spikewire.apps.bench.load.websocket_clients URL COUNT` prints a line when all are
subscribed, and reads until a line arrives on standard input. Then it prints the number of messages
and bytes of each client.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import trio

_TOPICS = (["status", "learning"], ["result", "stats", "decision", "picture", "spikes"])


async def _browse(url: str, mine: dict[str, Any], ready: trio.Event) -> None:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, BytesMessage, Request

    host, _, port = url.removeprefix("http://").rpartition(":")
    protocol = WSConnection(ConnectionType.CLIENT)
    stream = await trio.open_tcp_stream(host, int(port))
    async with stream:
        request = Request(
            host=f"{host}:{port}", target="/ws", extra_headers=[(b"origin", url.encode())]
        )
        await stream.send_all(protocol.send(request))
        while data := await stream.receive_some():
            protocol.receive_data(data)
            for event in protocol.events():
                if isinstance(event, AcceptConnection):
                    for message in (
                        {"type": "hello", "protocol": 1, "client": "a browser"},
                        *(
                            {
                                "type": "subscribe",
                                "topics": topics,
                                "policy": "latest",
                                "every_ms": 40,
                            }
                            for topics in _TOPICS
                        ),
                    ):
                        packed = msgspec.msgpack.encode(message)
                        await stream.send_all(protocol.send(BytesMessage(packed)))
                    ready.set()
                elif isinstance(event, BytesMessage):
                    mine["messages"] += 1
                    mine["bytes"] += len(event.data)


async def main(url: str, count: int) -> None:
    """Open all clients, and read."""
    seen: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            seen.append({"messages": 0, "bytes": 0})
            ready = trio.Event()
            nursery.start_soon(_browse, url, seen[-1], ready)
            await ready.wait()
        print(json.dumps({"type": "open"}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    print(json.dumps({"type": "read", "browsers": seen}), flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
