"""sensors: events in, checked once, from files, sockets and simulated cameras."""

from spikewire.sensors.datasets.dataset import Dataset, Sample
from spikewire.sensors.datasets.discovery import find_recordings
from spikewire.sensors.datasets.external import wrap_dataset
from spikewire.sensors.datasets.gesture_names import EXTRA_GESTURES, GESTURES
from spikewire.sensors.datasets.open import open_dataset
from spikewire.sensors.errors import DecodeError, SensorError, SourceError
from spikewire.sensors.events import EVENT_DTYPE, Events, Packet, Source, check_events, no_events
from spikewire.sensors.filters.base import Chain, Filter
from spikewire.sensors.filters.filtered import Filtered
from spikewire.sensors.filters.parse import make_chain, make_filter
from spikewire.sensors.formats.csv_layout import parse_columns
from spikewire.sensors.recordings.describe import RecordingInfo, describe_recording
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.labels import Label, read_labels, write_labels
from spikewire.sensors.recordings.recording import Recording, open_recording
from spikewire.sensors.recordings.writers import Aedat4Writer, write_events
from spikewire.sensors.simulator.camera import simulate
from spikewire.sensors.sources.aestream_camera import AestreamCamera
from spikewire.sensors.sources.files import FileSource
from spikewire.sensors.sources.nats.address import (
    BrokerError,
    NatsServer,
    check_subject,
    nats_server,
    subject_name,
)
from spikewire.sensors.sources.nats.link import NatsLink
from spikewire.sensors.sources.nats.source import NatsSource
from spikewire.sensors.sources.open import open_source, parse_time
from spikewire.sensors.sources.shelf import PlaySummary, ShelfSource
from spikewire.sensors.sources.simulated import SimSource
from spikewire.sensors.sources.spif import SpifDecoder, encode_spif
from spikewire.sensors.sources.stdin import StdinSource
from spikewire.sensors.sources.udp import UdpSource
from spikewire.sensors.sources.usb_camera import UsbCamera

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
    "RecordingInfo",
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
    "describe_recording",
    "encode_spif",
    "find_recordings",
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
