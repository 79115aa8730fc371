"""Networks without a part of them: what this project added to the paper, and learning itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import UsageError

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec

WITHOUT = "without"
"""Name of the grid points that leave a part out."""

PARTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "learning": {
        "learning": {"step": 0, "last_step": 0, "bias_step": 0},
        "readout": {"local_gain": 0, "local_from": 0},
    },
    "centring": {"learning": {"centre_gradients": False}},
    "regulation": {"learning": {"period": 0}},
    "readout": {
        "readout": {"answer": "local", "local_gain": 0, "local_from": 0},
        "prototypes": {"size": 0},
    },
    "gain": {"readout": {"local_gain": 0, "local_from": 0}},
    "shifts": {"training": {"shift": 0}},
}
"""Settings that take each part out. Layers that do not learn have local readouts at chance, so
these do not take part in the answer either."""


def read_without(given: Iterable[str]) -> tuple[str, ...]:
    """Parse names of parts to leave out, each alone.

    Raises
    ------
    UsageError
        If there is no such part, or a part is given twice.
    """
    names = tuple(part.strip() for text in given for part in text.split(","))
    for name in names:
        if name not in PARTS:
            raise UsageError(
                f"--without {name}: there is no such part; there are {', '.join(PARTS)}"
            )
        if names.count(name) > 1:
            raise UsageError(f"--without {name} is given twice")
    return names


def leave_out(spec: NetworkSpec, part: str) -> NetworkSpec:
    """Build a network without one of its parts; the same network if it does not have it."""
    sections = {
        section: dataclasses.replace(getattr(spec, section), **values)
        for section, values in PARTS[part].items()
    }
    return dataclasses.replace(spec, **sections)


def freeze(spec: NetworkSpec) -> NetworkSpec:
    """Build the same network with layers that stay as drawn, in the same memory."""
    return leave_out(spec, "learning")
