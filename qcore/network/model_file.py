"""Model files: safetensors with the whole network, and refusals in sentences."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from spikewire._names import name_fault
from spikewire.qcore.errors import ModelError
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import DTYPES, Layout, State, lay_out
from spikewire.qcore.network.calibration import Calibration
from spikewire.qcore.network.prototypes_view import prototypes_fault
from spikewire.qcore.network.spec import NetworkSpec
from spikewire.qcore.network.temporal_view import temporal_fault

MOST_CLASSES = 1024
LAST_TICK = 2**62
MOST_HEADER_BYTES = 1024 * 1024

FORMAT = "spikewire-model"
VERSION = 4
COMPACT = "compact"
"""How a file says that its layers are laid out compactly; without it they are not."""

_NONE = Calibration()

_PARTS = ("registers", "layers", "i8", "i16", "i32", "lanes")
_NUMPY = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "F32": "float32",
    "F64": "float64",
}  # fmt: skip
"""NumPy's names of the types that safetensors names."""


def to_bytes(
    state: State,
    spec: NetworkSpec,
    classes: Sequence[str],
    seed: int,
    calibration: Calibration = _NONE,
) -> bytes:
    """Serialise a network: its state, and all else that describes it as metadata."""
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
            **({"layout": COMPACT} if state.registers[at.COMPACT] else {}),
            **({"calibration": calibration.to_dict()} if calibration != _NONE else {}),
        },
        sort_keys=True,
    )
    return safetensors.numpy.save(arrays, metadata={FORMAT: about})


def from_bytes(
    data: bytes, where: str
) -> tuple[NetworkSpec, tuple[str, ...], int, State, Calibration]:
    """Read the bytes of a model file.

    Raises
    ------
    ModelError
        If the bytes are no model, of another version, cut short, or do not fit their own
        specification; ``where`` names them in the message.
    """
    header = _header(data, where)
    about = _metadata(header)
    if about.get("format") != FORMAT:
        raise ModelError(f"{where} is a safetensors file, but not a spikewire model.")
    if about.get("version") != VERSION:
        raise ModelError(
            f"{where} is a model of version {about.get('version')!r:.40}; this program reads "
            f"version {VERSION}."
        )
    spec, classes, seed = _description(about, where)
    calibration = Calibration.from_dict(about.get("calibration", {}), where)
    layout = _layout(spec, len(classes), about.get("layout") == COMPACT, where)
    _check_shapes(header, layout, where)
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where} is damaged: {error!s:.200}.") from None
    state = State(**{name: arrays[name] for name in _PARTS}).copy()
    _check_tables(state, layout, where)
    return spec, classes, seed, state, calibration


