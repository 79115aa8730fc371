"""Grid of a sweep: a base network, and the same network with other widths."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.output import print_note
from spikewire.apps.sweep.ablation import WITHOUT, freeze, leave_out

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec, Widths

BASE = "base"
"""Name of the grid point that varies nothing."""

TRACE = "trace"
"""Both traces together: the number is P's, Q follows."""

_OF_TRACES = (TRACE, "q", "p")
_OF_LEARNING = (TRACE, "q", "p", "activation", "readout", "error", "delta")
_OF_DYNAMICS = ("weight", "refractory")
_LEAST_Q = 4
_MOST_WEIGHT = 8
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One network of a sweep.

    Attributes
    ----------
    model
        The base that it is a variant of.
    name, value
        The varied width and its bits; several are joined by commas.
    spec
        The network.
    """

    model: str
    name: str
    value: str
    spec: NetworkSpec

    def __str__(self) -> str:
        names, values = self.name.split(","), self.value.split(",")
        return ", ".join(
            f"{name}={value}" if value else name for name, value in zip(names, values, strict=True)
        )


def numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers such as ``2-8``, ``2,4,8`` or both.

    Raises
    ------
    UsageError
        If the text is anything else, a range runs backwards or has over 1,000 numbers, or a number
        is given twice.
    """
    listed: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"{text!r} is neither a list such as 2,4,8 nor a range such as 2-8")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + 1000:
            raise UsageError(f"{part.strip()!r} is no range: write the smaller number first")
        listed += range(first, last + 1)
    for number in listed:
        if listed.count(number) > 1:
            raise UsageError(f"{text!r} names {number} twice")
    return tuple(listed)


