"""SLAYER's descriptions of networks: the YAML that its examples use, and names of layers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.lava_dl.layer import Pair

LONGEST_FILE = 1_000_000

_DIM = re.compile(
    r"(?P<input>\d+x\d+(?:x\d+)?)|(?P<conv>\d+c\d+z?)|(?P<average>\d+avg)|(?P<pool>\d+a)"
    r"|(?P<dense>\d+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SlayerDim:
    """One entry of a network's layers, such as ``16c5z``.

    Attributes
    ----------
    kind
        "input", "conv", "pool", "dense" or "average".
    numbers
        Its numbers: (columns, rows, channels); (channels, kernel); (window,); (outputs,).
    pad, stride, dilation
        Of a convolution.
    groups
        Of a convolution.
    """

    kind: str
    numbers: tuple[int, ...]
    pad: Pair = (0, 0)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(slots=True)
class SlayerDescription:
    """What a description says: neurons, simulation, and layers if it lists them."""

    neuron: dict[str, Any] = field(default_factory=dict)
    simulation: dict[str, Any] = field(default_factory=dict)
    layers: list[SlayerDim] = field(default_factory=list)


def parse_layers(text: str) -> list[SlayerDim]:
    """Parse layers as SLAYER names them, ``"128x128x2 4a 16c5z 2a 32c3z 2a 512 11"``.

    Raises
    ------
    ModelError
        If an entry is none of these.
    """
    return [_dim(part, {}) for part in re.split(r"[\s,;-]+", text.strip()) if part]


def read_description(path: Path) -> SlayerDescription:
    """Read a description.

    Raises
    ------
    ModelError
        If the file cannot be read, or is none.
    """
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise ModelError(f"{path} is too long for a description of a network.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path} is no text.") from None
    found = SlayerDescription()
    section = ""
    for line in text.splitlines():
        bare = line.split("#", 1)[0].rstrip()
        if not bare.strip():
            continue
        deep = bare[0] in " \t-"
        name, _, rest = bare.strip().partition(":")
        if not deep:
            section = name
            if rest.strip():
                _enter(found, section, _mapping(rest))
        elif section in ("neuron", "simulation") and rest.strip():
            _enter(found, section, {name: _value(rest)})
        elif section == "layer" and bare.strip().startswith("-"):
            entry = _mapping(bare.strip()[1:])
            found.layers.append(_dim(str(entry.get("dim", "")), entry))
    return found


def _enter(found: SlayerDescription, section: str, values: dict[str, Any]) -> None:
    if section == "neuron":
        found.neuron |= values
    elif section == "simulation":
        found.simulation |= values


def _mapping(text: str) -> dict[str, Any]:
    """Parse ``{dim: 16c5z, wScale: 0.5}``, with or without its braces."""
    parts = re.findall(r"(\w+)\s*:\s*(\[[^\]]*\]|[^,{}]+)", text)
    return {name: _value(value) for name, value in parts}


def _value(text: str) -> Any:
    bare = text.strip().strip("'\"")
    for kind in (int, float):
        try:
            return kind(bare)
        except ValueError:
            continue
    return bare


def _dim(text: str, more: dict[str, Any]) -> SlayerDim:
    match = _DIM.fullmatch(text)
    if match is None:
        raise ModelError(
            f"The layer {text!r:.40} is none that SLAYER has: 34x34x2, 16c5z, 2a, 512 and 10avg "
            "are."
        )
    kind = str(match.lastgroup)
    numbers = tuple(int(one) for one in re.findall(r"\d+", text))
    if not all(1 <= one <= 100_000 for one in numbers):
        raise ModelError(f"The layer {text!r:.40} has an impossible number.")
    if kind == "pool":
        return SlayerDim(kind, numbers, stride=(numbers[0],) * 2)
    if kind != "conv":
        return SlayerDim(kind, numbers)
    # SLAYER pads by half the kernel where a network says nothing else, with or without the z.
    same = numbers[1] // 2 if text.endswith("z") or more else 0
    return SlayerDim(
        kind, numbers,
        pad=_pair(more, "padding", same), stride=_pair(more, "stride", 1),
        dilation=_pair(more, "dilation", 1), groups=_pair(more, "groups", 1)[0],
    )  # fmt: skip


def _pair(more: dict[str, Any], name: str, default: int) -> Pair:
    value = more.get(name, default)
    if not isinstance(value, int) or not 0 <= value <= 1000:
        raise ModelError(f"The {name} {value!r:.40} of a layer is no whole number up to 1,000.")
    return value, value
