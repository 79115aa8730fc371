"""Usual folders of what the page records and saves."""

from __future__ import annotations

from pathlib import Path


def recordings_folder() -> Path:
    """Return the folder of recordings: ``~/.local/share/spikewire/recordings`` on Linux."""
    return _data() / "recordings"


def networks_folder() -> Path:
    """Return the folder of saved networks: ``~/.local/share/spikewire/networks`` on Linux."""
    return _data() / "networks"


def _data() -> Path:
    from platformdirs import user_data_path

    return user_data_path("spikewire", appauthor=False)
