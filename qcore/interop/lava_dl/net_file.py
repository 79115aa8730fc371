"""The ``.net`` files of lava-dl: networks in HDF5, read with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.hdf5 import entry_of, refuse_driver, value_of
from spikewire.qcore.interop.lava_dl.layer import LavaLayer, LavaNeuron, Pair

MOST_LAYERS = 256

KINDS = ("input", "conv", "dense", "pool", "flatten", "average")


def read_net(path: Path) -> tuple[list[LavaLayer], float | None]:
    """Read the layers of a ``.net`` file, and the length of a step in milliseconds.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple
        The layers in order, and ``simulation/Ts``; None if the file does not say.

    Raises
    ------
    ModelError
        If h5py is missing, or the file is none of these or damaged.
    """
    try:
        import h5py
    except ImportError:
        raise ModelError(
            f"{path} is HDF5, which needs the packages of an extra: pip install 'spikewire[nir]'."
        ) from None
    try:
        refuse_driver(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _Reader(file, h5py).network()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except Exception as error:
        # h5py raises every kind of error on a damaged file, and quotes the C library's.
        text = ascii(" ".join(str(error).split()))[1:-1][:200] or type(error).__name__
        raise ModelError(
            f"{path} is no .net file of lava-dl, or damaged: HDF5 says {text}."
        ) from None


class _Reader:
    """Reads groups of an open file."""

    def __init__(self, file: Any, h5py: Any) -> None:
        self._file = file
        self._h5py = h5py

    def network(self) -> tuple[list[LavaLayer], float | None]:
        group = entry_of(self._file, "layer")
        if not isinstance(group, self._h5py.Group) or not len(group):
            raise ModelError("the file has no group 'layer', as networks of lava-dl have.")
        if len(group) > MOST_LAYERS:
            raise ModelError(f"it has {len(group):,} layers; allowed are {MOST_LAYERS}.")
        layers = []
        for n in range(len(group)):
            entry = entry_of(group, str(n))
            if not isinstance(entry, self._h5py.Group):
                raise ModelError(f"layer {n} is missing.")
            layers.append(self._layer(entry, n))
        return layers, self._step()

    def _step(self) -> float | None:
        value = self._array(self._file, "simulation/Ts", "simulation")
        if value is None:
            return None
        if value.size != 1 or value.dtype.kind not in "iuf" or not 0 < value.item() < 1e6:
            raise ModelError("its step simulation/Ts is no positive number.")
        return float(value.item())

    def _array(self, group: Any, name: str, where: str) -> npt.NDArray[Any] | None:
        item = entry_of(group, name)
        return None if item is None else np.asarray(value_of(item, f"{name} of {where}"))

    def _text(self, group: Any, name: str, where: str) -> str:
        value = self._array(group, name, where)
        if value is None or value.size != 1:
            raise ModelError(f"{where} has no {name}.")
        one = value.item()
        return one.decode("ascii", "replace") if isinstance(one, bytes) else str(one)

    def _layer(self, group: Any, n: int) -> LavaLayer:
        where = f"layer {n}"
        kind = self._text(group, "type", where)
        if kind not in KINDS:
            raise ModelError(
                f"{where} is of the type {kind!r:.40}; supported are {', '.join(KINDS)}."
            )
        where = f"{where} ({kind})"
        fields: dict[str, Any] = {}
        for name in ("weight", "bias", "delay"):
            fields[name] = self._array(group, name, where)
        pairs = {"kernel": "kernelSize", "stride": "stride", "pad": "padding",
                 "dilation": "dilation"}  # fmt: skip
        for field, name in pairs.items():
            if (value := self._pair(group, name, where)) is not None:
                fields[field] = value
        groups = self._numbers(group, "groups", where)
        shape = self._numbers(group, "shape", where) or ()
        if not all(1 <= one <= 2**24 for one in shape):
            raise ModelError(f"{where} has a shape of {shape!r:.80}.")
        return LavaLayer(
            where, kind, shape, self._neuron(group, where),
            groups=groups[0] if groups else 1, **fields,
        )  # fmt: skip

    def _numbers(self, group: Any, name: str, where: str) -> tuple[int, ...] | None:
        value = self._array(group, name, where)
        if value is None:
            return None
        if value.dtype.kind not in "iu" or not 1 <= value.size <= 4:
            raise ModelError(f"{where} has a {name} that is not one to four whole numbers.")
        return tuple(int(one) for one in value.reshape(-1))

    def _pair(self, group: Any, name: str, where: str) -> Pair | None:
        value = self._numbers(group, name, where)
        if value is None:
            return None
        if len(value) > 2:
            raise ModelError(f"{where} has {len(value)} numbers in {name}; allowed are 1 and 2.")
        return value[0], value[-1]

    def _neuron(self, group: Any, where: str) -> LavaNeuron | None:
        neuron = entry_of(group, "neuron")
        if neuron is None:
            return None
        if not isinstance(neuron, self._h5py.Group):
            raise ModelError(f"{where} has a neuron that is no group.")
        values: dict[str, Any] = {}
        for name in neuron:
            value = self._array(neuron, name, where)
            if value is not None and value.size == 1:
                one = value.item()
                values[name] = one.decode("ascii", "replace") if isinstance(one, bytes) else one
        return LavaNeuron.from_values(values, where)
