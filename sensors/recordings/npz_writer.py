"""Writing NumPy archives of one array per field, as SpikingJelly reads them."""

from __future__ import annotations

import struct
import tempfile
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.recordings.encoders import Heading

_COPIED = 1 << 20


def npz(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write arrays t, x, y and p to an archive, one file after the other; nothing is compressed.

    The columns wait in files without a name until their length is known.
    """
    names = EVENT_DTYPE.names or ()
    columns = {name: tempfile.TemporaryFile() for name in names}  # noqa: SIM115 - closed below
    try:
        count = 0
        for events in chunks:
            count += len(events)
            for name, column in columns.items():
                column.write(np.ascontiguousarray(events[name]).tobytes())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, column in columns.items():
                # A fixed date: the same events give the same bytes.
                about_member = zipfile.ZipInfo(f"{name}.npy")
                with archive.open(about_member, "w", force_zip64=True) as member:
                    member.write(_head(EVENT_DTYPE[name], count))
                    column.seek(0)
                    while data := column.read(_COPIED):
                        member.write(data)
    finally:
        for column in columns.values():
            column.close()


def _head(dtype: np.dtype[np.generic], count: int) -> bytes:
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': ({count},), }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117).encode() + b"\n"
