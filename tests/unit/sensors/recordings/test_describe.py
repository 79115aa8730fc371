"""Facts of real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    describe_recording,
    open_recording,
)
from tests.support.reading import read_damaged

# The data folder's own account of its files: size, events, duration in microseconds.
REAL = {
    "davis346.aedat4": ("AEDAT 4.0", (346, 260), 117_667, 129_999),
    "dvxplorer_no_table.aedat4": ("AEDAT 4.0", (320, 240), 111_954, 589_917),
    "gen3_evt2.raw": ("Prophesee RAW, EVT 2.0", (640, 480), 521_252, 95_871),
    "dvs.es": ("Event Stream 2", (320, 240), 473_225, 999_000),
    "ncars_2d.dat": ("DAT version 2", (54, 61), 4_407, 99_937),
    "nmnist.bin": ("N-MNIST", (34, 34), 4_325, 310_521),
}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_recordings_have_the_facts_of_their_account(name: str, data_dir: Path) -> None:
    facts = describe_recording(data_dir / "recordings" / name)
    assert (facts.format, facts.size, facts.events, facts.duration_us) == REAL[name]
    assert facts.damage is None
    assert facts.dropped == {}
    assert facts.on + facts.off == facts.events


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_cut_real_recordings_give_what_is_before_the_cut(
    name: str, data_dir: Path, tmp_path: Path
) -> None:
    whole = (data_dir / "recordings" / name).read_bytes()
    truth = np.concatenate(list(open_recording(data_dir / "recordings" / name).chunks()))
    rng = np.random.default_rng(0)
    path = tmp_path / name
    size = REAL[name][1]
    for cut in [5_000, len(whole) - 1, *rng.integers(5_000, len(whole), 4).tolist()]:
        path.write_bytes(whole[:cut])
        events, error = read_damaged(path, size)
        if error is not None:
            assert error.offset is not None
            assert error.offset <= cut
        assert (events == truth[: len(events)]).all()
        # Not more is lost than one packet, the unit that a container is damaged in.
        assert len(events) >= len(truth) * (cut - 100_000) / len(whole) - 10_000
