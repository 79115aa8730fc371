"""The installation: versions, processor, extras, compiled kernels and ports."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from spikewire.apps.cli.ports import free_port

PACKAGES = ("numpy", "numba", "llvmlite", "trio", "msgpack", "typer", "rich", "faery", "aestream")
FEATURES = ("avx2", "avx512f", "avx512_vnni")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_OURS = ("dev",)  # extras of the project's own development


def versions(names: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Return the versions of packages; None for those that are not installed."""
    return {name: _version(name) for name in names}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """Describe the processor: name, usable cores, and the vector instructions that count here."""
    facts: dict[str, str] = {}
    try:
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    flags = facts.get("flags", "").split()
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return {
        "name": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": usable,
        "features": [name for name in FEATURES if name in flags] if flags else None,
    }


def system() -> dict[str, str]:
    """Describe the operating system and the interpreter."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_version()} ({sys.executable})",
    }


def extras(requirements: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Tell of each extra which of its packages are missing; an empty list is a whole extra.

    Parameters
    ----------
    requirements
        Lines of the package's metadata; None reads them.
    """
    lines = metadata.requires("spikewire") or [] if requirements is None else requirements
    missing: dict[str, list[str]] = {}
    for line in lines:
        extra, name = _EXTRA.search(line), _REQUIREMENT.match(line)
        if extra is None or name is None or extra[1] in _OURS:
            continue
        lacking = missing.setdefault(extra[1], [])
        if _version(name[1]) is None:
            lacking.append(name[1])
    return dict(sorted(missing.items()))


def kernels() -> dict[str, Mapping[str, Any]]:
    """Tell where each package's compiled kernels are cached, and how many are compiled of all."""
    from spikewire import qcore, runtime, sensors
    from spikewire._jit import count_compiled, keep_ready, kernel_folder

    # Kernels are known once their modules are imported: with these names, all that are usual.
    _ = qcore.Network, runtime.Service, sensors.open_recording, sensors.make_chain
    # The engines of the shipped network.
    keep_ready(*(f"spikewire.qcore.kernels.engine.advance_{kind}" for kind in ("fixed", "reading")))
    told: dict[str, Mapping[str, Any]] = {}
    for package in ("qcore", "sensors"):
        ready, count = count_compiled(package)
        told[package] = {
            "folder": str(kernel_folder(package)), "ready": ready, "kernels": count,
            "compiled": ready == count,
        }  # fmt: skip
    return told


def ports(wanted: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Tell of each port on this machine whether it is free."""
    return {name: {"port": port, "free": free_port(port) == port} for name, port in wanted.items()}


def aestream_program() -> str | None:
    """Find the `aestream` program, on the path or beside the interpreter."""
    beside = Path(sys.executable).parent / "aestream"
    return shutil.which("aestream") or (str(beside) if beside.exists() else None)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
