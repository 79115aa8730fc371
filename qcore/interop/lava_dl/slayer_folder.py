"""Folders that SLAYER-Loihi writes: a description, and the weights of each layer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.lava_dl.description import (
    SlayerDescription,
    SlayerDim,
    parse_layers,
    read_description,
)
from spikewire.qcore.interop.lava_dl.layer import LavaLayer, LavaNeuron

_FILE = re.compile(
    r"(conv|pool|fc|dense|delay)_?(\d+)(?:weights?)?\.(?:npy|txt|csv)", re.IGNORECASE
)
_NAMES = {"conv": "conv", "pool": "pool", "fc": "dense", "dense": "dense", "delay": "delay"}

MOST_BYTES = 2**30


def read_folder(
    folder: Path, layers: str | None, description: Path | None
) -> tuple[list[LavaLayer], float | None, list[str]]:
    """Read a folder of SLAYER-Loihi.

    Parameters
    ----------
    folder
        The folder of ``network.yaml`` and the weights, which may lie in a folder ``Trained`` of it.
    layers
        The layers as SLAYER names them, where the description does not list them.
    description
        The description, if it is not the only YAML file of the folder or the one above.

    Returns
    -------
    tuple
        The layers, the length of a step in milliseconds or None, and sentences on what was taken.

    Raises
    ------
    ModelError
        If something is missing or damaged.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder.")
    path = description or _find_description(folder)
    told = read_description(path)
    where = f"The description {path.name}"
    neuron = LavaNeuron.from_values(told.neuron, where)
    dims = _layers(told, layers, path)
    files = _weight_files(folder)
    said = [f"The neurons' parameters are those of {path.name}."]
    counts: dict[str, int] = {}
    found = []
    for n, dim in enumerate(dims):
        counts[dim.kind] = counts.get(dim.kind, 0) + 1
        found.append(_layer(dim, n, counts[dim.kind], neuron, files))
    found = _with_delays(found, files)
    used = ", ".join(file.name for file in files.values())
    said.append(f"Weights and delays are those of {used}.")
    return found, _step(told, where), said


def _find_description(folder: Path) -> Path:
    for place in (folder, folder.parent):
        named = place / "network.yaml"
        if named.is_file():
            return named
        files = sorted([*place.glob("*.yaml"), *place.glob("*.yml")])
        if len(files) == 1:
            return files[0]
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:5])
            raise ModelError(f"{place} has several descriptions ({names}): name one of them.")
    raise ModelError(f"{folder} has no description of the network, network.yaml.")


def _layers(told: SlayerDescription, layers: str | None, path: Path) -> list[SlayerDim]:
    dims = parse_layers(layers) if layers is not None else told.layers
    if not dims:
        raise ModelError(
            f"{path} does not list the layers: give them as SLAYER names them, with the option "
            "layers, such as '128x128x2 4a 16c5z 2a 32c3z 2a 512 11'."
        )
    if dims[0].kind not in ("input", "dense"):
        raise ModelError("The first of the layers has to be the input, such as 128x128x2.")
    return dims


def _weight_files(folder: Path) -> dict[tuple[str, int], Path]:
    found: dict[tuple[str, int], Path] = {}
    for place in (folder, folder / "Trained"):
        for file in sorted(place.glob("*")) if place.is_dir() else []:
            match = _FILE.search(file.name)
            if match is None or match.end() != len(file.name) or not file.is_file():
                continue
            key = _NAMES[match[1].lower()], int(match[2])
            # An array of NumPy is exact; the text beside it says the same.
            if key not in found or file.suffix == ".npy":
                found[key] = file
    if not found:
        raise ModelError(f"{folder} has no weights, such as conv1.npy, fc1.txt or fc1Weights.npy.")
    return found


