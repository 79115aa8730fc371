"""Messages of protocol 1 as a peer writes and reads them."""

from spikewire.runtime.protocol.frames import Framer, decode, encode

HELLO = encode({"type": "hello", "protocol": 1})


async def hear(stream, framer=None):
    """Everything a peer is told until its connection ends."""
    framer, told = framer or Framer(10**7), []
    while data := await stream.receive_some():
        framer.feed(data)
        while (payload := framer.take()) is not None:
            told.append(decode(payload))
    await stream.aclose()
    return told
