"""Conditions of a measurement: its command line and the machine."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from spikewire.apps.doctor.installation import processor


def command_line() -> str:
    """Return the command line as typed, without the interpreter's path."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def machine(*packages: str) -> dict[str, object]:
    """Describe the processor, its usable cores, the system, and versions of ``packages``."""
    chip = processor()
    return {
        "processor": chip["name"],
        "cores": chip["cores"],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
    }


def now() -> str:
    """Return date and time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