def _load(file: Path) -> npt.NDArray[Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ModelError(f"{file} is too long for the weights of a layer.")
        if file.suffix == ".npy":
            array: npt.NDArray[Any] = np.load(file, allow_pickle=False)
        else:
            delimiter = "," if file.suffix == ".csv" else None
            array = np.loadtxt(file, delimiter=delimiter, ndmin=1)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or 'it is damaged'}.") from None
    except (ValueError, EOFError, MemoryError):
        raise ModelError(f"{file} is no array of numbers.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or not array.size:
        raise ModelError(f"{file} is no array of numbers.")
    return array


def _layer(
    dim: SlayerDim, n: int, number: int, neuron: LavaNeuron, files: dict[tuple[str, int], Path]
) -> LavaLayer:
    name = f"layer {n} ({dim.kind})"
    if n == 0:
        sizes = (*dim.numbers, 1) if len(dim.numbers) == 2 else dim.numbers
        shape = sizes[::-1] if len(sizes) == 3 else sizes
        return LavaLayer("layer 0 (input)", "input", shape)
    if dim.kind == "average":
        return LavaLayer(name, "average", dim.numbers)
    if dim.kind == "input":
        raise ModelError(f"{name} is an input, but not the first of the layers.")
    # Some count from 0.
    file = files.get((dim.kind, number - ((dim.kind, 0) in files)))
    if file is None and dim.kind == "pool":
        return LavaLayer(
            name, "pool", neuron=neuron, weight=np.array([pool_weight(neuron)]),
            kernel=(dim.numbers[0],) * 2, stride=dim.stride,
        )  # fmt: skip
    if file is None:
        short = "fc" if dim.kind == "dense" else dim.kind
        raise ModelError(f"{name} has no weights: the folder has no {short}{number}.npy or .txt.")
    weight = _load(file)
    if dim.kind == "pool":
        side = dim.numbers[0]
        if weight.size not in (1, side * side):
            raise ModelError(f"{file} has {weight.size} weights for a pool of {side}x{side}.")
        weight = weight.reshape(-1) if weight.size == 1 else weight.reshape(side, side)
        return LavaLayer(
            name, "pool", neuron=neuron, weight=weight, kernel=(side, side), stride=dim.stride
        )
    outputs = dim.numbers[0]
    if weight.size % outputs:
        raise ModelError(f"{file} has {weight.size:,} weights for {outputs} outputs.")
    if dim.kind == "dense":
        return LavaLayer(name, "dense", (outputs, 1, 1), neuron, weight.reshape(outputs, -1))
    side = dim.numbers[1]
    if weight.size % (outputs * side * side):
        raise ModelError(
            f"{file} has {weight.size:,} weights for {outputs} kernels of {side}x{side}."
        )
    return LavaLayer(
        name, "conv", neuron=neuron, weight=weight.reshape(outputs, -1, side, side),
        kernel=(side, side), stride=dim.stride, pad=dim.pad, dilation=dim.dilation,
        groups=dim.groups,
    )  # fmt: skip


def pool_weight(neuron: LavaNeuron) -> int:
    """Compute the weight of SLAYER's pools: one spike takes a neuron above its threshold.

    It is the even number nearest to 1.1 thresholds over the largest response to a spike.
    """
    u = v = largest = 1 << (7 + neuron.weight_exponent)
    while v > 0 and u > 0:
        u = u * (4096 - neuron.current_decay) >> 12
        v = (v * (4096 - neuron.voltage_decay) >> 12) + u
        largest = max(largest, v)
    return 2 * round(1.1 * (neuron.threshold << 6) / (largest / 2) / 2)


def _with_delays(layers: list[LavaLayer], files: dict[tuple[str, int], Path]) -> list[LavaLayer]:
    """Give the layers with weights, counted from 1 without the pools, their axons' delays."""
    number = 0
    given = []
    for layer in layers:
        if layer.kind in ("conv", "dense"):
            number += 1
            file = files.get(("delay", number))
            layer = layer if file is None else replace(layer, delay=_load(file))
        given.append(layer)
    return given


def _step(told: SlayerDescription, where: str) -> float | None:
    step = told.simulation.get("Ts")
    if step is None:
        return None
    if not isinstance(step, int | float) or not 0 < step < 1e6:
        raise ModelError(f"{where} has a step Ts that is no positive number.")
    return float(step)
