"""Model files: continued bit for bit, those of older versions too, and refused in sentences."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import Calibration, ModelError, Network, SpecError, load_spec
from spikewire.qcore.kernels.layout import LABEL, TICK
from spikewire.qcore.network.model_file import FORMAT
from tests.unit.qcore.network.old_model import OLD_MODEL
from tests.unit.qcore.network.test_network import build, draw, same


def test_a_model_of_the_old_version_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Expected values come from the program that wrote it. A checkpoint is such a file, too."""
    network = Network.from_bytes(OLD_MODEL)
    assert network.to_bytes() == OLD_MODEL
    assert (network.classes, network.tick) == (("a", "b", "c"), 150)
    steps = network.advance(draw(np.random.default_rng(4), range(150, 230), 300, (6, 5)), 230,
                            label=1, learn=True)  # fmt: skip
    assert network.updates == 4142
    assert steps.scores.sum(0).tolist() == [-174205, 2162986, 714813]
    assert steps.spikes.sum(0).tolist() == [38, 121, 46]
    digest = hashlib.sha256(network.to_bytes()).hexdigest()
    assert digest == "085c81230dc835c3673c78cbd6fbf9935c49e66294f4d12e6d8409e365c401e3"
    (tmp_path / "old.model").write_bytes(OLD_MODEL)
    assert Network.load(tmp_path / "old.model").to_bytes() == OLD_MODEL


def test_damaged_model_files_are_refused_in_sentences(tmp_path: Path) -> None:
    network = build()
    data = network.to_bytes()
    for cut in (0, 7, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(ModelError, match=r"cut short|damaged"):
            Network.from_bytes(data[:cut], "x")
    with pytest.raises(ModelError, match="version 9"):
        Network.from_bytes(data.replace(b'\\"version\\": 4', b'\\"version\\": 9'), "x")
    with pytest.raises(ModelError, match="cannot be read"):
        Network.load(tmp_path / "none")
    with pytest.raises(ModelError, match="no model file"):
        Network.from_bytes(b"\x08\0\0\0\0\0\0\0notjson!", "x")
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(data[:8], "little")
    survived = 0
    nothing = draw(rng, range(1), 0, (8, 7))
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(header, len(data), 6):
            broken[place] ^= int(rng.integers(1, 256))
        try:
            loaded = Network.from_bytes(bytes(broken), "x")
        except ModelError:
            continue
        # What loads must also run: weights may be anything, tables may not.
        survived += 1
        loaded.advance(nothing, loaded.tick + 3)
    assert survived > 0


def test_a_saved_learner_continues_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    first, second = (draw(rng, range(s, s + 100), 800, (8, 7)) for s in (0, 100))
    straight = build()
    straight.advance(first, 100, label=0, learn=True)
    straight.save(tmp_path / "model.safetensors")
    resumed = Network.load(tmp_path / "model.safetensors")
    assert same(straight, resumed)
    for network in (straight, resumed):
        network.advance(second, 200, label=2, learn=True)
    assert same(straight, resumed)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


# -- descriptions that nobody wrote --------------------------------------------------------------


def taken_apart(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The header of a model file, the description in it, and the arrays' bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"][FORMAT]), data[8 + length :]


def put_together(header: dict[str, Any], about: Any, body: bytes) -> bytes:
    text = about if isinstance(about, str) else json.dumps(about)
    whole = json.dumps({**header, "__metadata__": {FORMAT: text}}).encode()
    return len(whole).to_bytes(8, "little") + whole + body


def changed(**changes: Any) -> bytes:
    """A model file whose description has these values; ``spec__`` names are the specification's."""
    header, about, body = taken_apart(build().to_bytes())
    for name, value in changes.items():
        at = about
        *sections, last = name.split("__")
        for section in sections:
            at = at[section]
        at[last] = value
    return put_together(header, about, body)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec": 3}, "its spec is no table"),
        ({"spec": {"layers": []}}, "at least one entry under 'layers'"),
        ({"classes": "abc"}, "its classes are no list"),
        ({"classes": []}, "names no classes"),
        ({"classes": ["a", 5]}, "is no text but int"),
        ({"classes": ["a", "\x1b[2J"]}, "cannot be printed"),
        ({"classes": ["a", "x" * 65]}, "65 characters"),
        ({"classes": ["a", "\ud800"]}, "cannot be printed"),
        ({"classes": [str(n) for n in range(2000)]}, "1 to 1024 classes, not 2000"),
        ({"seed": 1e300}, "its seed is no 64-bit number"),
        ({"seed": 2**70}, "its seed is no 64-bit number"),
        ({"seed": "5"}, "its seed is no 64-bit number"),
        ({"version": [4] * 1000}, "is a model of version"),
        ({"spec__width": 2**62}, "width is 4611686018427387904; allowed are"),
        ({"spec__width": True}, "width is True"),
        ({"spec__width": 1e400}, "width is inf"),
        ({"spec__name": ["x"]}, "name is no text"),
        ({"spec__description": "x" * 10**5}, "description is no text of at most 10,000"),
        ({"spec__learning": [1]}, "learning must be a table"),
        ({"spec__learning__target": "x"}, "learning.target is 'x'"),
        ({"spec__learning__trace_shift": 10**9}, "learning.trace_shift is 1000000000"),
        ({"spec__learning__error_shift": -1}, "learning.error_shift is -1"),
        ({"spec__readout__dead_zone": 2**40}, "readout.dead_zone"),
        ({"spec__widths": {"weight": None}}, "widths.weight is None"),
        ({"spec__layers": [{"kind": "conv", "channels": 4}] * 5000}, "5,000 layers; allowed"),
        ({"spec__layers": [{"kind": ["conv"], "channels": 4}]}, "kind is"),
        ({"spec__layers": [{"kind": "conv", "channels": 4, "plastic": 1}]}, "plastic is 1"),
        ({"spec__layers": [{"kind": "conv", "channels": 4, "threshold": ["x"]}]}, "threshold"),
        (
            {"spec__layers": [{"kind": "conv", "channels": 4096, "kernel": 64, "pad": 63}] * 4,
             "spec__width": 1024, "spec__height": 1024},
            "GiB of memory; allowed are 4 GiB",
        ),
        ({"spec__layers": [{"kind": "dense", "channels": 4000}]}, "its network needs"),
    ],
)  # fmt: skip
def test_descriptions_that_cannot_be_are_refused_before_anything_is_allocated(
    change: dict[str, Any], told: str
) -> None:
    data = changed(**change)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=re.escape(told)) as caught:
            Network.from_bytes(data, "this.model")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith("this.model")
    assert text.isprintable()
    assert len(text) < 1000
    assert most < 30 * len(data) + 10_000_000


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_json_is_refused(depth: int) -> None:
    header, _, body = taken_apart(build().to_bytes())
    with pytest.raises(ModelError, match="not a spikewire model"):
        Network.from_bytes(put_together(header, "[" * depth + "]" * depth, body))
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    with pytest.raises(ModelError, match=r"not a spikewire model|header is not readable"):
        Network.from_bytes(len(deep).to_bytes(8, "little") + deep)
    with pytest.raises(ModelError, match="no model file"):
        Network.from_bytes(b"\x10\0\0\0\0\0\0\0" + b"1" * 16)


