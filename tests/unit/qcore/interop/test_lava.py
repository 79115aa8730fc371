"""Bit for bit as lava's fixed-point LIF, from its equations, wherever lava does not wrap."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import (
    BinnedEvents,
    ModelError,
    Network,
    NetworkSpec,
    SpecError,
    lava_settings,
    lava_weights,
)
from spikewire.qcore.kernels import neuron as neuron_kernels

SEEDS = st.integers(0, 2**32 - 1)
MOST = 2**23


@dataclasses.dataclass
class LavaLif:
    """lava's bit-accurate LIF, one neuron, in Python integers, after its published equations.

    Decay by ``4096 - (du + 1)`` and by ``4096 - dv``, magnitudes shifted right by 12; activation
    and threshold shifted left by 6; the current wraps at 24 bits, the membrane is clipped; a spike
    when above the threshold sets the membrane to zero. The refractory rule is ``LIFRefractory``'s:
    through ``period`` ticks after a spike the membrane is not touched.
    """

    du: int
    dv: int
    vth: int
    bias_mant: int = 0
    bias_exp: int = 0
    period: int = 0
    u: int = 0
    v: int = 0
    now: int = 0
    until: int = -1
    wrapped: bool = False

    def step(self, activation: int) -> bool:
        self.now += 1
        current = self._faded(self.u, 4096 - (self.du + 1)) + activation * 2**6
        if current > MOST:
            current -= 2 * MOST
            self.wrapped = True
        elif current <= -MOST:
            current += 2 * MOST
            self.wrapped = True
        self.u = current
        bias = int(np.floor(self.bias_mant * 2.0**self.bias_exp))
        if self.now > self.until:
            raw = self._faded(self.v, 4096 - self.dv) + self.u + bias
            self.v = min(max(raw, -MOST + 1), MOST - 1)
        if self.v > self.vth * 2**6:
            self.v = 0
            self.until = self.now + self.period
            return True
        return False

    @staticmethod
    def _faded(value: int, keep: int) -> int:
        size = abs(value) * keep >> 12
        return size if value >= 0 else -size


def draw(rng: np.random.Generator) -> dict[str, int]:
    return {
        "du": int(rng.choice([0, 4095, rng.integers(0, 4096)])),
        "dv": int(rng.choice([0, 4095, rng.integers(0, 4096)])),
        "vth": int(rng.choice([1, 131_071, rng.integers(1, 4000)])),
        "bias_mant": int(rng.integers(-4096, 4096)),
        "bias_exp": int(rng.integers(-3, 8)),
        "period": int(rng.integers(0, 4)),
    }


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_what_lava_dl_trains_with_is_what_lava_runs(seed: int) -> None:
    """lava-dl's leaky integrators: no offset on the decays, and a spike from ``vth + 0.01`` on."""
    rng = np.random.default_rng(seed)
    p = draw(rng)
    i_decay = p["du"] + 1
    hardware = LavaLif(p["du"], p["dv"], p["vth"])
    ours = Ours({**p, "bias_mant": 0, "period": 0})
    u = v = 0
    for _ in range(60):
        total = int(rng.integers(-300, 600)) * int(rng.random() < 0.6)
        u = int(np.trunc(u * (4096 - i_decay) / 4096)) + 64 * total
        v = int(np.trunc(v * (4096 - p["dv"]) / 4096)) + u
        spike = v >= p["vth"] * 64 + 0.01
        assert abs(u) < MOST
        if abs(v) >= MOST:
            return
        v = v * (not spike)
        assert hardware.step(total) == ours.step(total, 6) == spike
        assert (hardware.u, hardware.v) == (u, v) == (int(ours.u[0, 0]), int(ours.v[0, 0]))


