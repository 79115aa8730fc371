"""`spikewire doctor`: the facts that a report of a fault needs, and what to do for a camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer

from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report
from spikewire.apps.cli.ports import PAGE_PORT
from spikewire.apps.doctor.cameras import RULES_FILE, driver_devices, udev_rules, usb_devices
from spikewire.apps.doctor.installation import (
    aestream_program,
    extras,
    kernels,
    ports,
    processor,
    system,
    versions,
)
from spikewire.runtime import DEFAULT_PORT


def doctor(as_json: Json = False) -> None:
    """Print what a report of a fault needs: versions, processor, cameras, extras, cache, ports."""
    report: dict[str, Any] = {
        "spikewire": versions(["spikewire"])["spikewire"],
        **system(),
        "processor": processor(),
        "packages": versions(),
        "extras": extras(),
        "kernels": kernels(),
        "usb": [asdict(device) for device in usb_devices()],
        "cameras": driver_devices(),
        "aestream": aestream_program(),
        "ports": ports({"service": DEFAULT_PORT, "page": PAGE_PORT}),
    }
    report["advice"] = advice(report)
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


def advice(report: dict[str, Any]) -> list[str]:
    """Say what to do about what was found, a sentence or command each."""
    said = []
    if any(not device["allowed"] for device in report["usb"]):
        said += [
            f"This user may not open the camera. Write these lines to {RULES_FILE} as root, run "
            "`udevadm control --reload-rules`, and plug the camera in again:",
            udev_rules(),
        ]
    if report["usb"] and report["cameras"] is None:
        said.append("A camera is plugged in; its drivers: pip install 'spikewire[camera]'.")
    if report["packages"]["aestream"] is None:
        said.append(
            "aestream has no wheel for this Python: its sources need Python 3.11. "
            "Recordings and cameras are read without it."
        )
    if not all(one["compiled"] for one in report["kernels"].values()):
        said.append(
            "A command compiles the kernels that it needs, once: a service takes half a minute to "
            "two minutes, a command for recordings some seconds."
        )
    for name, one in report["ports"].items():
        if not one["free"]:
            option = "--http-port" if name == "page" else "--port"
            said.append(f"Port {one['port']} of the {name} is taken: give another with {option}.")
    return said


def _print(report: dict[str, Any]) -> None:
    out = console()
    for name, value in _rows(report):
        out.print(f"[dim]{name:<10}[/]", end="")
        out.print(value, markup=False, soft_wrap=True)
    for line in report["advice"]:
        out.print()
        out.print(line, markup=False, soft_wrap=True)


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "spikewire", str(report["spikewire"])
    yield "system", report["system"]
    yield "python", report["python"]
    chip = report["processor"]
    features = chip["features"]
    has = "" if features is None else f"; {', '.join(features) or 'no vector instructions'}"
    yield "processor", f"{chip['name']}, {chip['cores']} cores{has}"
    packages = report["packages"].items()
    yield "packages", ", ".join(f"{name} {version or '(missing)'}" for name, version in packages)
    yield (
        "extras",
        "; ".join(
            name if not missing else f"{name} (missing: {', '.join(missing)})"
            for name, missing in report["extras"].items()
        ),
    )
    for package, one in report["kernels"].items():
        yield (
            "kernels",
            f"{package}: {one['ready']} of {one['kernels']} compiled, {one['folder']}",
        )
    for device in report["usb"]:
        may = "may be opened" if device["allowed"] else "may not be opened by this user"
        yield "usb", f"{device['maker']} {device['product']} ({device['usb']}): {may}"
    yield "cameras", _cameras(report["cameras"])
    yield "aestream", report["aestream"] or "no program"
    yield (
        "ports",
        ", ".join(
            f"{name} {one['port']} {'free' if one['free'] else 'taken'}"
            for name, one in report["ports"].items()
        ),
    )


def _cameras(found: list[dict[str, Any]] | None) -> str:
    if found is None:
        return "unknown without the extra camera"
    return (
        "; ".join(
            " ".join(str(part) for part in (one["name"], one["serial"], one["error"]) if part)
            if one["name"] is not None or one["serial"] is not None
            else f"those on USB cannot be listed: {one['error']}"
            for one in found
        )
        or "none"
    )