def test_a_header_is_no_longer_than_allowed() -> None:
    header, about, body = taken_apart(build().to_bytes())
    long = put_together({**header, "x" * 2**20: 1}, about, body)
    with pytest.raises(ModelError, match="allowed are 1,048,576"):
        Network.from_bytes(long)
    with pytest.raises(ModelError, match="cut short inside its header"):
        Network.from_bytes(b"\xff" * 8 + long[8:])


@pytest.mark.parametrize("label", [3, 2**40, -2, -(2**62)])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    network = build()
    assert len(network.classes) == 3
    network.state.registers[LABEL] = label
    with pytest.raises(ModelError, match="its label is no class"):
        Network.from_bytes(network.to_bytes())
    network.state.registers[LABEL] = 2
    assert Network.from_bytes(network.to_bytes()).state.registers[LABEL] == 2


@pytest.mark.parametrize("tick", [-1, 2**62 + 1, 2**63 - 1])
def test_a_clock_out_of_range_is_refused(tick: int) -> None:
    network = build()
    network.state.registers[TICK] = tick
    with pytest.raises(ModelError, match="its clock is out of range"):
        Network.from_bytes(network.to_bytes())


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "width = " + "9" * 5000,
        "width = 1e999",
        "\0",
        "layers = 3",
    ],
)
def test_a_toml_file_that_cannot_be_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(SpecError, match="is no preset"):
        load_spec(tmp_path / "x.toml")


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.lists(st.integers(-9, 9), max_size=3), st.dictionaries(st.text(max_size=3), st.none()),
    st.sampled_from([0, 1, 2, 255, 4096, 2**31, -1]),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_changed_description_is_used_or_refused(data: st.DataObject) -> None:
    """Whatever stands in the header, there is a network that runs, or a sentence."""
    header, about, body = taken_apart(_WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = data.draw(st.sampled_from([about, about, header]))
        while True:
            keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
            key = data.draw(st.sampled_from(keys))
            inner = at[key]
            if not (isinstance(inner, dict | list) and inner) or data.draw(st.booleans()):
                break
            at = inner
        if data.draw(st.booleans()) or isinstance(at, list):
            at[key] = data.draw(values)
        else:
            del at[key]
        if not about:
            break
    try:
        network = Network.from_bytes(put_together(header, about, body), "x")
    except ModelError:
        return
    network.advance(draw(np.random.default_rng(0), range(1), 0, (8, 7)), network.tick + 1)


_WHOLE = build().to_bytes()


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(min_size=1, max_size=30), place=st.integers(0, 5000))
def test_a_damaged_header_is_used_or_refused(noise: bytes, place: int) -> None:
    place %= 8 + int.from_bytes(_WHOLE[:8], "little")
    with suppress(ModelError):
        Network.from_bytes(_WHOLE[:place] + noise + _WHOLE[place + len(noise) :])


@pytest.mark.parametrize(
    ("calibration", "message"),
    [({"enter": -1}, "enter of its calibration is -1"), ({"leave": 3}, "unknown entries"),
     ([], "unknown entries")],
)  # fmt: skip
def test_a_calibration_that_cannot_be_is_refused(calibration: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Calibration.from_dict(calibration, "This model")
