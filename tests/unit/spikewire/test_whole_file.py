"""Files that appear whole or not at all, and that no other way of writing is used."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest

from spikewire import _whole_file
from spikewire._whole_file import write_whole
from spikewire.apps.service.session import SessionWriter
from tests.unit.spikewire.test_structure import modules, parsed, shown

IN_PLACE = {
    "apps/bench/formats/encode.py",  # inputs of a measurement, in a folder that goes with it
    "apps/recordings/picture_files.py",  # a temporary file that is replaced
    "apps/replay/export.py",  # lines that are added, and their rewriting through a temporary file
    "apps/training/resume.py",  # temporary files that are replaced
    "qcore/network/model_file.py",
    "runtime/checkpoints.py",
    "sensors/recordings/aedat4_writer.py",  # a recording that grows
    "sensors/recordings/inbox.py",  # a file that comes piece by piece, renamed when it is whole
    "sensors/recordings/npz_writer.py",  # members of an archive that is written whole
}
"""Modules that open files for writing themselves."""


def writes(module: Path) -> bool:
    for node in ast.walk(parsed(module)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("write_text", "write_bytes"):
            return True
        modes = [word.value for word in ast.walk(node) if isinstance(word, ast.Constant)]
        if name == "open" and any(mode in ("w", "wb", "x", "xb", "a", "ab") for mode in modes):
            return True
    return False


def test_files_are_written_whole() -> None:
    assert {shown(module) for module in modules() if writes(module)} == IN_PLACE


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_is_replaced_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.setattr(_whole_file, "_nameless", lambda folder: None)
    path = tmp_path / "state.json"
    write_whole(path, "new ä")
    assert path.read_bytes() == "new ä".encode()
    assert os.listdir(tmp_path) == ["state.json"]


def full_disk(file: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("nameless", [True, False])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.setattr(_whole_file, "_nameless", lambda folder: None)
    path = tmp_path / "state.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_session_survives_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tmp_path / "walk.session.json"
    session.write_text("old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        SessionWriter(tmp_path / "walk.aedat4", {}).close()
    assert session.read_text() == "old"


def test_file_and_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []

    def fsync(file: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{file}"))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "state.json", b"x")
    assert synced == [False, True]


def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "said")
        assert os.read(reader, 100) == b"said"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
