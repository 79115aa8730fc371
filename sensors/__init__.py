"""sensors: events in, checked once, from files, sockets and simulated cameras.

:func:`open_recording` and :func:`open_dataset` read files, :func:`open_source` opens a stream of
:class:`Packet` by its name, and :func:`simulate` makes events.

A name is loaded when it is first used: units and errors load neither NumPy nor Numba.
"""

from typing import TYPE_CHECKING

from spikewire._lazy import lazy_names

if TYPE_CHECKING:
    from spikewire.sensors.datasets.dataset import Dataset, Sample
    from spikewire.sensors.datasets.discovery import find_recordings
    from spikewire.sensors.datasets.dvs_gesture import name_labels
    from spikewire.sensors.datasets.external import wrap_dataset
    from spikewire.sensors.datasets.gesture_names import EXTRA_GESTURES, GESTURES, NON_GESTURES
    from spikewire.sensors.datasets.open import open_dataset
    from spikewire.sensors.datasets.scan import watch_scans
    from spikewire.sensors.errors import DecodeError, SensorError, SourceError
    from spikewire.sensors.events import (
        EVENT_DTYPE,
        MOST_TIME_US,
        Deliver,
        Events,
        Packet,
        Source,
        check_events,
        count_before,
        no_events,
    )
    from spikewire.sensors.filters.base import Chain, Filter
    from spikewire.sensors.filters.filtered import Filtered
    from spikewire.sensors.filters.parse import make_chain, make_filter
    from spikewire.sensors.formats.csv_layout import parse_columns
    from spikewire.sensors.jumps import JumpFinder
    from spikewire.sensors.pictures import IntervalCounts, PictureCounts, unpack_picture
    from spikewire.sensors.recordings.aedat4_writer import Aedat4Writer
    from spikewire.sensors.recordings.describe import RecordingInfo, describe_recording
    from spikewire.sensors.recordings.excerpt import Excerpt
    from spikewire.sensors.recordings.labels import Label, read_labels, write_labels
    from spikewire.sensors.recordings.recording import Recording, open_recording
    from spikewire.sensors.recordings.slices import Slices
    from spikewire.sensors.recordings.times import Times
    from spikewire.sensors.recordings.writers import (
        WRITABLE_FORMATS,
        WrittenRecording,
        write_events,
        write_recording,
    )
    from spikewire.sensors.simulator.camera import Camera, Conditions, simulate
    from spikewire.sensors.simulator.dataset import (
        SimulatedRecording,
        draw_conditions,
        plan_set,
        simulate_arrays,
        simulate_recording,
        write_trials,
    )
    from spikewire.sensors.simulator.distort import (
        DISTORTIONS,
        Distortion,
        distort,
        draw_distortion,
        draw_empty_scene,
    )
    from spikewire.sensors.simulator.scenes import SCENES, SceneCamera, simulate_non_gesture
    from spikewire.sensors.sources.aestream_camera import AestreamCamera
    from spikewire.sensors.sources.choice import ChoiceSource
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
    from spikewire.sensors.sources.open import open_source
    from spikewire.sensors.sources.shelf import PlaySummary, ShelfSource
    from spikewire.sensors.sources.simulated import SimSource
    from spikewire.sensors.sources.spif import SpifDecoder, encode_spif
    from spikewire.sensors.sources.stdin import StdinSource
    from spikewire.sensors.sources.udp import UdpSource
    from spikewire.sensors.sources.usb_camera import UsbCamera
    from spikewire.sensors.sources.wrapper import SourceWrapper
    from spikewire.sensors.units import (
        DEFAULT_JUMP_S,
        parse_bytes,
        parse_duration,
        parse_size,
        parse_speed,
    )

