"""Decoders of records of one length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    open_recording,
)
from tests.reference.formats import dat
from tests.support.reading import read_damaged


def test_dat_time_wraps(tmp_path: Path) -> None:
    path = tmp_path / "wrap.dat"
    # Cut, so that it is our own decoder that reads it.
    events = [(2**32 - 2, 1, 1, 0), (2**32 + 3, 1, 1, 1), (2**32 + 9, 1, 1, 1)]
    path.write_bytes(dat(events)[:-3])
    got, error = read_damaged(path)
    assert got.tolist() == events[:2]
    assert error is not None


@pytest.mark.data
def test_dat_read_by_aestream_equals_the_words_of_the_file(data_dir: Path) -> None:
    path = data_dir / "recordings" / "ncars_2d.dat"
    raw = path.read_bytes()
    start = raw.index(b"\n", raw.rindex(b"% Date")) + 3
    words = np.frombuffer(raw[start:], "<u4").reshape(-1, 2).astype(np.int64)
    events = np.concatenate(list(open_recording(path).chunks()))
    assert events["t"].tolist() == words[:, 0].tolist()
    assert events["x"].tolist() == (words[:, 1] & 0x3FFF).tolist()
    assert events["y"].tolist() == ((words[:, 1] >> 14) & 0x3FFF).tolist()
    assert events["p"].tolist() == ((words[:, 1] >> 28) & 1).tolist()
