"""sensors: events in, checked once, from files, sockets and simulated cameras."""

from sensors._camera_aestream import AestreamCamera
from sensors._camera_usb import UsbCamera
from sensors._csv import parse_columns
from sensors._datasets import Dataset, Sample, open_dataset
from sensors._errors import DecodeError, SensorError, SourceError
from sensors._events import EVENT_DTYPE, Events, Packet, Source, check_events, no_events
from sensors._filter_names import make_chain, make_filter
from sensors._filtered import Filtered
from sensors._filters import Chain, Filter
from sensors._found import find_recordings
from sensors._labels import Label, read_labels, write_labels
from sensors._nats import NatsSource
from sensors._nats_address import BrokerError, NatsServer, check_subject, nats_server, subject_name
from sensors._nats_link import NatsLink
from sensors._recording import Facts, Recording, inspect, open_recording
from sensors._replay import Excerpt, FileSource, PlaySummary, ShelfSource
from sensors._sequence import wrap_dataset
from sensors._simulator import SimSource, simulate
from sensors._simulator_gestures import EXTRA_GESTURES, GESTURES
from sensors._spif import SpifDecoder, UdpSource, encode_spif
from sensors._stdin import StdinSource
from sensors._uri import open_source, parse_time
from sensors._write import Aedat4Writer, write_events

__all__ = [
    "EVENT_DTYPE",
    "EXTRA_GESTURES",
    "GESTURES",
    "Aedat4Writer",
    "AestreamCamera",
    "BrokerError",
    "Chain",
    "Dataset",
    "DecodeError",
    "Events",
    "Excerpt",
    "Facts",
    "FileSource",
    "Filter",
    "Filtered",
    "Label",
    "NatsLink",
    "NatsServer",
    "NatsSource",
    "Packet",
    "PlaySummary",
    "Recording",
    "Sample",
    "SensorError",
    "ShelfSource",
    "SimSource",
    "Source",
    "SourceError",
    "SpifDecoder",
    "StdinSource",
    "UdpSource",
    "UsbCamera",
    "check_events",
    "check_subject",
    "encode_spif",
    "find_recordings",
    "inspect",
    "make_chain",
    "make_filter",
    "nats_server",
    "no_events",
    "open_dataset",
    "open_recording",
    "open_source",
    "parse_columns",
    "parse_time",
    "read_labels",
    "simulate",
    "subject_name",
    "wrap_dataset",
    "write_events",
    "write_labels",
]
