"""The requests `show` and `upload`: recordings sent to a service, and shown by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trio

from spikewire.runtime import RequestRefused
from spikewire.sensors import EVENT_DTYPE, ChoiceSource, write_events

SECRET = "0123456789abcdef"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(call: Any, *arguments: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: Any) -> bytes:
    events = np.zeros(1000, EVENT_DTYPE)
    events["t"], events["p"] = np.arange(1000) * 1000, 1
    path = tmp_path_factory.mktemp("made") / "wave.aedat4"
    write_events([events], path, (32, 24))
    return path.read_bytes()


def beside(fakes: Any, folder: Any) -> ChoiceSource:
    source = fakes.Source()
    source.size = (64, 48)
    return ChoiceSource(source, folder)


async def test_a_recording_is_sent_shown_and_left(
    fakes, running, autojump_clock, tmp_path, recording, quick
):
    async with running(beside(fakes, tmp_path)) as run, run.client() as client:
        assert {"show", "upload"} <= set(client.hello["offers"])
        assert client.hello["limits"]["upload_bytes"] == 256 << 20
        half = len(recording) // 2
        for at, piece in ((0, recording[:half]), (half, recording[half:])):
            reply = await client.request(
                "upload", name="wave.aedat4", size=len(recording), at=at, data=piece
            )
        assert reply["at"] == len(recording)
        told = (await client.status())["status"]["source"]
        assert (told["recordings"], told["shown"], told["replay"]) == (["wave.aedat4"], None, None)
        await client.subscribe("picture")
        assert (await client.show("wave.aedat4"))["shown"] == "wave.aedat4"
        await trio.sleep(0.5)
        picture = await anext(client)
        assert (picture["size"], picture["off_events"]) == ([32, 24], 0)
        assert (await client.status())["status"]["source"]["replay"]["file"] == "wave.aedat4"
        assert (await client.show(None))["shown"] is None
        with pytest.raises(RequestRefused, match=r"no recording 'nod.raw'") as refused:
            await client.show("nod.raw")
        assert refused.value.code == "show_failed"


async def test_what_may_not_be_sent_is_refused(fakes, running, autojump_clock, tmp_path, quick):
    source = beside(fakes, tmp_path / "folder")
    async with running(
        source, upload_bytes=1000, control_token=SECRET, watch_token=SECRET[::-1]
    ) as run:
        async with run.client(token=SECRET) as client:
            for name, size, says in (
                ("../x.raw", 10, "cannot be the name"),
                ("x.raw", 1001, "allowed are 1 to 1,000"),
                ("x.raw", 10, "x.raw"),
            ):
                with pytest.raises(RequestRefused, match=says) as refused:
                    await client.request("upload", name=name, size=size, at=0, data=bytes(10))
                assert refused.value.code == "upload_failed"
        async with run.client(token=SECRET[::-1]) as watcher:
            with pytest.raises(RequestRefused) as refused:
                await watcher.request("upload", name="x.raw", size=1, at=0, data=b"x")
            assert refused.value.code == "not_allowed"
    assert list((tmp_path / "folder").iterdir()) == []


async def test_a_service_without_a_folder_refuses(fakes, running, autojump_clock):
    async with running(fakes.Source([])) as run, run.client() as client:
        assert not {"show", "upload"} & set(client.hello["offers"])
        for request in ({"name": None}, {"name": "x.raw", "size": 1, "at": 0, "data": b"x"}):
            kind = "upload" if "data" in request else "show"
            with pytest.raises(RequestRefused) as refused:
                await client.request(kind, **request)
            assert refused.value.code == "no_choice"
