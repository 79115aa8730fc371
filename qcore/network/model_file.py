"""Model files: safetensors with the whole network, and refusals in sentences."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State, allocate
from spikewire.qcore.network.spec import NetworkSpec

MOST_CLASSES = 1024

FORMAT = "spikewire-model"
VERSION = 4

_PARTS = ("registers", "layers", "i8", "i16", "i32", "lanes")


def to_bytes(state: State, spec: NetworkSpec, classes: Sequence[str], seed: int) -> bytes:
    """Serialise a network: its state, and specification, classes and seed as metadata."""
    arrays = {name: np.ascontiguousarray(getattr(state, name)) for name in _PARTS}
    # One key only: safetensors writes several in no fixed order, and equal learners should make
    # equal files.
    about = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "spec": spec.to_dict(),
            "classes": list(classes),
            "seed": seed,
        },
        sort_keys=True,
    )
    return safetensors.numpy.save(arrays, metadata={FORMAT: about})


def from_bytes(data: bytes, where: str) -> tuple[NetworkSpec, tuple[str, ...], int, State]:
    """Read the bytes of a model file.

    Raises
    ------
    ModelError
        If the bytes are no model, of another version, cut short, or do not fit their own
        specification; ``where`` names them in the message.
    """
    about = _metadata(data, where)
    if about.get("format") != FORMAT:
        raise ModelError(f"{where} is a safetensors file, but not a spikewire model.")
    if about.get("version") != VERSION:
        raise ModelError(
            f"{where} is a model of version {about.get('version')}; this program reads "
            f"version {VERSION}."
        )
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{where} is damaged: {error}.") from None
    try:
        spec = NetworkSpec.from_dict(about["spec"])
        classes = tuple(str(name) for name in about["classes"])
        seed = int(about["seed"])
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{where} has an unreadable description: {error}.") from None
    if not classes:
        raise ModelError(f"{where} names no classes.")
    expected = allocate(spec, len(classes))
    for name in _PARTS:
        _fill(expected, name, arrays.get(name), where)
    _check_tables(expected, spec, len(classes), where)
    return spec, classes, seed, expected


def _metadata(data: bytes, where: str) -> dict[str, Any]:
    if len(data) < 8:
        raise ModelError(f"{where} is cut short: {len(data)} bytes are no model.")
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise ModelError(f"{where} is no model file, or is cut short inside its header.")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        raise ModelError(f"{where} is no model file: its header is not readable.") from None
    try:
        about = json.loads(header["__metadata__"][FORMAT])
    except (ValueError, KeyError, TypeError):
        return {}
    return about if isinstance(about, dict) else {}


def _fill(state: State, name: str, array: npt.NDArray[Any] | None, where: str) -> None:
    wanted = getattr(state, name)
    if array is None:
        raise ModelError(f"{where} lacks the array {name!r}.")
    if array.dtype != wanted.dtype:
        raise ModelError(f"{where}: {name!r} holds {array.dtype}, not {wanted.dtype}.")
    if array.shape != wanted.shape:
        raise ModelError(
            f"{where}: {name!r} has shape {array.shape}, but its network needs {wanted.shape}."
        )
    wanted[...] = array


def _check_tables(state: State, spec: NetworkSpec, classes: int, where: str) -> None:
    """Refuse tables that would send the engine outside the flat arrays."""
    fresh = allocate(spec, classes)
    for column in range(at.LAYER_COLUMNS):
        if column in at.STATE_COLUMNS:
            continue
        if not np.array_equal(state.layers[:, column], fresh.layers[:, column]):
            raise ModelError(f"{where} is damaged: its layer table does not fit its specification.")
    for register in range(at.REGISTERS):
        if register in at.STATE_REGISTERS:
            continue
        if state.registers[register] != fresh.registers[register]:
            raise ModelError(f"{where} is damaged: its registers do not fit its specification.")
    if not -1 <= int(state.registers[at.LABEL]) < classes:
        raise ModelError(f"{where} is damaged: its label is no class.")
    if (state.registers[[at.TICK, at.PERIODS, at.PERIOD_TICKS]] < 0).any():
        raise ModelError(f"{where} is damaged: its clock is negative.")
    if (state.registers[at.REGISTERS :] < 0).any():
        raise ModelError(f"{where} is damaged: its memory counts are negative.")
    if not 1 <= int(state.registers[at.READ_SHIFT]) <= 30:
        raise ModelError(f"{where} is damaged: its readout's shift is out of range.")
    if (state.layers[:, at.STEP] < 0).any() or (state.layers[:, at.STEP] > 2**20).any():
        raise ModelError(f"{where} is damaged: its learning step is out of range.")
    if (state.lanes == 0).any():
        raise ModelError(f"{where} is damaged: a random generator stands at zero.")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_classes(classes: Sequence[str]) -> None:
    """Refuse class names that are none, too many, empty or repeated, with a :class:`ModelError`."""
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise ModelError(f"A network has 1 to {MOST_CLASSES} classes, not {len(classes)}.")
    for name in classes:
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"{name!r} is no name for a class.")
    if len(set(classes)) != len(classes):
        raise ModelError(f"Class names repeat: {', '.join(classes)}.")
