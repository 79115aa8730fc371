"""Packets of AEDAT 4 that unpack to more than is read: refused, within a bound of memory."""

import tracemalloc

import lz4.frame
import pytest
import zstandard

from spikewire.sensors.formats import aedat4
from spikewire.sensors.formats.aedat4 import LZ4, ZSTD, ZSTD_HIGH, DamageError, Unpacker

MEBIBYTE = 2**20


def bomb(compression: int, size: int) -> bytes:
    """Zeros of this size, as they lie in a file."""
    if compression == LZ4:
        with lz4.frame.LZ4FrameCompressor() as packer:
            parts = [packer.begin()]
            parts += [packer.compress(bytes(MEBIBYTE)) for _ in range(size // MEBIBYTE)]
            return b"".join([*parts, packer.flush()])
    packer = zstandard.ZstdCompressor().compressobj()
    parts = [packer.compress(bytes(MEBIBYTE)) for _ in range(size // MEBIBYTE)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.parametrize("compression", [LZ4, ZSTD, ZSTD_HIGH])
def test_a_packet_unpacks_to_so_much_and_no_more(
    compression: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aedat4, "MOST_BYTES", 4 * MEBIBYTE)
    payload = bomb(compression, 200 * MEBIBYTE)
    tracemalloc.start()
    try:
        with pytest.raises(DamageError, match="unpacks to more than 4,194,304 bytes"):
            Unpacker(compression).unpack(payload)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 16 * MEBIBYTE
    assert Unpacker(compression).unpack(bomb(compression, 3 * MEBIBYTE)) == bytes(3 * MEBIBYTE)


def test_the_limit_itself_is_no_more_than_a_camera_s_packet_needs() -> None:
    assert aedat4.MOST_BYTES <= 256 * MEBIBYTE


def test_a_window_of_zstd_is_limited() -> None:
    """The header alone can make the library reserve gigabytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    payload = packer.compress(b"abc" * 100) + packer.flush()
    with pytest.raises(DamageError, match="cannot be unpacked"):
        Unpacker(ZSTD).unpack(payload)