class Ours:
    """The same neuron by this package's kernels."""

    def __init__(self, p: dict[str, int]) -> None:
        told = lava_settings(
            p["du"], p["dv"], p["vth"], bias_mant=p["bias_mant"], bias_exp=p["bias_exp"],
            refractory_period=p["period"],
        )  # fmt: skip
        self.table = np.zeros((8, 1), np.int32)
        self.table[neuron_kernels.KEEP_U] = 4096 - told["decay_u"]
        self.table[neuron_kernels.KEEP_V] = 4096 - told["decay_v"]
        self.table[neuron_kernels.THRESHOLD] = told["threshold"]
        self.table[neuron_kernels.BIAS] = told["bias"]
        self.table[neuron_kernels.KICK_R] = told["refractory_ticks"]
        self.u, self.v, self.r, self.spill = (np.zeros((1, 1), np.int32) for _ in range(4))
        self.fired = np.zeros((1, 1), np.int8)

    def step(self, total: int, exponent: int) -> bool:
        self.spill[:] = total
        drive = np.zeros((1, 1), np.int16)
        neuron_kernels.integrate(drive, self.spill, self.u, self.v, self.table, exponent, 1)
        neuron_kernels.fire_zero(self.v, self.r, self.table, self.fired)
        return bool(self.fired[0, 0])


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_neuron_follows_lava_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = draw(rng)
    theirs, ours = LavaLif(**p), Ours(p)
    size = int(rng.choice([20, 1000, 60_000]))
    for _ in range(60):
        # Sums of lava's even weights; ours are half of them, with one more in the exponent.
        total = int(rng.integers(-size // 2, size)) * int(rng.random() < 0.6)
        spike = theirs.step(2 * total)
        if theirs.wrapped or theirs.u == MOST:
            return
        assert ours.step(total, 7) == spike
        assert int(ours.u[0, 0]) == theirs.u
        assert int(ours.v[0, 0]) == theirs.v


def test_beyond_24_bits_lava_wraps_the_current_and_this_saturates() -> None:
    p = {"du": 0, "dv": 4095, "vth": 131_071, "bias_mant": 0, "bias_exp": 0, "period": 0}
    last = (MOST - 1) // 64
    for start, step, wanted in (
        (last, 0, (last * 64, last * 64)),
        (MOST // 64, 0, (MOST, MOST - 1)),
        (MOST // 64 + 1, 0, (64 - MOST, MOST - 1)),
        (-last, 0, (-last * 64, -last * 64)),
        (-MOST // 64, 0, (MOST, 1 - MOST)),
    ):
        theirs, ours = LavaLif(**p), Ours(p)
        theirs.step(start + step)
        ours.step(start + step, 6)
        assert (theirs.u, int(ours.u[0, 0])) == wanted


def test_both_clip_the_membrane_at_the_same_rails() -> None:
    # No decay of the membrane: it climbs to its rail, which is above every threshold but one.
    for sign in (1, -1):
        p = {"du": 4095, "dv": 0, "vth": 131_071, "bias_mant": 0, "bias_exp": 0, "period": 0}
        theirs, ours = LavaLif(**p), Ours(p)
        reached = set()
        for _ in range(5):
            assert theirs.step(sign * 50_000) == ours.step(sign * 50_000, 6)
            assert int(ours.v[0, 0]) == theirs.v
            reached.add(theirs.v)
        assert not theirs.wrapped
        assert sign == 1 or -MOST + 1 in reached


@given(SEEDS, st.sampled_from(["conv", "dense"]))
@settings(max_examples=15, deadline=None)
def test_a_network_follows_lava_bit_for_bit(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    channels = 3
    p = [draw(rng) for _ in range(channels)]
    told = lava_settings(
        [q["du"] for q in p], [q["dv"] for q in p], [q["vth"] for q in p],
        bias_mant=[q["bias_mant"] for q in p], bias_exp=p[0]["bias_exp"],
        refractory_period=p[0]["period"],
    )  # fmt: skip
    weight_exp = int(rng.integers(-2, 3))
    step = 2 ** max(1, -weight_exp)
    extent = (4, 5) if kind == "dense" else (3, 3)
    theirs = rng.integers(-256 // step, 254 // step + 1, (2, *extent, channels)) * step
    used, exponent = lava_weights(theirs, weight_exp)
    layer = {"kind": kind, "channels": channels, "kernel": 3, "pad": 1, "stride": 2,
             "exponent": exponent, "plastic": False, **told}  # fmt: skip
    spec = NetworkSpec.from_dict({"name": "lava", "width": 5, "height": 4, "layers": [layer]})
    network = Network.build(spec, ("a",), 0)
    network.layers[0].set_weights(used)
    rows, columns, _ = network.layers[0].units
    neurons = {
        i: LavaLif(**{**p[i[2]], "bias_exp": p[0]["bias_exp"], "period": p[0]["period"]})
        for i in np.ndindex(rows, columns, channels)
    }
    for tick in range(25):
        image = rng.random((4, 5, 2)) < 0.2
        y, x, c = np.nonzero(image)
        events = BinnedEvents(
            np.full(len(y), tick), x.astype(np.uint16), y.astype(np.uint16), c.astype(np.uint8)
        )
        network.advance(events, tick + 1)
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        for (oy, ox, k), neuron in neurons.items():
            window = image if kind == "dense" else padded[2 * oy : 2 * oy + 3, 2 * ox : 2 * ox + 3]
            total = int((theirs[..., k] * window.transpose(2, 0, 1)).sum())
            total = total << weight_exp if weight_exp > 0 else total >> -weight_exp
            neuron.step(total)
            assert not neuron.wrapped
            assert int(network.layers[0].membrane[oy, ox, k]) == neuron.v


@pytest.mark.parametrize(
    ("weights", "weight_exp", "used", "exponent"),
    [
        ([-256, 254, 0], 0, [-128, 127, 0], 7),
        ([127, -128, 1], 0, [127, -128, 1], 6),
        ([64, -8], -3, [8, -1], 6),
        ([0, 0], -2, [0, 0], 6),
        ([2, 4], 7, [1, 2], 14),
    ],
)
def test_powers_of_two_go_to_the_exponent(
    weights: list[int], weight_exp: int, used: list[int], exponent: int
) -> None:
    found, shift = lava_weights(np.array(weights), weight_exp)
    assert (found.tolist(), shift) == (used, exponent)


@pytest.mark.parametrize(
    ("weights", "weight_exp", "says"),
    [
        ([255, 1], 0, "from 1 to 255 in steps of 1; here they have 8 bits"),
        ([6, 4], -2, "multiples of 2 only: lava would drop bits"),
        ([2, 4], 8, "needs an exponent of 15; allowed are 0 to 14"),
        ([0.5], 0, "float64; they have to be whole numbers"),
    ],
)
def test_weights_that_cannot_be_the_same_bits_are_refused(
    weights: list[Any], weight_exp: int, says: str
) -> None:
    with pytest.raises(SpecError, match=says):
        lava_weights(np.array(weights), weight_exp)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"du": 4096}, "lava's du is 4096; allowed are whole numbers 0 to 4095"),
        ({"vth": 0}, "vth is 0; allowed are whole numbers 1 to 131071"),
        ({"dv": 0.5}, "dv is 0.5"),
        ({"bias_mant": [0, 5000]}, r"bias_mant is \[0, 5000\]"),
    ],
)
def test_parameters_outside_lavas_ranges_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        lava_settings(**{"du": 1, "dv": 1, "vth": 1, **change})


def test_weights_of_another_shape_or_range_are_refused() -> None:
    spec = NetworkSpec.from_dict(
        {"name": "n", "width": 4, "height": 4, "widths": {"weight": 4},
         "layers": [{"kind": "conv", "channels": 2}]}
    )  # fmt: skip
    network = Network.build(spec, ("a",), 0)
    with pytest.raises(ModelError, match=r"shape \(2, 3, 3, 2\), not int64 of shape \(3,\)"):
        network.layers[0].set_weights(np.zeros(3, np.int64))
    with pytest.raises(ModelError, match="weights from -8 to 7, not 0 to 8"):
        network.layers[0].set_weights(np.arange(36).reshape(2, 3, 3, 2) % 9)
    network.layers[0].set_weights(np.arange(36).reshape(2, 3, 3, 2) % 8)
    assert (network.layers[0].weights == network.layers[0].store >> 6).all()
    assert network.layers[0].weights.max() == 7
