"""Fixtures that every test folder shares."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings, or a skip that says how to name one."""
    named = os.environ.get("SPIKEWIRE_DATA")
    if not named:
        pytest.skip("set SPIKEWIRE_DATA to the folder of real recordings to run this test")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"SPIKEWIRE_DATA names {folder}, which is not a folder")
    return folder
