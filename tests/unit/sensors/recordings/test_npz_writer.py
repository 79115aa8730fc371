"""Files for other people's tools: archives for SpikingJelly, and RAW for Metavision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spikewire.sensors import EVENT_DTYPE, open_recording, write_events
from tests.reference.formats import EVENTS


def test_an_archive_of_four_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    events = np.array(EVENTS, EVENT_DTYPE)
    assert write_events([events[:2], events[2:]], path, (34, 34)) == 5
    with np.load(path) as arrays:  # as SpikingJelly does
        assert set(arrays.files) == {"t", "x", "y", "p"}
        for name in "txyp":
            assert arrays[name].tolist() == events[name].tolist()
            assert arrays[name].dtype == EVENT_DTYPE[name]
    assert open_recording(path).read().tolist() == EVENTS
    again = tmp_path / "b.npz"
    write_events(events, again, (34, 34))
    assert again.read_bytes() == path.read_bytes()
    write_events(events[:0], path, (34, 34))
    assert open_recording(path).read().tolist() == []


def test_raw_names_what_metavision_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    write_events(np.array(EVENTS, EVENT_DTYPE), path, (640, 480))
    head = path.read_bytes().split(b"% end\n")[0].decode().splitlines()
    fields = dict(line[2:].split(" ", 1) for line in head)
    assert fields == {
        "camera_integrator_name": "Prophesee", "plugin_integrator_name": "Prophesee",
        "integrator_name": "Prophesee", "plugin_name": "hal_plugin_prophesee", "evt": "3.0",
        "format": "EVT3;height=480;width=640", "geometry": "640x480",
    }  # fmt: skip
    assert open_recording(path).read().tolist() == EVENTS
