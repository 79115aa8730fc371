"""Widths of numbers: narrower ones cover the same range more coarsely."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.qcore.kernels import gradient, local_learning
from spikewire.qcore.kernels import layout as at
from tests.unit.qcore.network.test_network import build, draw


def test_a_narrow_weight_is_the_wide_one_without_its_last_bits() -> None:
    rng = np.random.default_rng(7)
    events = draw(rng, range(60), 600, (8, 7))
    wide = build()
    stores = [wide.layers[n].store.copy() for n in range(3)]
    for bits in range(2, 9):
        narrow = build(widths={"weight": bits})
        for n in range(3):
            assert (narrow.layers[n].store == stores[n]).all()
            assert (narrow.layers[n].weights == wide.layers[n].weights >> (8 - bits)).all()
        # The same network at 8 bits whose weights have their last bits set to zero.
        same_scale = build()
        for n in range(3):
            same_scale.layers[n].set_weights(
                (wide.layers[n].weights >> (8 - bits)) * 2 ** (8 - bits)
            )
        narrow.advance(events, 60)
        same_scale.advance(events, 60)
        for n in range(3):
            assert (narrow.layers[n].membrane == same_scale.layers[n].membrane).all()
            assert narrow.layers[n].membrane.any()


def test_a_narrow_activation_is_the_wide_one_without_its_last_bits() -> None:
    rng = np.random.default_rng(8)
    events = draw(rng, range(60), 600, (8, 7))
    wide = build(widths={"activation": 6})
    wide.advance(events, 60)
    for bits in range(2, 8):
        other = build(widths={"activation": bits})
        other.advance(events, 60)
        for n in range(3):
            a, b = wide.layers[n].activation.astype(int), other.layers[n].activation.astype(int)
            assert (b == a >> (6 - bits)).all() if bits <= 6 else (b >> 1 == a).all()
            assert a.max() > 0
            assert b.max() < 2**bits


@pytest.mark.parametrize("bits", range(2, 9))
def test_an_error_of_any_width_covers_the_same_range(bits: int) -> None:
    y = np.arange(-3000, 3000, 7, dtype=np.int32)
    found = {}
    for width in (bits, 6):
        L = build(widths={"error": width}, learning={"dead_zone": 0}).state.layers[0]
        error, mean = np.zeros_like(y), np.zeros_like(y)
        local_learning.local_error(
            y, mean, -1, L[at.LEARN_TARGET], L[at.ERROR_SHIFT], L[at.ERROR_RAIL], L[at.DEAD_ZONE],
            error,
        )  # fmt: skip
        assert abs(error).max() <= 2 ** (width - 1) - 1
        found[width] = error * 2.0 ** (6 - width)
    # Apart by no more than one step of each, and the clipping of the more positive rail.
    assert abs(found[bits] - found[6]).max() <= 2 * 2 ** max(0, 6 - bits)


@pytest.mark.parametrize("readout", [2, 4, 8])
@pytest.mark.parametrize("activation", [2, 4, 7])
def test_readouts_of_any_width_keep_their_targets_in_proportion(
    readout: int, activation: int
) -> None:
    learning = {"target": 6000, "error_shift": 8, "delta_shift": 6, "dead_zone": 2}
    widths = {"readout": readout, "activation": activation}
    L = build(widths=widths, learning=learning).state.layers[0]
    # A sum of products of both grows by the bits of both.
    taller = readout + activation - 12
    assert L[at.LEARN_TARGET] == 6000 * 2**8 >> (8 - taller)
    assert L[at.ERROR_SHIFT] == 8 + taller
    assert L[at.DELTA_SHIFT] == 6 + readout - 6
    assert L[at.DEAD_ZONE] == 2


@pytest.mark.parametrize("p", [4, 6, 8, 12, 15])
def test_gradients_keep_their_scale_at_every_width_of_the_trace(p: int) -> None:
    delta = np.full((1, 1, 1), 100, np.int8)
    sums = {}
    for width in (p, 12):
        L = build(widths={"p": width}).state.layers[0]
        g = np.zeros((1, 1, 1, 1), np.int32)
        # A trace at half its range.
        trace = np.full((1, 1, 1), 2 ** (width - 1), np.int16)
        gradient.conv_gradient(delta, trace, g, 1, 0, 0, L[at.TRACE_SHIFT])
        sums[width] = int(g[0, 0, 0, 0])
    assert sums[p] == sums[12] == 100 * 2 ** (11 - 5)


def test_wider_and_narrower_traces_hold_what_their_widths_allow() -> None:
    rng = np.random.default_rng(9)
    # Every place fires in every tick: traces at their highest.
    places = [(t, x, y, p) for t in range(150) for y in range(7) for x in range(8) for p in (0, 1)]
    columns = np.array(places).T
    events = draw(rng, range(150), len(places), (8, 7))
    events.tick[:], events.x[:], events.y[:], events.p[:] = columns
    for q, p in ((4, 4), (6, 12), (10, 6), (10, 12), (14, 14), (15, 15)):
        network = build(widths={"q": q, "p": p}, learning={"slow": 3, "burn_in": 1000})
        network.advance(events, 150, label=0, learn=True)
        L = network.state.layers[0]
        size = int(L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS])
        high = {
            start: int(network.state.i16[L[start] : L[start] + size].max())
            for start in (at.AT_Q, at.AT_P)
        }
        assert 2**q / 2.2 > 2**q - 1 - high[at.AT_Q] >= 0 or (q == 4 and high[at.AT_Q] == 1)
        assert high[at.AT_P] < 2**p
        assert q == 4 or high[at.AT_P] > 2**p / 2