_HOME = {
    "Aedat4Writer": "recordings.aedat4_writer",
    "AestreamCamera": "sources.aestream_camera",
    "BrokerError": "sources.nats.address",
    "Camera": "simulator.camera",
    "Chain": "filters.base",
    "ChoiceSource": "sources.choice",
    "Conditions": "simulator.camera",
    "DEFAULT_JUMP_S": "units",
    "DISTORTIONS": "simulator.distort",
    "Dataset": "datasets.dataset",
    "DecodeError": "errors",
    "Deliver": "events",
    "Distortion": "simulator.distort",
    "EVENT_DTYPE": "events",
    "EXTRA_GESTURES": "datasets.gesture_names",
    "Events": "events",
    "Excerpt": "recordings.excerpt",
    "FileSource": "sources.files",
    "Filter": "filters.base",
    "Filtered": "filters.filtered",
    "GESTURES": "datasets.gesture_names",
    "IntervalCounts": "pictures",
    "JumpFinder": "jumps",
    "Label": "recordings.labels",
    "MOST_TIME_US": "events",
    "NON_GESTURES": "datasets.gesture_names",
    "NatsLink": "sources.nats.link",
    "NatsServer": "sources.nats.address",
    "NatsSource": "sources.nats.source",
    "Packet": "events",
    "PictureCounts": "pictures",
    "PlaySummary": "sources.shelf",
    "Recording": "recordings.recording",
    "RecordingInfo": "recordings.describe",
    "SCENES": "simulator.scenes",
    "Sample": "datasets.dataset",
    "SceneCamera": "simulator.scenes",
    "SensorError": "errors",
    "ShelfSource": "sources.shelf",
    "SimSource": "sources.simulated",
    "SimulatedRecording": "simulator.dataset",
    "Slices": "recordings.slices",
    "Source": "events",
    "SourceError": "errors",
    "SourceWrapper": "sources.wrapper",
    "SpifDecoder": "sources.spif",
    "StdinSource": "sources.stdin",
    "Times": "recordings.times",
    "UdpSource": "sources.udp",
    "UsbCamera": "sources.usb_camera",
    "WRITABLE_FORMATS": "recordings.writers",
    "check_events": "events",
    "count_before": "events",
    "check_subject": "sources.nats.address",
    "describe_recording": "recordings.describe",
    "distort": "simulator.distort",
    "draw_conditions": "simulator.dataset",
    "draw_distortion": "simulator.distort",
    "draw_empty_scene": "simulator.distort",
    "encode_spif": "sources.spif",
    "find_recordings": "datasets.discovery",
    "make_chain": "filters.parse",
    "make_filter": "filters.parse",
    "name_labels": "datasets.dvs_gesture",
    "nats_server": "sources.nats.address",
    "no_events": "events",
    "open_dataset": "datasets.open",
    "open_recording": "recordings.recording",
    "open_source": "sources.open",
    "parse_bytes": "units",
    "parse_columns": "formats.csv_layout",
    "parse_duration": "units",
    "parse_size": "units",
    "parse_speed": "units",
    "plan_set": "simulator.dataset",
    "read_labels": "recordings.labels",
    "simulate": "simulator.camera",
    "simulate_arrays": "simulator.dataset",
    "simulate_non_gesture": "simulator.scenes",
    "simulate_recording": "simulator.dataset",
    "subject_name": "sources.nats.address",
    "unpack_picture": "pictures",
    "watch_scans": "datasets.scan",
    "wrap_dataset": "datasets.external",
    "write_events": "recordings.writers",
    "write_recording": "recordings.writers",
    "WrittenRecording": "recordings.writers",
    "write_labels": "recordings.labels",
    "write_trials": "simulator.dataset",
}

__all__ = [
    "DEFAULT_JUMP_S",
    "DISTORTIONS",
    "EVENT_DTYPE",
    "EXTRA_GESTURES",
    "GESTURES",
    "MOST_TIME_US",
    "NON_GESTURES",
    "SCENES",
    "WRITABLE_FORMATS",
    "Aedat4Writer",
    "AestreamCamera",
    "BrokerError",
    "Camera",
    "Chain",
    "ChoiceSource",
    "Conditions",
    "Dataset",
    "DecodeError",
    "Deliver",
    "Distortion",
    "Events",
    "Excerpt",
    "FileSource",
    "Filter",
    "Filtered",
    "IntervalCounts",
    "JumpFinder",
    "Label",
    "NatsLink",
    "NatsServer",
    "NatsSource",
    "Packet",
    "PictureCounts",
    "PlaySummary",
    "Recording",
    "RecordingInfo",
    "Sample",
    "SceneCamera",
    "SensorError",
    "ShelfSource",
    "SimSource",
    "SimulatedRecording",
    "Slices",
    "Source",
    "SourceError",
    "SourceWrapper",
    "SpifDecoder",
    "StdinSource",
    "Times",
    "UdpSource",
    "UsbCamera",
    "WrittenRecording",
    "check_events",
    "check_subject",
    "count_before",
    "describe_recording",
    "distort",
    "draw_conditions",
    "draw_distortion",
    "draw_empty_scene",
    "encode_spif",
    "find_recordings",
    "make_chain",
    "make_filter",
    "name_labels",
    "nats_server",
    "no_events",
    "open_dataset",
    "open_recording",
    "open_source",
    "parse_bytes",
    "parse_columns",
    "parse_duration",
    "parse_size",
    "parse_speed",
    "plan_set",
    "read_labels",
    "simulate",
    "simulate_arrays",
    "simulate_non_gesture",
    "simulate_recording",
    "subject_name",
    "unpack_picture",
    "watch_scans",
    "wrap_dataset",
    "write_events",
    "write_labels",
    "write_recording",
    "write_trials",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)


def load_all() -> None:
    """Load every name and every reader of this package, and with them all of its kernels."""
    from spikewire.sensors.recordings.containers import load_readers

    for name in __all__:
        __getattr__(name)
    load_readers()
