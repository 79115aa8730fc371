"""What is not read is told by what it is, and by what to do."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.commands import run
from spikewire.sensors import EVENT_DTYPE, SensorError, open_recording
from spikewire.sensors.formats.diagnosis import diagnosis, is_narrow_faery, is_wide_faery
from tests.reference.formats import EVENTS, evt2, evt3, nmnist

MANY = [(n * 37, n % 30, n * 7 % 30, n % 2) for n in range(200)]


def wide(events: list[tuple[int, int, int, int]]) -> bytes:
    """faery's default layout: t in 64 bits, x and y in 16, polarity in 8."""
    return b"".join(struct.pack("<QHHB", *event) for event in events)


def narrow(events: list[tuple[int, int, int, int]]) -> bytes:
    """faery's other layout: t in 32 bits, x in 16, y in 15, polarity in 1."""
    return b"".join(struct.pack("<IHH", t, x, y << 1 | p) for t, x, y, p in events)


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return out.getvalue()


def bare(data: bytes) -> bytes:
    return data[data.index(b"% end\n") + 6 :]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.aedat4", gzip.compress(b"events", mtime=0), "compressed by gzip: unpack it"),
        ("a.raw", tar(), "an archive of tar"),
        ("a.npy", pickle.dumps([1, 2, 3]), "a pickle of Python, which is a program"),
        ("a.bin", b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture, which holds no events"),
        ("a.mp4", b"\0\0\0\x20ftypisom" + bytes(100), "a video, which holds pictures"),
        ("a.aedat", b"\n<!DOCTYPE html><html>Sign in", "a web page: the download gave a page"),
        ("a.npz", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("a.json", b'{"type": "session"}', "JSON, which holds no events"),
        ("a.csv", b"class,startTime_usec,endTime_usec\n1,5,9\n", "a file of labels: give it with"),
        ("a.model", struct.pack("<Q", 30) + b'{"__metadata__": {}}', "a network or tensors"),
        ("a.dat", bytes(4096), "a file of zeros, as an unfinished download"),
        ("a.txt", "1 2 3 1\n".encode("utf-16"), "a text in UTF-16: save it in UTF-8"),
        ("a.parquet", b"PARE" + bytes(range(100)), "an encrypted table of Parquet, of which no"),
        ("a.pcap", b"\xd4\xc3\xb2\xa1" + bytes(20), "a capture of a network"),
        ("a.raw", bare(evt3(MANY)), "words of EVT 3.0 without a header"),
        ("a.bin", bare(evt2(MANY)), "words of EVT 2.0 without a header"),
        ("a.raw", b"\x17\x01\xfe\x99" * 100, "raw words without a header"),
        ("a.dat", wide(MANY), "a dump of faery's UDP layout t64_x16_y16_on8"),
        ("a.bin", narrow(MANY), "a dump of faery's UDP layout t32_x16_y15_on1"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told_by_what_it_is(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SensorError, match=rf"^\S+ is {says}") as told:
        open_recording(path)
    assert str(told.value).endswith(".")
    assert len(str(told.value).splitlines()) == 1


def test_recordings_are_no_foreign_words(tmp_path: Path) -> None:
    for content in (nmnist(MANY), nmnist(EVENTS)):
        assert diagnosis(content) is None
        path = tmp_path / "a.bin"
        path.write_bytes(content)
        assert len(open_recording(path).read()) == len(content) // 5
    assert diagnosis(b"neither this nor that") is None
    spif = b"".join(struct.pack("<II", x << 16 | p << 15 | y, t) for t, x, y, p in MANY)
    assert not is_narrow_faery(spif)
    assert not is_wide_faery(spif)
    assert is_wide_faery(np.array(MANY, EVENT_DTYPE).tobytes())  # ours has the same 13 bytes


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("noise.bin", "no N-MNIST, although its name ends in .bin"),
        ("noise.dat", "no AEDAT 1.0 either, although its name ends so"),
    ],
)
def test_what_a_name_promises_is_not_read_where_times_jump(
    name: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(SensorError, match=says):
        open_recording(path)


@pytest.mark.data
def test_every_input_of_the_reports_takes_a_sentence_and_a_second(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((data_dir / "reports").rglob("*")):
        if path.is_dir():
            continue
        began = time.process_time()
        code = run(["info", str(path), "--json"])
        assert time.process_time() - began < 1, path
        told = capsys.readouterr()
        if code == 0:
            assert json.loads(told.out)["events"] > 0, path
        else:
            assert len(told.err.strip().splitlines()) == 1, path
            assert told.err.startswith("spikewire: "), path
