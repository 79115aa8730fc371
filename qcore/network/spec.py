"""A network as plain data: what a TOML preset says, checked."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from typing import Any

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.front_spec import NO_FRONT, FrontSpec
from spikewire.qcore.network.gain_spec import NO_GAIN, GainSpec
from spikewire.qcore.network.later import LATER, later, later_choices, to_plain
from spikewire.qcore.network.layer_spec import FULL, LayerSpec
from spikewire.qcore.network.learning_spec import NO_CARRY, LearningSpec
from spikewire.qcore.network.prototypes_spec import NO_PROTOTYPES, PrototypesSpec
from spikewire.qcore.network.spec_checks import one_of, within
from spikewire.qcore.network.temporal_spec import NO_TEMPORAL, TemporalSpec

ROUNDS = 2
"""First ``version`` whose weights are rounded, and whose steps do not depend on widths."""

MOST_CARRYING = 2**17
"""Synapses of an input unit that can carry errors back: their sums fit 32 bits."""

MOST_LAYERS = 64
LONGEST_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits per number; the defaults are the base widths of Schaefer & Joshi 2020.

    ``delta`` counts those of an error that was brought back to its neuron, 6 there. ``weight``
    counts the bits used, ``store`` those kept and learned. ``refractory`` bits hold the
    refractory trace in parts of one kick; 24 keeps it as a membrane is kept. Settings elsewhere
    (thresholds, slopes, shifts, targets) are given for the base widths and need no change with
    them: a narrower number covers the same range, more coarsely.
    """

    weight: int = 8
    store: int = 10
    q: int = 10
    p: int = 12
    refractory: int = 2
    activation: int = 6
    readout: int = 6
    error: int = 6
    delta: int = later(8)


