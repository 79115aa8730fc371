"""sensors: events in, checked once, from files, sockets and simulated cameras."""

from sensors._errors import DecodeError, SensorError, SourceError
from sensors._events import EVENT_DTYPE, Events, Packet, Source, check_events, no_events
from sensors._recording import Facts, Recording, inspect, open_recording

__all__ = [
    "EVENT_DTYPE",
    "DecodeError",
    "Events",
    "Facts",
    "Packet",
    "Recording",
    "SensorError",
    "Source",
    "SourceError",
    "check_events",
    "inspect",
    "no_events",
    "open_recording",
]
