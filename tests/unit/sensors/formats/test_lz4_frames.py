"""LZ4 frames into memory that is used again: as the package unpacks them, damaged ones refused."""

import lz4.frame
import numpy as np
import pytest

from spikewire.sensors.formats import lz4_frames
from spikewire.sensors.formats.lz4_frames import (
    EarlyEndError,
    FrameError,
    FrameReader,
    TooLongError,
)

MOST = 1 << 20


def data(seed, size):
    return np.random.default_rng(seed).integers(0, 5, size).astype(np.uint8).tobytes()


@pytest.fixture(params=["library", "package"])
def reader(request, monkeypatch):
    if request.param == "package":
        monkeypatch.setattr(lz4_frames, "_library", lambda: None)
    made = FrameReader(MOST)
    assert (made._library is None) == (request.param == "package")
    return made


@pytest.mark.parametrize("store_size", [True, False])
@pytest.mark.parametrize("block_linked", [True, False])
def test_frames_of_all_kinds_are_unpacked(reader, store_size, block_linked):
    for seed, size in enumerate((0, 1, 1000, 300_000, 70_000, MOST)):
        frame = lz4.frame.compress(
            data(seed, size), store_size=store_size, block_linked=block_linked,
            content_checksum=seed % 2 == 0,
        )  # fmt: skip
        assert bytes(reader.unpack(frame)) == data(seed, size)


def test_damage_is_told_and_the_next_frame_is_unpacked(reader):
    whole = data(1, 200_000)
    frame = lz4.frame.compress(whole, content_checksum=True)
    flipped = bytearray(frame)
    flipped[-1] ^= 1
    liar = bytearray(frame)
    liar[6:14] = (1 << 60).to_bytes(8, "little")
    for damaged in (b"", b"nonsense of some length", bytes(flipped), bytes(liar)):
        with pytest.raises(FrameError):
            reader.unpack(damaged)
        assert bytes(reader.unpack(frame)) == whole
    for length in (7, 40, len(frame) - 3):
        with pytest.raises(EarlyEndError):
            reader.unpack(frame[:length])
        assert bytes(reader.unpack(frame)) == whole


def test_a_frame_unpacks_to_so_much_and_no_more(reader):
    for store_size in (True, False):
        bomb = lz4.frame.compress(bytes(MOST + 1), store_size=store_size)
        with pytest.raises(TooLongError):
            reader.unpack(bomb)
        assert len(reader.unpack(lz4.frame.compress(bytes(MOST), store_size=store_size))) == MOST