@dataclass(frozen=True, slots=True)
class ReadoutSpec:
    """The trained readout and its rehearsal memory.

    ``shift`` goes evenly to ``last_shift`` over a training (0: it stays). ``local_gain`` times each
    plastic layer's local readout, minus its running mean, is added to the scores, from layer
    ``local_from`` on (0: scores are those of the trained readout alone). With ``answer`` "local"
    the scores are the last plastic layer's local readout, minus its running mean, and the trained
    readout may read no layer. With "output" the last layer answers for the first classes, and the
    trained readout for those that are added; from the first lesson on it adds to the others'
    scores, too.
    """

    every: int = 10
    kick: int = 512
    slow: int = 7
    target: int = 1 << 18
    shift: int = 15
    dead_zone: int = 1 << 14
    slots: int = 0
    replays: int = 0
    last_shift: int = 0
    local_gain: int = 0
    answer: str = later("trained")
    local_from: int = later(0)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """Default settings of a training on a data set.

    ``passes`` over the recordings, ``batch`` of them side by side, each moved by up to ``shift``
    pixels. The trained readout ends with the mean of its stored weights over the last ``average``
    passes, a quarter of all at most, or over half of one in fewer than four passes (0: with the
    last).
    """

    passes: int = 10
    batch: int = 50
    shift: int = 0
    average: int = later(0)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A whole network: input plane, layers, learning, readout, widths.

    ``width`` and ``height`` are the input plane's pixels, ``polarities`` its channels,
    ``tick_us`` is the length of a tick in microseconds, and a result is given every
    ``result_every`` ticks. ``front`` maps events to the plane. ``gain`` scales the
    first layer's thresholds with the rate of the input. ``temporal`` is a layer of hidden units
    between the features and the readout. ``prototypes`` are class means that answer beside the
    readout. ``version`` says what the other
    settings mean: 1, which is also that of a specification without one, cuts weights from
    the store by rounding down and counts steps in its LSBs; 2 rounds weights to the nearest and
    counts steps in LSBs of the base store, so that no width changes their size.
    """

    name: str
    layers: tuple[LayerSpec, ...]
    width: int = 32
    height: int = 32
    polarities: int = 2
    tick_us: int = 1000
    result_every: int = 10
    description: str = ""
    learning: LearningSpec = field(default_factory=LearningSpec)
    readout: ReadoutSpec = field(default_factory=ReadoutSpec)
    widths: Widths = field(default_factory=Widths)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    version: int = later(1)
    front: FrontSpec = field(default=NO_FRONT, repr=False, metadata=LATER)
    gain: GainSpec = field(default=NO_GAIN, repr=False, metadata=LATER)
    temporal: TemporalSpec = field(default=NO_TEMPORAL, repr=False, metadata=LATER)
    prototypes: PrototypesSpec = field(default=NO_PROTOTYPES, repr=False, metadata=LATER)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkSpec:
        """Build a specification from plain data, such as a parsed TOML file.

        Raises
        ------
        SpecError
            If a setting is unknown, or its value impossible.
        """
        fields = dict(data)
        layers = fields.pop("layers", None)
        if not isinstance(layers, list | tuple) or not layers:
            raise SpecError("A network needs at least one entry under 'layers'.")
        for name, kind in (
            ("learning", LearningSpec),
            ("readout", ReadoutSpec),
            ("widths", Widths),
            ("training", TrainingSpec),
            ("front", FrontSpec),
            ("gain", GainSpec),
            ("temporal", TemporalSpec),
            ("prototypes", PrototypesSpec),
        ):
            if name in fields:
                fields[name] = _build(kind, _hashable(fields[name]), name)
        fields["layers"] = tuple(
            _build(LayerSpec, _hashable(layer), f"layers[{n}]") for n, layer in enumerate(layers)
        )
        spec: NetworkSpec = _build(cls, fields, "network")
        spec.check()
        return spec

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that :meth:`from_dict` takes.

        Settings that came after the first model files are left out while at their default.
        """
        return to_plain(self)

    def options(self) -> list[str]:
        """Name the options in use, such as ``learning.surrogate='sigmoid'``.

        Options are the settings that came after the first model files.
        """
        return list(later_choices(self))

    @property
    def plane(self) -> tuple[int, int]:
        """(width, height) of the plane that sensors are scaled to, before the front end."""
        return self.front.plane(self.width, self.height)

    def digest(self) -> str:
        """Digest all settings: 16 hexadecimal digits."""
        text = repr(self) + "".join(self.options())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check(self) -> None:
        """Refuse impossible values: a :class:`SpecError` names the setting and its range."""
        for name in ("name", "description"):
            text = getattr(self, name)
            if not isinstance(text, str) or len(text) > LONGEST_TEXT:
                raise SpecError(f"{name} is no text of at most {LONGEST_TEXT:,} characters.")
        if len(self.layers) > MOST_LAYERS:
            raise SpecError(
                f"There are {len(self.layers):,} layers; allowed are 1 to {MOST_LAYERS}."
            )
        self.learning.check()
        for name, low, high in _RANGES:
            section, _, field = name.rpartition(".")
            within(name, getattr(getattr(self, section) if section else self, field), low, high)
        for n, layer in enumerate(self.layers):
            layer.check(f"layers[{n}].", self.widths.refractory)
        self.front.check(self.width, self.height)
        self.gain.check(self.layers[0])
        self.temporal.check(self.layers, self.readout.answer, self.training.average)
        self.prototypes.check(self.layers, self.readout.answer, self.readout.local_gain)
        self._check_answer()
        widths = self.widths
        within("widths.store", widths.store, widths.weight, 16)
        if widths.refractory != FULL:
            within("widths.refractory", widths.refractory, 1, 8, f", and {FULL}")
        if self.version >= ROUNDS:
            for name in ("step", "last_step"):
                within(f"learning.{name}", getattr(self.learning, name), 0, 2**14)

    def _check_answer(self) -> None:
        answer = self.readout.answer
        within("readout.local_from", self.readout.local_from, 0, len(self.layers) - 1)
        if self.readout.local_from and not self.readout.local_gain:
            raise SpecError(
                f"readout.local_from is {self.readout.local_from}, but with readout.local_gain 0 "
                "no local readout is added: it has to be 0."
            )
        one_of("readout.answer", answer, ("trained", "local", "output"))
        for n, layer in enumerate(self.layers):
            if layer.answers and (answer != "output" or n + 1 < len(self.layers)):
                raise SpecError(
                    f"layers[{n}].kind is {layer.kind!r}, which is for the last layer, with "
                    "readout.answer = 'output'."
                )
        if self.learning.feedback == "trained" and any(layer.plastic for layer in self.layers):
            self._check_trained_feedback()
        if answer == "trained":
            return
        if answer == "output" and not self.layers[-1].answers:
            raise SpecError(
                "readout.answer 'output' needs a last layer of kind 'counts' or 'membranes', not "
                f"{self.layers[-1].kind!r}."
            )
        if answer == "local" and not any(layer.plastic for layer in self.layers):
            raise SpecError("readout.answer 'local' needs a layer with plastic = true.")
        if self.readout.local_gain:
            raise SpecError(
                f"readout.local_gain is {self.readout.local_gain}, but with readout.answer "
                f"{answer!r} no local readout is added: it has to be 0."
            )

    def _check_trained_feedback(self) -> None:
        """Refuse what layers cannot do that learn by the trained readout."""
        where = "with learning.feedback 'trained'"
        carrying = self._check_carry()
        for n, layer in enumerate(self.layers):
            if layer.plastic and not layer.read and n + 1 not in carrying:
                raise SpecError(
                    f"layers[{n}] has plastic = true and read = false: {where} only layers learn "
                    "that the readout reads, or that are followed by a layer with plastic = true "
                    f"and have learning.carry_shift below {NO_CARRY}."
                )
        needed = {
            "readout.answer": (self.readout.answer, "trained"),
            "readout.local_gain": (self.readout.local_gain, 0),
            "learning.delta_scale": (self.learning.delta_scale, "fixed"),
            "learning.error_scale": (self.learning.error_scale, "fixed"),
        }
        for name, (value, wanted) in needed.items():
            if value != wanted:
                raise SpecError(f"{name} is {value!r}; {where} it has to be {wanted!r}.")

    def _check_carry(self) -> set[int]:
        """Return the layers that carry errors back; refuse those that cannot."""
        shift = self.learning.carry_shift
        if shift == NO_CARRY:
            return set()
        found = set()
        for n, (before, layer) in enumerate(pairwise(self.layers), 1):
            if not (before.plastic and layer.plastic):
                continue
            found.add(n)
            if layer.traced:
                raise SpecError(
                    f"layers[{n}].dynamics is 'traces': with learning.carry_shift {shift} a layer "
                    "with plastic = true behind another has to have dynamics = 'currents'."
                )
            reach = -(-layer.kernel // layer.stride) if layer.kind == "conv" else 1
            if layer.channels * reach**2 > MOST_CARRYING:
                raise SpecError(
                    f"layers[{n}] has {layer.channels * reach**2:,} synapses for each input; with "
                    f"learning.carry_shift {shift} allowed are {MOST_CARRYING:,}."
                )
        if not found:
            raise SpecError(
                f"learning.carry_shift is {shift}, but no layer with plastic = true follows "
                f"another: it has to be {NO_CARRY}."
            )
        return found


_RANGES = (
    ("version", 1, 2),
    ("width", 1, 1024),
    ("height", 1, 1024),
    ("polarities", 1, 256),
    ("tick_us", 1, 1_000_000),
    ("result_every", 1, 100_000),
    ("training.passes", 1, 10_000),
    ("training.batch", 1, 1024),
    ("training.shift", 0, 64),
    ("training.average", 0, 10_000),
    ("readout.every", 1, 10_000),
    ("readout.shift", 1, 30),
    ("readout.last_shift", 0, 30),
    ("readout.local_gain", 0, 256),
    ("readout.target", 0, 2**30),
    ("readout.dead_zone", 0, 2**30),
    ("readout.slow", 1, 10),
    ("readout.kick", 1, 4096),
    ("readout.slots", 0, 4096),
    ("readout.replays", 0, 64),
    ("widths.weight", 2, 8),
    ("widths.q", 4, 15),
    ("widths.p", 4, 15),
    ("widths.activation", 2, 7),
    ("widths.readout", 2, 8),
    ("widths.error", 2, 8),
    ("widths.delta", 2, 8),
)
"""Settings of a network with the smallest and the largest value allowed."""


def _hashable(data: Any) -> Any:
    """Turn the lists of a table of settings into tuples."""
    if not isinstance(data, Mapping):
        return data
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def _build(kind: type[Any], data: Any, where: str) -> Any:
    if isinstance(data, kind):
        return data
    if not isinstance(data, Mapping):
        raise SpecError(f"{where} must be a table of settings, not {data!r:.80}.")
    known = {f.name for f in dataclasses.fields(kind)}
    for name in data:
        if name not in known:
            raise SpecError(
                f"{where} has no setting {name!r:.80}; it has {', '.join(sorted(known))}."
            )
    try:
        return kind(**data)
    except TypeError as error:
        raise SpecError(f"{where} is incomplete: {error}.") from None


def preset_names() -> list[str]:
    """List the networks that come with the package."""
    folder = resources.files("spikewire.qcore") / "presets"
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def load_preset(name: str) -> NetworkSpec:
    """Load one of :func:`preset_names`."""
    if name not in preset_names():
        raise SpecError(f"There is no preset {name!r}; there are {', '.join(preset_names())}.")
    file = resources.files("spikewire.qcore") / "presets" / f"{name}.toml"
    text = file.read_text(encoding="utf-8")
    return NetworkSpec.from_dict({"name": name, **tomllib.loads(text)})