def read_vary(given: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Parse arguments ``WIDTH=BITS``: the numbers of bits by the name of the width.

    Raises
    ------
    UsageError
        If there is no such width, the numbers are invalid, or a width is given twice.
    """
    from spikewire.qcore import Widths

    known = (TRACE, *(field.name for field in dataclasses.fields(Widths)))
    varied: dict[str, tuple[int, ...]] = {}
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--vary {text!r} is not WIDTH=BITS, such as weight=2-8")
        if name not in known:
            raise UsageError(f"--vary {name}: there is no such width; there are {', '.join(known)}")
        if name in varied:
            raise UsageError(f"--vary {name} is given twice; give all its bits at once")
        try:
            varied[name] = numbers(values)
        except UsageError as error:
            raise UsageError(f"--vary {name}: {error}") from None
    return varied


@dataclass(frozen=True, slots=True)
class Variation:
    """Variants of each base network.

    Attributes
    ----------
    varied
        Numbers of bits for each width, as :func:`read_vary` returns them.
    without
        Parts to leave out, each alone, as ``read_without`` returns them.
    grid
        Whether all widths are combined with each other; otherwise one is varied at a time.
    frozen
        Whether each base comes a second time, with layers that stay as drawn.
    """

    varied: Mapping[str, Sequence[int]]
    without: Sequence[str] = ()
    grid: bool = False
    frozen: bool = False


def expand_all(
    bases: Mapping[str, NetworkSpec], variation: Variation
) -> tuple[list[GridPoint], list[str]]:
    """Build all networks of a sweep over several bases.

    Parameters
    ----------
    bases
        The base networks by name.
    variation
        Their variants.

    Returns
    -------
    tuple
        The networks, and a sentence for each width that is left out of a base where it decides
        nothing.

    Raises
    ------
    UsageError
        If a network is impossible, or a width or a part decides nothing in any base.
    """
    points: list[GridPoint] = []
    reasons: dict[str, list[str]] = {}
    for model, base in bases.items():
        bits: dict[str, Sequence[int]] = {}
        for width, several in variation.varied.items():
            reason = no_effect(base, width)
            if reason is None:
                bits[width] = several
            else:
                reasons.setdefault(width, []).append(f"--vary {width}: {reason}")
        points += expand_grid(model, base, bits, grid=variation.grid)
        for part in variation.without:
            smaller = leave_out(base, part)
            reason = _no_ablation(base, smaller)
            if reason is None:
                points.append(GridPoint(model, WITHOUT, part, smaller))
            else:
                reasons.setdefault(f"without {part}", []).append(f"--without {part}: {reason}")
        if variation.frozen:
            still = freeze(base)
            deciding = (*_OF_DYNAMICS, *(_OF_TRACES if _driven_by_traces(base) else ()))
            bits = {name: several for name, several in bits.items() if name in deciding}
            points += expand_grid(f"{model} frozen", still, bits, grid=variation.grid)
    for given in reasons.values():
        if len(given) == len(bases):
            raise UsageError(given[0])
    return points, [reason for given in reasons.values() for reason in given]


def expand_grid(
    model: str, base: NetworkSpec, varied: Mapping[str, Sequence[int]], *, grid: bool = False
) -> list[GridPoint]:
    """Build all networks of a sweep over one base, the base first.

    Parameters
    ----------
    model
        The base's name.
    base
        The network whose widths are varied.
    varied
        Numbers of bits for each width, as :func:`read_vary` returns them.
    grid
        Whether all widths are combined with each other; otherwise one is varied at a time.

    Raises
    ------
    UsageError
        If a network is impossible; the message names it and the allowed range.
    """
    points = [GridPoint(model, BASE, "", base)]
    _say_if_deaf(points[0])
    if not grid:
        return points + [
            _grid_point(model, base, {name: bits})
            for name, several in varied.items()
            for bits in several
        ]
    for part in ("p", "q"):
        if TRACE in varied and part in varied:
            raise UsageError(f"--grid: {TRACE} sets p and q, so {part} cannot be varied beside it")
    if not varied:
        return points
    return points + [
        _grid_point(model, base, dict(zip(varied, bits, strict=True)))
        for bits in itertools.product(*varied.values())
    ]


def no_effect(base: NetworkSpec, name: str) -> str | None:
    """Tell why a width has no effect in this network; None if it has."""
    driving = name in _OF_TRACES and any(layer.traced for layer in base.layers)
    if name in _OF_LEARNING and not driving and not any(one.plastic for one in base.layers):
        return f"no layer of {base.name} is plastic, so these bits decide nothing"
    if name == "readout" and base.learning.feedback == "trained":
        return f"layers of {base.name} have no readout of their own, so these bits decide nothing"
    if name == "refractory" and not any(one.reset == "refractory" for one in base.layers):
        return f"no layer of {base.name} has the reset 'refractory', so these bits decide nothing"
    return None


def _driven_by_traces(base: NetworkSpec) -> bool:
    return any(layer.traced for layer in base.layers)


def _no_ablation(base: NetworkSpec, smaller: NetworkSpec) -> str | None:
    """Tell why a part cannot be left out of a network; None if it can."""
    from spikewire.qcore import SpecError

    if smaller == base:
        return f"{base.name} has none"
    try:
        smaller.check()
    except SpecError as error:
        return f"{base.name} would be impossible: {str(error).removesuffix('.')}"
    return None


def _grid_point(model: str, base: NetworkSpec, bits: Mapping[str, int]) -> GridPoint:
    from spikewire.qcore import SpecError

    changes = dict(bits)
    if TRACE in changes:
        p = changes.pop(TRACE)
        # Q keeps its distance to P: then the last bit of one is worth that of the other, as it is
        # in the base, and only the resolution changes. Fewer than 4 bits of Q cannot be built.
        changes |= {"p": p, "q": max(p - (base.widths.p - base.widths.q), _LEAST_Q)}
    widths = dataclasses.replace(base.widths, **changes)
    point = GridPoint(
        model,
        ",".join(bits),
        ",".join(str(one) for one in bits.values()),
        dataclasses.replace(base, widths=widths),
    )
    if widths.store < widths.weight <= _MOST_WEIGHT:  # a wider weight is refused as such, below
        raise UsageError(
            f"--vary {point}: weights of {widths.weight} bits are kept and learned in a store of "
            f"{widths.store}; store must be at least weight"
        )
    try:
        point.spec.check()
    except SpecError as error:
        raise UsageError(f"--vary {point}: {error}") from None
    _say_if_deaf(point)
    return point


def _say_if_deaf(point: GridPoint) -> None:
    """Print a note where plastic layers stay as drawn: the accuracy is that of no learning."""
    from spikewire.qcore import learning_fault

    if (fault := learning_fault(point.spec)) is not None:
        where = f"--vary {point}" if point.name != BASE else point.spec.name
        print_note(f"{where}: {fault.removesuffix('.')}")


def widths_of(spec: NetworkSpec) -> dict[str, int]:
    """Return all widths of a network, by name."""
    widths: Widths = spec.widths
    return dataclasses.asdict(widths)


def network_digest(spec: NetworkSpec) -> str:
    """Digest a network, without its name and description."""
    settings = {k: v for k, v in spec.to_dict().items() if k not in ("name", "description")}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
