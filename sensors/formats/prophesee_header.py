"""The ASCII headers of Prophesee's RAW and DAT files."""

from __future__ import annotations

import re

import numpy as np

from spikewire.sensors.errors import SensorError, quoted
from spikewire.sensors.formats.evt import Evt2, Evt3, Evt21, evt21_upper
from spikewire.sensors.formats.fixed_records import Dat
from spikewire.sensors.formats.header import Header


def detect_prophesee(name: str, suffix: str, head: bytes) -> Header:
    """Read the ASCII header of RAW and DAT files: lines that begin with ``%``."""
    fields: dict[str, str] = {}
    start = 0
    while head[start : start + 1] == b"%":
        end = head.find(b"\n", start)
        if end < 0:
            # A word may begin with the same byte; a line of a header is printable.
            if all(32 <= byte < 127 or byte in b"\t\r" for byte in head[start : start + 256]):
                return Header("prophesee", None, start, damage="the header is cut short")
            break
        line = head[start:end]
        if fields and any(byte < 32 and byte not in b"\t\r" for byte in line):
            break
        start = end + 1
        words = line[1:].decode("ascii", "replace").split(None, 1)
        if words:
            fields[words[0].lower()] = words[1].strip() if len(words) > 1 else ""
        if line.split() == [b"%", b"end"]:
            break
    size = _prophesee_size(fields)
    if "evt" in fields or "format" in fields or suffix == ".raw":
        return _detect_raw(name, fields, size, head, start)
    version = fields.get("version", "1")
    if version not in ("1", "2"):
        raise SensorError(
            f"{name} is DAT version {quoted(version)}, which is not read; 1 and 2 are."
        )
    kind = head[start : start + 2]
    if len(kind) < 2:
        return Header("dat" + version, size, start, damage="the header is cut short")
    if kind[1] != 8:
        raise SensorError(f"{name} has DAT events of {kind[1]} bytes; 8 are read.")
    if kind[0] not in (0, 12):
        raise SensorError(f"{name} has DAT events of type {kind[0]}; 2d (0) and cd (12) are read.")
    if version == "1" and size is None:
        size = (304, 240)  # the ATIS, which wrote that version
    return Header("dat" + version, size, start + 2, lambda _: Dat(int(version)))


def _detect_raw(
    name: str, fields: dict[str, str], size: tuple[int, int] | None, head: bytes, start: int
) -> Header:
    named = fields.get("evt") or fields.get("format", "")
    version = re.sub(r"[^0-9.]", "", named.split(";")[0])
    stated = dict(part.split("=", 1) for part in named.split(";") if "=" in part)
    order = fields.get("endianness", stated.get("endianness", "")).strip().lower()
    if order == "big":
        raise SensorError(f"{name} is Prophesee RAW in big-endian words; little-endian is read.")
    if version in ("2.0", "2"):
        return Header("evt2", size, start, lambda _: Evt2())
    if version in ("3.0", "3"):
        return Header("evt3", size, start, lambda _: Evt3())
    if version in ("2.1", "21"):
        note = ""
        if order in ("little", "legacy"):
            upper = int(order == "little")
        else:
            upper = evt21_upper(np.frombuffer(head, np.uint8)[start:])
            note = f"{'little-endian' if upper else 'legacy'} words, by their values"
        return Header("evt21", size, start, lambda _: Evt21(upper), note=note)
    raise SensorError(
        f"{name} is Prophesee RAW of encoding {quoted(named or 'unknown')}; EVT 2.0, 2.1 and 3.0 "
        "are read."
    )


def _prophesee_size(fields: dict[str, str]) -> tuple[int, int] | None:
    geometry = re.search(r"(\d{1,5})x(\d{1,5})", fields.get("geometry", ""))
    if geometry:
        return _positive(int(geometry[1]), int(geometry[2]))
    stated = dict(part.split("=", 1) for part in fields.get("format", "").split(";") if "=" in part)
    width = stated.get("width", fields.get("width", ""))
    height = stated.get("height", fields.get("height", ""))
    if width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6:
        return _positive(int(width), int(height))
    name = fields.get("plugin_name", "") + fields.get("plugin_integrator_name", "")
    for chip, size in (("gen31", (640, 480)), ("gen3", (640, 480)), ("gen4", (1280, 720)),
                       ("imx636", (1280, 720)), ("genx320", (320, 320))):  # fmt: skip
        if chip in name:
            return size
    generation = fields.get("generation", "").split(".")[0]
    return {"3": (640, 480), "4": (1280, 720)}.get(generation)


def _positive(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width > 0 and height > 0 else None
