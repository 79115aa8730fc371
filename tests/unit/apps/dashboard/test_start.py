"""`spikewire` alone: cameras that are found, and the usual folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands
from spikewire.apps.cli.signals import endless
from spikewire.apps.dashboard import folders, start
from spikewire.apps.doctor.cameras import UsbDevice


def test_cameras_are_listed_and_those_that_cannot_be_opened_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed: list[dict[str, Any]] = [
        {"name": "DAVIS346", "serial": "00000042", "error": None},
        {"name": "EVK4", "serial": None, "error": "access denied"},
        {"name": None, "serial": None, "error": "Other error"},
    ]
    monkeypatch.setattr(start, "driver_devices", lambda: listed)
    assert start.find_cameras() == [start.Camera("DAVIS346 00000042", "camera:?serial=00000042")]
    told = capsys.readouterr().err
    assert "EVK4 cannot be opened: access denied" in told
    assert "cameras on USB cannot be listed: Other error" in told


def test_without_drivers_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = UsbDevice("iniVation", "DAVIS346", "152a:841a", "/dev/bus/usb/001/002", True)
    monkeypatch.setattr(start, "driver_devices", lambda: None)
    monkeypatch.setattr(start, "usb_devices", lambda: [device])
    assert start.find_cameras() == []
    assert "pip install 'spikewire[camera]'" in capsys.readouterr().err


def test_no_word_is_start(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(start, "start", lambda: asked.append("start"))
    assert commands.run([]) == 0
    assert asked == ["start"]
    assert endless([])


def test_the_usual_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert folders.recordings_folder() == tmp_path / "spikewire" / "recordings"
    assert folders.networks_folder() == tmp_path / "spikewire" / "networks"
    assert not (tmp_path / "spikewire").exists()
