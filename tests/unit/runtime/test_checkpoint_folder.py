"""A folder of checkpoints: one learner, one process, and nothing half written at any instant."""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from spikewire.runtime import CheckpointError, CheckpointStore, Service, Settings

FOLDER, SOURCE_STATE, NETWORK = "folder", "source state", "network"


class Killed(BaseException):
    """The process ends here."""


class Disk:
    """Notes what reaches a disk, in order, and ends the process at a chosen call."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self.end_at: int | None = None
        self._folder = folder
        self._names: dict[int, str] = {}
        usual = builtins.open, os.open, os.fsync, os.replace, os.unlink, Path.unlink

        def opened(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            file = usual[0](path, mode, *rest, **more)
            if isinstance(path, str | os.PathLike) and Path(path).parent == folder and "b" in mode:
                if mode == "rb":
                    return file
                self._names[file.fileno()] = Path(path).name
                return Noted(file, self, Path(path).name)
            return file

        def opened_low(path: Any, *rest: Any, **more: Any) -> int:
            number = usual[1](path, *rest, **more)
            self._names[number] = FOLDER if Path(path) == folder else Path(path).name
            return number

        def synced(number: int) -> None:
            self.note("sync", self._names[number])
            usual[2](number)

        def replaced(old: Any, new: Any) -> None:
            self.note("replace", f"{Path(old).name} {Path(new).name}")
            usual[3](old, new)

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            self.note("remove", path.name)
            usual[5](path, missing_ok)

        for module in (builtins, io):
            patch.setattr(module, "open", opened)
        patch.setattr(os, "open", opened_low)
        patch.setattr(os, "fsync", synced)
        patch.setattr(os, "replace", replaced)
        patch.setattr(Path, "unlink", unlinked)

    def note(self, call: str, name: str) -> None:
        """Take note of a call, unless the process ends before it."""
        if self.end_at is not None and len(self.calls) >= self.end_at:
            raise Killed
        self.calls.append((call, name))


class Noted:
    """A file of a :class:`Disk`; its bytes arrive in two halves."""

    def __init__(self, file: Any, disk: Disk, name: str) -> None:
        self._file, self._disk, self._name = file, disk, name

    def write(self, data: Any, /) -> int:
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            self._disk.note("write", self._name)
            self._file.write(half)
            self._file.flush()
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Noted:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def test_a_checkpoint_reaches_the_disk_before_its_name_and_the_source_state_before_it(
    tmp_path: Path,
) -> None:
    store = CheckpointStore(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, tmp_path)
        path = store.write(b"network", b"source")
    calls = [call for call in disk.calls if call[1] != ".lock"]
    names = [name for _, name in calls]
    [first, second] = dict.fromkeys(name for call, name in calls if call == "write")
    assert all(name.startswith(".checkpoint-") for name in (first, second))
    assert calls == [
        ("write", first), ("write", first), ("sync", first),
        ("replace", f"{first} checkpoint-00000001.source.npz"),
        ("write", second), ("write", second), ("sync", second),
        ("replace", f"{second} {path.name}"),
        ("sync", FOLDER),
    ], names  # fmt: skip


def test_old_checkpoints_are_removed_after_the_new_one_is_on_the_disk(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    store.write(b"old", b"old source")
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, tmp_path)
        store.write(b"new", b"new source")
    synced = disk.calls.index(("sync", FOLDER))
    removed = disk.calls.index(("remove", "checkpoint-00000001.safetensors"))
    assert synced < removed < disk.calls.index(("remove", "checkpoint-00000001.source.npz"))


@pytest.mark.parametrize("end_at", range(12))
def test_an_end_at_any_call_leaves_a_whole_checkpoint(tmp_path: Path, end_at: int) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    store.write(b"the old network", b"the old source")
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, tmp_path)
        disk.end_at = end_at
        try:
            store.write(b"the new network", b"the new source")
        except Killed:
            pass
        else:
            assert end_at > 8
    # What the dying process itself would have tidied up is a matter of luck; the names count.
    again = CheckpointStore(tmp_path)
    found = again.load_newest(bytes)
    assert found is not None
    wanted = {b"the old network": b"the old source", b"the new network": b"the new source"}
    assert again.beside(found[1]) == wanted[found[0]]
    for path in again.paths():
        assert path.read_bytes() in wanted


def test_a_new_folder_reaches_the_disk(tmp_path: Path) -> None:
    synced = []
    usual = os.fsync

    def fsync(number: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{number}"))
        usual(number)

    folder = tmp_path / "a" / "b"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        CheckpointStore(folder).write(b"x")
    assert {str(tmp_path), str(tmp_path / "a"), str(folder)} <= set(synced)


def test_a_second_store_is_refused_in_a_sentence(tmp_path: Path) -> None:
    first, second = CheckpointStore(tmp_path / "saved"), CheckpointStore(tmp_path / "saved")
    first.claim()
    path = first.write(b"first")
    whose = rf"saved is in use by another pipeline of this process \({os.getpid()}\)"
    with pytest.raises(CheckpointError, match=whose):
        second.claim()
    with pytest.raises(CheckpointError, match=r"another folder\.$"):
        second.write(b"second")
    assert [p.name for p in path.parent.iterdir() if p.name != ".lock"] == [path.name]
    first.release()
    second.claim()
    second.release()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_death_frees_the_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from spikewire.runtime import CheckpointStore;"
        "CheckpointStore(sys.argv[1]).claim(); print('held', flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match=rf"is in use by process {holder.pid}: stop"):
            CheckpointStore(tmp_path).claim()
        holder.send_signal(signal.SIGKILL)
    store = CheckpointStore(tmp_path)
    store.claim()
    store.release()


def test_a_folder_that_was_moved_is_no_longer_ours(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    first, second = CheckpointStore(folder), CheckpointStore(folder)
    first.claim()
    folder.rename(tmp_path / "aside")
    second.claim()
    with pytest.raises(CheckpointError, match="is in use"):
        first.write(b"first")
    second.release()
    assert first.write(b"first").parent == folder
    with pytest.raises(CheckpointError, match="is in use"):
        second.claim()


def test_a_disk_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    store = CheckpointStore(tmp_path)
    store.claim()
    store.write(b"x")
    assert caplog.text.count("a file system without locks") == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_folder_is_tried_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(CheckpointError, match=os.strerror(number)):
            CheckpointStore(tmp_path).claim()
    assert not list(tmp_path.iterdir())
    CheckpointStore(tmp_path).claim()


def test_the_store_knows_another_learner(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).write(b"old")
    with pytest.raises(CheckpointError, match=r"holds a learner already .*--resume"):
        CheckpointStore(tmp_path).check_learner(lambda: b"another")
    CheckpointStore(tmp_path).check_learner(lambda: b"old")
    resumed = CheckpointStore(tmp_path)
    resumed.load_newest(bytes)
    resumed.check_learner(lambda: b"changed since")


async def test_a_service_does_not_listen_before_its_folder_is_its_own(
    fakes: Any, tmp_path: Path, autojump_clock: object
) -> None:
    def service(network: Any) -> Service:
        settings = Settings(port=0, checkpoint_folder=str(tmp_path))
        return Service(fakes.Source(), network, settings, in_thread=fakes.at_once)

    async def refused(network: Any, why: str) -> None:
        other = service(network)
        with pytest.raises(CheckpointError, match=why), trio.fail_after(10):
            await other.serve(signals=False)
        assert other.addresses == ()

    async with trio.open_nursery() as nursery:
        first = service(fakes.Network())

        async def serve(*, task_status: Any) -> None:
            await first.serve(listen=False, signals=False, task_status=task_status)

        await nursery.start(serve)
        await refused(fakes.Network(), "in use by another pipeline")
        first.pipelines["main"].source.push(fakes.packet(range(0, 50_000, 500)))
        await trio.sleep(1)
        first.stop()
    before = sorted(os.listdir(tmp_path))
    assert before
    await refused(fakes.Network(["x"]), "holds a learner already")
    assert sorted(os.listdir(tmp_path)) == before
