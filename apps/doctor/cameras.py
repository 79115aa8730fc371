"""Event cameras on USB, and whether this user may open them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KNOWN = (
    ("iniVation", "152a", r"84[01].", "84[0-1]?"),
    ("Prophesee", "04b4", r"00f[45]", "00f[4-5]"),
    ("CenturyArks or Lucid", "31f7", r"000[34]", "000[3-4]"),
    ("IDS", "1409", r"8e00", "8e00"),
)
"""Makers of event cameras: USB vendor, products as an expression, and as udev writes them."""

RULES_FILE = "/etc/udev/rules.d/65-event-cameras.rules"


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """An event camera that the system sees on USB.

    Attributes
    ----------
    maker, product
        Names; the product's is what the camera says of itself.
    usb
        ``vendor:product`` in hexadecimal.
    node
        The device file.
    allowed
        Whether this user may read and write it.
    """

    maker: str
    product: str
    usb: str
    node: str
    allowed: bool


def usb_devices(
    devices: Path = Path("/sys/bus/usb/devices"), nodes: Path = Path("/dev/bus/usb")
) -> list[UsbDevice]:
    """List the event cameras on USB, without opening any. Empty where the system has no sysfs.

    Parameters
    ----------
    devices, nodes
        Folders of the system.
    """
    found = []
    for device in sorted(devices.glob("*")):
        vendor, product = _fact(device, "idVendor"), _fact(device, "idProduct")
        for maker, known, pattern, _ in KNOWN:
            if vendor != known or not re.fullmatch(pattern, product):
                continue
            node = nodes / _fact(device, "busnum").zfill(3) / _fact(device, "devnum").zfill(3)
            allowed = os.access(node, os.R_OK | os.W_OK)
            name = _fact(device, "product") or "event camera"
            found.append(UsbDevice(maker, name, f"{vendor}:{product}", str(node), allowed))
    return found


def udev_rules() -> str:
    """Return the rules that let every user open an event camera, as lines of a udev file."""
    return "\n".join(
        f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{products}", '
        'MODE="0666"'
        for _, vendor, _, products in KNOWN
    )


def driver_devices() -> list[dict[str, Any]] | None:
    """List the cameras that the drivers of the extra `camera` find; None without the extra."""
    try:
        import neuromorphic_drivers
    except ImportError:
        return None
    try:
        listed = neuromorphic_drivers.list_devices()
    except Exception as error:
        return [{"name": None, "serial": None, "error": str(error)}]
    return [
        {
            "name": str(getattr(one.name, "value", one.name)),
            "serial": one.serial,
            "error": None if one.error is None else str(one.error),
        }
        for one in listed
    ]


def _fact(device: Path, name: str) -> str:
    try:
        return (device / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
