"""Sources by name: ``file:PATH``, ``shelf:DIR``, ``udp://HOST:PORT``, ``sim:``."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote

from spikewire.sensors.errors import SourceError
from spikewire.sensors.events import Source
from spikewire.sensors.formats.aedat import Convention
from spikewire.sensors.formats.csv_layout import parse_columns
from spikewire.sensors.recordings.aestream_reader import find_program
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.labels import read_labels
from spikewire.sensors.recordings.recording import Reader
from spikewire.sensors.sources.aestream_camera import MAKERS, AestreamCamera
from spikewire.sensors.sources.files import FileSource
from spikewire.sensors.sources.nats.address import check_subject, nats_server
from spikewire.sensors.sources.nats.source import NatsSource
from spikewire.sensors.sources.pacing import read_speed
from spikewire.sensors.sources.shelf import ShelfSource
from spikewire.sensors.sources.simulated import open_simulator
from spikewire.sensors.sources.stdin import StdinSource
from spikewire.sensors.sources.udp import DEFAULT_PORT, UdpSource
from spikewire.sensors.sources.usb_camera import UsbCamera
from spikewire.sensors.units import parse_duration, parse_size


def _parser(parse: Callable[[str], Any], allowed: str) -> Callable[[str, str], Any]:
    """Make a setting's parser, which names the setting where its value is refused."""

    def parse_setting(name: str, text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise SourceError(f"{name} is {text!r}; allowed are {allowed}.") from None

    return parse_setting


_time = _parser(partial(parse_duration, bare="us"), "times such as 750ms, 1.5s or 20000us")
_size = _parser(parse_size, "sizes such as 346x260")


def _flag(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise SourceError(f"{name} is {text!r}; allowed are 0 and 1.")
    return text == "1"


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise SourceError(f"{name} is {text!r}; allowed are whole numbers from 0 on.")
    return int(text)


def _columns(name: str, text: str) -> tuple[str, ...]:
    return parse_columns(text)


def _convention(name: str, text: str) -> Convention:
    for known in get_args(Convention):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise SourceError(f"{name} is {text!r}; allowed are {', '.join(get_args(Convention))}.")


def _text(name: str, text: str) -> str:
    return text


_ALLOWED: dict[str, dict[str, Callable[[str, str], Any]]] = {
    "file": {
        "start": _time, "stop": _time, "speed": read_speed, "loop": _flag,
        "labels": _text, "label": _text, "columns": _columns, "unit": _text, "size": _size,
        "drop": _flag, "wait": _flag, "convention": _convention, "sort": _flag, "stream": _number,
    },
    "shelf": {},
    "udp": {"size": _size, "public": _flag},
    "nats": {"size": _size, "tls": _flag, "ca": _text, "creds": _text},
    "stdin": {"size": _size, "format": _text, "columns": _columns, "unit": _text},
    "camera": {"serial": _text},
}  # fmt: skip
_ALLOWED["aestream"] = {name: _ALLOWED["file"][name] for name in _ALLOWED["file"]
                        if name != "convention"}  # fmt: skip


def open_source(uri: str, **options: Any) -> Source:
    """Open a source by its name.

    Parameters
    ----------
    uri
        ``file:PATH`` (several separated by ``;``, patterns allowed), ``shelf:DIR``,
        ``udp://HOST:PORT?size=346x260``, ``camera:?serial=S``, ``aestream:inivation?size=346x260``,
        ``aestream:PATH`` (a recording, read by the program aestream),
        ``nats://HOST:PORT/SUBJECT?size=346x260``, ``stdin:?size=346x260``
        or ``sim:``; settings follow a ``?`` as ``name=value`` joined by ``&``.
    options
        Settings that override the name's own, already in their types.

    Raises
    ------
    SourceError
        If the name or a setting is not understood; the message lists what is allowed.
    """
    scheme, colon, rest = uri.partition(":")
    if scheme == "sim" and colon:
        return open_simulator(rest, options)
    if not colon or scheme not in _ALLOWED:
        raise SourceError(
            f"{uri!r} is no source; allowed are file:PATH, shelf:DIR, udp://HOST:PORT, camera:, "
            "aestream:MAKER, aestream:PATH, nats://HOST:PORT/SUBJECT, stdin: and sim:."
        )
    place, _, query = rest.partition("?")
    settings = _settings(scheme, query, options)
    if scheme == "file":
        return _file(unquote(place), settings)
    if scheme == "shelf":
        return ShelfSource(unquote(place))
    if scheme in ("stdin", "camera") and place:
        raise SourceError(f"{scheme}: takes settings only, as after a ?, not {place!r}.")
    if scheme == "stdin":
        return StdinSource(**settings)
    if scheme == "camera":
        return UsbCamera(**settings)
    if scheme == "aestream":
        return _aestream(unquote(place), settings)
    if scheme == "nats":
        return _nats(place, settings)
    return _udp(uri, place, settings)


def _settings(scheme: str, query: str, options: dict[str, Any]) -> dict[str, Any]:
    allowed = _ALLOWED[scheme]
    settings: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            raise _unknown(scheme, name)
        settings[name] = allowed[name](name, value)
    for name, value in options.items():
        if name not in allowed:
            raise _unknown(scheme, name)
        settings[name] = value
    return settings


def _unknown(scheme: str, name: str) -> SourceError:
    allowed = ", ".join(_ALLOWED[scheme]) or "none"
    return SourceError(f"A source {scheme}: has no setting {name!r}; it has {allowed}.")


def _aestream(place: str, settings: dict[str, Any]) -> Source:
    """Open a camera by its maker, or recordings."""
    if place in MAKERS:
        for name in settings.keys() - {"size"}:
            raise SourceError(f"A source aestream:{place} has no setting {name!r}; it has size.")
        sizes = {"inivation": (346, 260), "prophesee": (1280, 720)}
        return AestreamCamera(place, size=settings.get("size", sizes[place]))
    if not any(char in place for char in "./;*") and not Path(place).exists():
        raise SourceError(
            f"aestream:{place} is no camera, and no file is called so; allowed are "
            f"{', '.join(MAKERS)} and the path of a recording."
        )
    find_program()
    return _file(place, settings, reader="aestream")


def _file(place: str, settings: dict[str, Any], *, reader: Reader = "spikewire") -> FileSource:
    paths: list[Path] = []
    for part in filter(None, place.split(";")):
        if Path(part).exists() or not glob.has_magic(part):
            paths.append(Path(part))
            continue
        found = sorted(glob.glob(part))
        if not found:
            raise SourceError(f"No file matches {part}.")
        paths += [Path(name) for name in found]
    if not paths:
        raise SourceError("The source names no recording; write file:PATH.")
    labels = settings.get("labels")
    start, stop = settings.get("start", 0), settings.get("stop")
    if stop is not None and stop <= start:
        raise SourceError(f"An excerpt from {start} to {stop} us holds nothing.")
    known = read_labels(labels) if labels is not None else ()
    if "stream" in settings:
        paths = [path.with_name(f"{path.name}::{settings['stream']}") for path in paths]
    wanted = ("label", "size", "columns", "unit", "convention", "sort")
    how = {name: settings[name] for name in wanted if name in settings}
    excerpts = [Excerpt(path, start, stop, known, **how, reader=reader) for path in paths]
    return FileSource(
        excerpts, speed=settings.get("speed"), loop=bool(settings.get("loop", False)),
        wait=bool(settings.get("wait", False)),
        policy="drop" if settings.get("drop") else "raise",
    )  # fmt: skip


def _udp(uri: str, place: str, settings: dict[str, Any]) -> UdpSource:
    match = re.fullmatch(r"//(\[[0-9a-fA-F:]+\]|[^:/\[\]]*)(?::(\d{1,5}))?/?", place)
    if not match or int(match[2] or 0) > 65535:
        raise SourceError(
            f"{uri!r} is no address; write udp://HOST:PORT, such as udp://127.0.0.1:3333."
        )
    host = match[1].strip("[]") or "127.0.0.1"
    port = DEFAULT_PORT if match[2] is None else int(match[2])
    return UdpSource(
        host, port, size=settings.get("size", (1280, 720)), public=settings.get("public", False)
    )


def _nats(place: str, settings: dict[str, Any]) -> NatsSource:
    address, _, subject = place.removeprefix("//").partition("/")
    if not address or not subject:
        # The name is not repeated: it may hold a password.
        raise SourceError(
            "A source nats: names a server and a subject; write nats://HOST:PORT/SUBJECT, such as "
            "nats://127.0.0.1:4222/spikewire.camera1.spif."
        )
    scheme = "tls" if settings.get("tls") else "nats"
    server = nats_server(
        f"{scheme}://{address}", credentials=settings.get("creds"), ca=settings.get("ca")
    )
    subject = check_subject(unquote(subject), what="The subject")
    return NatsSource(server, subject, size=settings.get("size", (1280, 720)))
