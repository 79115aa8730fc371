"""Whole or not at all."""

import errno
import os
import pathlib

import pytest

from spikewire.runtime import CheckpointError, CheckpointStore


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_numbers_go_on_and_the_newest_are_kept(tmp_path):
    store = CheckpointStore(tmp_path / "new", keep=2)
    for n in range(4):
        path = store.write(b"%d" % n)
    assert names(tmp_path / "new") == ["checkpoint-00000003.safetensors", path.name]
    assert store.load_newest(bytes) == (b"3", path)


def test_nothing_there_is_no_error(tmp_path):
    assert CheckpointStore(tmp_path / "none").load_newest(bytes) is None


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_older_ones(tmp_path, monkeypatch, call):
    store = CheckpointStore(tmp_path)
    store.write(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        store.write(b"new")
    monkeypatch.undo()
    assert names(tmp_path) == ["checkpoint-00000001.safetensors"]
    assert store.write(b"newer").name == "checkpoint-00000002.safetensors"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written in .*file/folder: Not a dir"):
        CheckpointStore(tmp_path / "file" / "folder").write(b"")


def test_what_a_crash_left_is_never_loaded_and_swept_up(tmp_path):
    store = CheckpointStore(tmp_path)
    whole = store.write(b"whole")
    (tmp_path / ".checkpoint-abc").write_bytes(b"ha")
    assert store.load_newest(bytes) == (b"whole", whole)
    store.write(b"next")
    assert not (tmp_path / ".checkpoint-abc").exists()


def test_a_damaged_newest_gives_way_to_the_one_before(tmp_path):
    store = CheckpointStore(tmp_path)
    good = store.write(b"good")
    store.write(b"damaged")

    def load(data):
        if data != b"good":
            raise ValueError("not whole")
        return data

    assert store.load_newest(load) == (b"good", good)
    good.unlink()
    with pytest.raises(CheckpointError, match="not whole"):
        store.load_newest(load)


def test_what_the_source_remembers_is_kept_beside(tmp_path: pathlib.Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    paths = [store.write(b"network", f"source {n}".encode()) for n in range(3)]
    assert store.beside(paths[2]) == b"source 2"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-00000002.safetensors", "checkpoint-00000002.source.npz",
        "checkpoint-00000003.safetensors", "checkpoint-00000003.source.npz",
    ]  # fmt: skip
    plain = store.write(b"network")
    assert store.beside(plain) is None
