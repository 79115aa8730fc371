"""Networks that clients ask to save, where there is no folder of checkpoints."""

from __future__ import annotations

import pytest
import trio

from spikewire.runtime import RequestRefused


async def test_a_network_is_saved_on_request_and_only_then(
    fakes, running, tmp_path, autojump_clock
):
    folder = tmp_path / "networks"
    how = {"save_folder": str(folder), "checkpoint_every_s": 0.1}
    async with running(fakes.Source([]), **how) as run, run.client() as client:
        assert "checkpoint" in client.hello["offers"]
        await trio.sleep(1)
        assert not folder.exists()
        replies = [await client.request("checkpoint") for _ in range(2)]
        paths = {reply["path"] for reply in replies}
        assert paths == {str(path) for path in folder.iterdir()}
        assert len(paths) == 2
        status = (await client.request("status"))["status"]
        assert status["checkpoint"]["folder"] == str(folder)
    assert len(list(folder.iterdir())) == 2  # the end saves nothing


async def test_a_folder_that_cannot_be_made_is_a_refusal(fakes, running, tmp_path, autojump_clock):
    (tmp_path / "file").write_text("")
    how = {"save_folder": str(tmp_path / "file" / "networks")}
    async with running(fakes.Source([]), **how) as run, run.client() as client:
        with pytest.raises(RequestRefused, match="Nothing can be saved in"):
            await client.request("checkpoint")
