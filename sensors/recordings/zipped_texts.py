"""Texts of events in a ZIP archive, as the data sets of event cameras are published."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikewire.sensors.errors import DecodeError, SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.formats.archive import Member, archive_members
from spikewire.sensors.formats.container import Wish, list_of
from spikewire.sensors.formats.csv_decoder import Csv
from spikewire.sensors.formats.csv_layout import Layout, detect_layout
from spikewire.sensors.formats.header import HEAD, Header
from spikewire.sensors.recordings.reading import read_decoded

TEXTS = (".txt", ".csv")
"""Endings of the members that may hold events."""

_CUT = "the archive is cut short."
_MOST = 64
"""Texts of an archive that are looked into."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A member that holds events."""

    name: str
    layout: Layout


class ZippedTexts:
    """The events of an archive's text: the only one that holds any, or the one that is named.

    Attributes
    ----------
    size
        (width, height) if the text says so.
    note
        The member and its columns.
    first_us
        None: a reading begins at the first event.
    """

    first_us: int | None = None
    progress = 0.0

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path = path
        self._found = _find(path, wish)
        layout = None if self._found is None else self._found.layout
        self.size = None if layout is None else layout.size
        self.note = ""
        if self._found is not None:
            self.note = f"{list_of([self._found.name])}; {self._found.layout.described}"

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks."""
        if self._found is None:
            raise DecodeError(self._path, _CUT, self._path.stat().st_size)
        layout = self._found.layout
        header = Header("zip", None, layout.header, lambda _: Csv(layout))
        name = f"{self._path}::{self._found.name}"
        with open(self._path, "rb") as file:
            members, _ = archive_members(file, self._path, keep_suffix=True)
            if self._found.name not in members:
                raise DecodeError(name, "it is gone.", 0)
            text = _Text(name, members[self._found.name])
            skipped = 0
            while skipped < layout.header and (data := text.read(layout.header - skipped)):
                skipped += len(data)
            size = max(self._path.stat().st_size, 1)
            for events in read_decoded(name, text, header, (0, 0), left_out):
                self.progress = members[self._found.name].position / size
                yield events
        if not zipfile.is_zipfile(self._path):
            raise DecodeError(self._path, _CUT, self._path.stat().st_size)


class _Text:
    """A member as a file to be read; it tells at its end whether all was there."""

    def __init__(self, name: str, member: Member) -> None:
        self._name, self._member = name, member

    def read(self, count: int, /) -> bytes:
        """Read up to so many bytes.

        Raises
        ------
        DecodeError
            At the end, if the archive is cut short or damaged.
        """
        data, fault = b"", "its compressed text is damaged"
        try:
            data = self._member.read(count)
        except zlib.error:
            raise DecodeError(self._name, f"{fault}.", self._member.position) from None
        if not data and (cut := self._member.fault) is not None:
            raise DecodeError(self._name, f"{cut}.", self._member.position)
        return data


def _find(path: Path, wish: Wish) -> _Found | None:
    """Find the text of events; None where an archive is cut before it can be told.

    Raises
    ------
    SensorError
        If no text holds events, or several do and none is named.
    """
    found: list[_Found] = []
    failed: SensorError | None = None
    with open(path, "rb") as file:
        members, whole = archive_members(file, path, keep_suffix=True)
        names = [name for name in members if name.lower().endswith(TEXTS) and _is_plain(name)]
        if wish.member is not None:
            if wish.member not in members:
                held = list_of(names) or "no text"
                raise SensorError(f"{path} has no {wish.member!r}; it has {held}.")
            names = [wish.member]
        for name in names[:_MOST]:
            try:
                head = members[name].read(HEAD)
                layout = detect_layout(f"{path}::{name}", head, wish.columns, wish.unit)
            except zlib.error:
                continue
            except SensorError as error:  # its values do not tell the columns
                failed = error
                continue
            if layout is not None:
                found.append(_Found(name, layout))
    if not found and not whole:
        return None
    if not found:
        held = list_of(list(members)) or "nothing that can be read"
        raise failed or SensorError(
            f"{path} is a ZIP archive without a text of events; it holds {held}. Unpack it to read "
            "other recordings."
        )
    if len(found) > 1:
        several = [each.name for each in found]
        raise SensorError(
            f"{path} holds {len(found)} texts of events ({list_of(several)}): name one, such as "
            f"{path.name}::{several[0]}."
        )
    return found[0]


def _is_plain(name: str) -> bool:
    return not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
