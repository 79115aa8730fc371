"""Whole networks: against the naive twin, over skips and packet boundaries, and in files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire import _jit
from spikewire.qcore import (
    BinnedEvents,
    ModelError,
    Network,
    NetworkSpec,
    load_preset,
    preset_names,
)
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network import engines
from spikewire.qcore.network import network as network_module
from tests.reference.network import NaiveNetwork
from tests.reference.traced import TracedLayer
from tests.unit.qcore.network.variants import SMALL, VARIANTS, build, draw, with_layers


def test_ordinary_networks_get_the_smaller_engines_with_the_same_bits() -> None:
    frozen = [{**layer, "plastic": False} for layer in SMALL["layers"]]
    plain, read, traced = build(3), build(3, layers=frozen), build(3, **VARIANTS["on traces"])
    fixed, reading, ordinary = (
        engines.advance_fixed, engines.advance_reading, engines.advance_ordinary,
    )  # fmt: skip
    assert engines.engines(plain.state.layers, 1) == [ordinary]
    assert engines.engines(plain.state.layers, 0) == [fixed, ordinary]
    assert engines.engines(read.state.layers, 1) == [reading, ordinary]
    assert engines.engines(read.state.layers, 0) == [fixed, reading, ordinary]
    assert engines.engines(traced.state.layers, 0) == [engines.advance]
    rng = np.random.default_rng(3)
    for network in (plain, read):
        for until, learn in ((40, 1), (60, 0), (80, 1)):
            events = draw(rng, range(network.tick, until), 200, (8, 7))
            others = []
            for one in [*engines.engines(network.state.layers, learn), engines.advance]:
                other = Network.from_bytes(network.to_bytes())
                chosen = engines._fixed if one is fixed else one
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(network_module, "engine", lambda *_, chosen=chosen: chosen)
                    other.advance(events, until, label=1, learn=bool(learn))
                others.append(other)
            network.advance(events, until, label=1, learn=bool(learn))
            assert all(same(network, other) for other in others)


def test_an_engine_that_is_ready_is_taken_before_one_that_must_be_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = object(), object()
    monkeypatch.setattr(_jit, "_UNLOADED", {first: (), second: ()})
    monkeypatch.setattr(_jit, "_is_ready", lambda one: False)
    assert _jit.choose(first, second) is first
    monkeypatch.setattr(_jit, "_is_ready", lambda one: one is second)
    assert _jit.choose(first, second) is second
    monkeypatch.setattr(_jit, "_UNLOADED", {first: ()})
    assert _jit.choose(first, second) is second


def tuples(events: BinnedEvents) -> list[tuple[int, int, int, int]]:
    columns = (events.tick, events.x, events.y, events.p)
    return [(int(t), int(x), int(y), int(p)) for t, x, y, p in zip(*columns, strict=True)]


def same(a: Network, b: Network) -> bool:
    """Equal in every bit but the counters of work done, which may differ by skipping."""
    return a.to_bytes() == b.to_bytes()


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(VARIANTS)))
@settings(max_examples=40, deadline=None)
def test_the_engine_equals_its_naive_twin(seed: int, variant: str) -> None:
    rng = np.random.default_rng(seed)
    network = build(seed, **VARIANTS[variant])
    twin = NaiveNetwork(network, TracedLayer)
    start = 0
    for learn in (True, True, False, True):
        stop = start + int(rng.integers(5, 40))
        events = draw(rng, range(start, stop), int(rng.integers(0, 150)), (8, 7))
        label = int(rng.integers(-1, 3))
        steps = network.advance(events, stop, label=label, learn=learn)
        rows = twin.advance(tuples(events), stop, label, learn)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
        start = stop
    for n, layer in enumerate(twin.layers):
        assert (network.layers[n].store == layer.store).all()
        assert (network.layers[n].weights == layer.weights).all()
        assert (network.layers[n].table == layer.table).all()
        assert (network.layers[n].membrane == layer.v).all()
        if layer.spec.plastic:
            assert (network.layers[n].gradient == layer.g).all()
        if layer.spec.traced:
            assert (network.layers[n].traces[0] == layer.Q).all()
            assert (network.layers[n].traces[1] == layer.P).all()
        assert (network.layers[n].bias_store == layer.bias_store).all()
    assert (network.read_store() == twin.read).all()
    assert network.state.lanes.tolist() == twin.lanes


def experience(network: Network, rng: np.random.Generator) -> None:
    """Give a network long experience of two classes: lessons, memories, regulations."""
    R = network.state.registers
    R[at.REGISTERS :] = (512, 511, 5000)
    R[at.PERIODS] = int(rng.choice([1023, 1024, 4096, 10**6]))
    n, rows = int(R[at.FEATURES]), 3 * int(R[at.SLOTS])
    bits = rng.integers(0, 2, (rows, n)).astype(np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little").reshape(-1).view(np.int8)
    start = int(R[at.AT_SLOTS])
    network.state.i8[start : start + len(packed)] = packed


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.sampled_from([-1, 0, 1, 2]))
@settings(max_examples=15, deadline=None)
def test_experienced_networks_equal_their_twins(seed: int, label: int) -> None:
    rng = np.random.default_rng(seed)
    network = build(seed)
    network.read_store()[...] = rng.integers(-32768, 32768, network.read_store().shape)
    experience(network, rng)
    twin = NaiveNetwork(network, TracedLayer)
    events = draw(rng, range(80), 400, (8, 7))
    steps = network.advance(events, 80, label=label, learn=True)
    rows = twin.advance(tuples(events), 80, label, True)
    assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    assert (network.read_store() == twin.read).all()
    for n, layer in enumerate(twin.layers):
        assert (network.layers[n].table == layer.table).all()
    assert network.state.registers[at.REGISTERS :].tolist() == twin.seen
    assert network.state.lanes.tolist() == twin.lanes


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_twin_test_really_learns(variant: str) -> None:
    network = build(**VARIANTS[variant])
    plastic = [n for n in range(3) if network.layers[n].plastic]
    before = [network.layers[n].store.copy() for n in plastic]
    rng = np.random.default_rng(0)
    network.advance(draw(rng, range(200), 2000, (8, 7)), 200, label=1, learn=True)
    assert all((network.layers[n].store != w).any() for n, w in zip(plastic, before, strict=True))
    assert network.read_store().any() == bool(network.read_store().size)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(sorted(VARIANTS)))
@settings(max_examples=25, deadline=None)
def test_idle_ticks_and_packet_boundaries_change_no_bit(
    seed: int, learn: bool, variant: str
) -> None:
    rng = np.random.default_rng(seed)
    whole, single = build(**VARIANTS[variant]), build(**VARIANTS[variant])
    gap = int(rng.integers(1, 1500))
    first = draw(rng, range(60), 200, (8, 7))
    second = draw(rng, range(60 + gap, 100 + gap), 100, (8, 7))
    together = BinnedEvents(
        *(np.concatenate([getattr(first, f), getattr(second, f)]) for f in ("tick", "x", "y", "p"))
    )
    a = whole.advance(together, 100 + gap, label=1, learn=learn)
    rows = []
    rest = together
    for tick in range(1, 101 + gap):
        now, rest = rest.before(tick)
        steps = single.advance(now, tick, label=1, learn=learn)
        rows += list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True))
    assert list(zip(a.tick.tolist(), a.scores.tolist(), strict=True)) == rows
    assert same(whole, single)


def test_a_layer_with_a_bias_is_not_at_rest_without_events() -> None:
    changes = with_layers({}, {"bias": [0, 40, -7, 300]}, {"bias": 500, "decay_v": 60})
    network = build(**changes)
    twin = NaiveNetwork(network, TracedLayer)
    # Activations are taken every third tick: here, in the last one.
    steps = network.advance(_none(), 91)
    rows = twin.advance([], 91, -1, False)
    assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    for n, layer in enumerate(twin.layers):
        assert (network.layers[n].membrane == layer.v).all()
        assert (network.layers[n].activation == layer.activation).all()
    assert int(steps.spikes[:, 2].sum()) > 0
    network.advance(_none(), 92)
    network.reset_state()
    assert not network.layers[2].membrane.any()
    again = network.advance(_none(), 183)
    # The first row after a reset still tells of the spikes since the last one before it.
    assert (again.spikes[1:] == steps.spikes[1:]).all()


def test_a_quiet_network_skips_an_hour_at_once() -> None:
    network = build()
    rng = np.random.default_rng(1)
    network.advance(draw(rng, range(50), 300, (8, 7)), 50)
    steps = network.advance(_none(), 3_600_000)
    assert network.tick == 3_600_000
    assert len(steps.tick) < 1000
    ran = int(network.state.registers[_register("TICKS_RUN")])
    assert ran < 5000


def _none() -> BinnedEvents:
    return BinnedEvents(
        np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint16), np.zeros(0, np.uint8)
    )


def _register(name: str) -> int:
    from spikewire.qcore.kernels import layout

    return int(getattr(layout, name))


def test_a_new_class_leaves_the_old_ones_as_they_were() -> None:
    rng = np.random.default_rng(3)
    network = build()
    network.advance(draw(rng, range(100), 800, (8, 7)), 100, label=1, learn=True)
    other = Network.from_bytes(network.to_bytes())
    assert other.add_class("d") == 3
    assert other.classes == ("a", "b", "c", "d")
    events = draw(rng, range(100, 200), 800, (8, 7))
    a, b = network.advance(events, 200), other.advance(events, 200)
    assert (a.scores == b.scores[:, :3]).all()
    assert not b.scores[:, 3].any()
    assert (network.layers[0].readout == other.layers[0].readout[:3]).all()
    other.advance(draw(rng, range(200, 400), 2000, (8, 7)), 400, label=3, learn=True)
    assert other.read_store()[3].any()
    with pytest.raises(ModelError, match="repeat"):
        other.add_class("d")


def test_learning_separates_two_patterns_and_wrong_labels_do_not() -> None:
    def events(rng: np.random.Generator, start: int, kind: int) -> BinnedEvents:
        drawn = draw(rng, range(start, start + 200), 1200, (8, 7))
        # One class moves in the left half of the plane, the other in the right.
        return BinnedEvents(
            drawn.tick, (drawn.x // 2 + 4 * kind).astype(np.uint16), drawn.y, drawn.p
        )

    def right(shuffled: bool) -> float:
        rng = np.random.default_rng(4)
        layer = {"kind": "conv", "channels": 12, "stride": 2, "pad": 1, "plastic": False,
                 "threshold": 9000, "activity": 60}  # fmt: skip
        # The burn-in outlasts what the features remember of the lesson before.
        network = build(
            layers=[layer],
            learning={"burn_in": 60},
            readout={"every": 2, "slots": 8, "replays": 2, "slow": 5},
        )
        for lesson in range(6):
            for kind in (0, 1):
                label = lesson % 2 if shuffled else kind
                start = network.tick
                network.advance(events(rng, start, kind), start + 200, label=label, learn=True)
        hits = []
        for kind in (0, 1) * 5:
            start = network.tick
            steps = network.advance(events(rng, start, kind), start + 200)
            hits.append((steps.scores[20:].argmax(1) == kind).mean())
        return float(np.mean(hits))

    assert right(shuffled=False) > 0.95
    assert right(shuffled=True) < 0.75


@pytest.mark.slow
def test_runs_repeat_across_processes() -> None:
    script = (
        "import hashlib, numpy as np\n"
        "from spikewire.qcore import BinnedEvents, Network, NetworkSpec, load_preset\n"
        "def run(spec):\n"
        "    rng = np.random.default_rng(5)\n"
        "    n = 20000\n"
        "    t, x, y, p = (rng.integers(0, m, n) for m in (300, spec.width, spec.height, 2))\n"
        "    e = BinnedEvents(np.sort(t), x.astype('u2'), y.astype('u2'), p.astype('u1'))\n"
        "    net = Network.build(spec, ('a', 'b'), 1)\n"
        "    net.advance(e, 300, label=1, learn=True)\n"
        "    assert net.updates > 0\n"
        "    return hashlib.sha256(net.to_bytes()).hexdigest()\n"
        f"print(run(load_preset('edge')), run(NetworkSpec.from_dict({SMALL!r})))\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "NUMBA_NUM_THREADS": threads, "OMP_NUM_THREADS": threads,
                 "PYTHONHASHSEED": threads},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1
    assert [len(h) for h in printed.pop().split()] == [hashlib.sha256().digest_size * 2] * 2


def test_networks_that_run_at_once_in_threads_do_not_touch_each_other() -> None:
    def run(seed: int) -> bytes:
        network = build(seed)
        rng = np.random.default_rng(seed)
        for start in range(0, 300, 100):
            events = draw(rng, range(start, start + 100), 900, (8, 7))
            network.advance(events, start + 100, label=seed % 3, learn=True)
        return network.to_bytes()

    alone = [run(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(run, range(6))) == alone


@pytest.mark.parametrize("name", preset_names())
def test_presets_build_and_run(name: str) -> None:
    spec = load_preset(name)
    network = Network.build(spec, ("a", "b"), 0)
    rng = np.random.default_rng(6)
    events = draw(rng, range(100), 5000, network.input_size)
    steps = network.advance(events, 100, label=0, learn=True)
    assert len(steps.tick) == 100 // spec.result_every
    assert network.synaptic_ops > 0


@pytest.mark.parametrize("classes", [(), ("a", "a"), ("",), (" ",)])
def test_impossible_classes_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(ModelError):
        Network.build(NetworkSpec.from_dict(SMALL), classes)


def test_events_outside_the_ticks_or_the_plane_are_refused() -> None:
    network = build()
    event = BinnedEvents(
        np.array([5]), *(np.array([1], t) for t in (np.uint16, np.uint16, np.uint8))
    )
    with pytest.raises(ValueError, match="do not fall into ticks 0 to 4"):
        network.advance(event, 5)
    far = BinnedEvents(np.array([0]), np.array([8], np.uint16), event.y, event.p)
    with pytest.raises(ValueError, match="outside the model's 8x7 plane"):
        network.advance(far, 5)
    with pytest.raises(ValueError, match="none of the 3 classes"):
        network.advance(_none(), 5, label=3)
    network.advance(_none(), 5)
    with pytest.raises(ValueError, match="Tick 4 is past"):
        network.advance(_none(), 4)