def _header(data: bytes, where: str) -> dict[str, Any]:
    """Read the header: shapes, types and places of the arrays, and the metadata."""
    if len(data) < 8:
        raise ModelError(f"{where} is cut short: {len(data)} bytes are no model.")
    (length,) = struct.unpack_from("<Q", data)
    if length > len(data) - 8:
        raise ModelError(f"{where} is no model file, or is cut short inside its header.")
    if length > MOST_HEADER_BYTES:
        raise ModelError(
            f"{where} is no model file: its header has {length:,} bytes; allowed are "
            f"{MOST_HEADER_BYTES:,}."
        )
    header = _json(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise ModelError(f"{where} is no model file: its header is not readable.")
    return header


def _json(text: bytes | str) -> Any:
    """Decode JSON; None for text that is none, is nested too deeply or has an endless number."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    about = header.get("__metadata__")
    text = about.get(FORMAT) if isinstance(about, dict) else None
    found = _json(text) if isinstance(text, str) else None
    return found if isinstance(found, dict) else {}


def _description(about: dict[str, Any], where: str) -> tuple[NetworkSpec, tuple[str, ...], int]:
    """Read the specification, the classes and the seed."""
    spec, classes, seed = (about.get(name) for name in ("spec", "classes", "seed"))
    if not isinstance(spec, dict):
        raise ModelError(f"{where} has an unreadable description: its spec is no table.")
    if not isinstance(classes, list):
        raise ModelError(f"{where} has an unreadable description: its classes are no list.")
    if type(seed) is not int or not -(2**63) <= seed < 2**64:
        raise ModelError(f"{where} has an unreadable description: its seed is no 64-bit number.")
    if not classes:
        raise ModelError(f"{where} names no classes.")
    try:
        check_classes(classes)
        return NetworkSpec.from_dict(spec), tuple(classes), seed
    except (ModelError, ValueError, TypeError) as error:
        text = str(error).removesuffix(".")
        raise ModelError(f"{where} has an unreadable description: {text}.") from None


def _layout(spec: NetworkSpec, classes: int, compact: bool, where: str) -> Layout:
    try:
        return lay_out(spec, classes, compact=compact)
    except (ValueError, OverflowError) as error:
        text = str(error).removesuffix(".")
        raise ModelError(f"{where} describes a network that cannot be: {text}.") from None


def _check_shapes(header: dict[str, Any], layout: Layout, where: str) -> None:
    """Compare the arrays with the specification, before anything is allocated."""
    for name in _PARTS:
        entry = header.get(name)
        if not isinstance(entry, dict):
            raise ModelError(f"{where} lacks the array {name!r}.")
        held = str(entry.get("dtype"))
        held, wanted = _NUMPY.get(held, held), np.dtype(DTYPES[name]).name
        if held != wanted:
            raise ModelError(f"{where}: {name!r} holds {held:.40}, not {wanted}.")
        if entry.get("shape") != list(layout.shape(name)):
            raise ModelError(
                f"{where}: {name!r} has shape {entry.get('shape')!r:.80}, but its network needs "
                f"{list(layout.shape(name))}."
            )


def _check_tables(state: State, fresh: Layout, where: str) -> None:
    """Refuse tables that would send the engine outside the flat arrays."""
    moving = at.state_columns(fresh.layers.shape[1])
    columns = [n for n in range(fresh.layers.shape[1]) if n not in moving]
    if not np.array_equal(state.layers[:, columns], fresh.layers[:, columns]):
        raise ModelError(f"{where} is damaged: its layer table does not fit its specification.")
    registers = [n for n in range(at.REGISTERS) if n not in at.STATE_REGISTERS]
    if not np.array_equal(state.registers[registers], fresh.registers[registers]):
        raise ModelError(f"{where} is damaged: its registers do not fit its specification.")
    classes = int(fresh.registers[at.CLASSES])
    if not -1 <= int(state.registers[at.LABEL]) < classes:
        raise ModelError(f"{where} is damaged: its label is no class.")
    clocks = state.registers[[at.TICK, at.PERIODS, at.PERIOD_TICKS]]
    if (clocks < 0).any() or (clocks > LAST_TICK).any():
        raise ModelError(f"{where} is damaged: its clock is out of range.")
    if not 0 <= int(state.registers[at.GAIN_MEAN]) < 2**40:
        raise ModelError(f"{where} is damaged: its gain control's mean is out of range.")
    if (state.registers[at.REGISTERS :] < 0).any():
        raise ModelError(f"{where} is damaged: its memory counts are negative.")
    if not 1 <= int(state.registers[at.READ_SHIFT]) <= 30:
        raise ModelError(f"{where} is damaged: its readout's shift is out of range.")
    if (state.layers[:, at.STEP] < 0).any() or (state.layers[:, at.STEP] > 2**20).any():
        raise ModelError(f"{where} is damaged: its learning step is out of range.")
    _check_pairs(state, fresh, where)
    if (fault := temporal_fault(state) or prototypes_fault(state)) is not None:
        raise ModelError(f"{where} is damaged: {fault}.")
    if (state.lanes == 0).any():
        raise ModelError(f"{where} is damaged: a random generator stands at zero.")


def _check_pairs(state: State, fresh: Layout, where: str) -> None:
    """Refuse numbers of kept gradients that would lead beyond their room."""
    pairs, pending = state.layers[:, at.PAIRS], int(state.registers[at.PENDING])
    room = np.where(fresh.layers[:, at.AT_GRADIENT] < 0, pending, 0)
    every = int(fresh.registers[at.APPLY_EVERY])
    outside = fresh.registers[at.COMPACT] and not 0 <= pending < every
    if outside or (pairs < 0).any() or (pairs > room).any():
        raise ModelError(f"{where} is damaged: its gradients are more than it has room for.")


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


def check_outputs(spec: NetworkSpec, classes: Sequence[str]) -> None:
    """Refuse fewer classes than the layer that answers has outputs."""
    if spec.readout.answer == "output" and len(classes) < spec.layers[-1].channels:
        raise ModelError(
            f"The last layer has {spec.layers[-1].channels} outputs: each needs the name of a "
            f"class, and there are {len(classes)}."
        )


def check_classes(classes: Sequence[str]) -> None:
    """Refuse class names that are none, too many, empty or repeated, with a :class:`ModelError`."""
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise ModelError(f"A network has 1 to {MOST_CLASSES} classes, not {len(classes)}.")
    for name in classes:
        if (fault := name_fault(name)) is not None:
            raise ModelError(f"The name of a class {fault}.")
    if len(set(classes)) != len(classes):
        raise ModelError(f"Class names repeat: {', '.join(classes)}.")
