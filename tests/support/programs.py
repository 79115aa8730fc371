"""Programs that pip does not bring: found, or named in a skip."""

from __future__ import annotations

import os
import shutil

import pytest

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Folders of servers, which are not in everybody's PATH."""


def find_program(name: str) -> str | None:
    """Return the path of a program, or None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))


def needed_program(name: str) -> str:
    """Return the path of a program, or skip the test with a sentence that names it."""
    found = find_program(name)
    if found is None:
        pytest.skip(f"install {name} to run this test")
    return found
