"""Messages of protocol 1 as a peer writes and reads them."""

from spikewire.runtime.protocol.frames import Framer, decode, encode

HELLO = encode({"type": "hello", "protocol": 1})

# What a service says, with the fields that a client asks for.
SERVICE_HELLO = {
    "type": "hello", "protocol": 1, "run": "r", "source": "s", "classes": ["a", "b"],
    "tick_us": 1000, "topics": ["result"],
}  # fmt: skip
RESULT = {
    "type": "message", "topic": "result", "tick": 10, "t_us": 10_000, "segment": 0, "class": "a",
    "scores": {"a": 2, "b": 1}, "spikes": [3], "truth": None, "label": None, "teaching": False,
    "latency_us": 5,
}  # fmt: skip
STATUS = {
    "state": "running", "tick": 10, "classes": ["a", "b"], "labels": "client", "label": None,
    "learn": True, "source": {"name": "s", "state": "running", "error": None, "replay": None},
    "checkpoint": {"path": None, "error": None},
}  # fmt: skip


async def hear(stream, framer=None):
    """Everything a peer is told until its connection ends."""
    framer, told = framer or Framer(10**7), []
    while data := await stream.receive_some():
        framer.feed(data)
        while (payload := framer.take()) is not None:
            told.append(decode(payload))
    await stream.aclose()
    return told
