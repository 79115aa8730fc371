"""Rounding to 8 bits: whole layers stay, others keep precision and sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import ModelError
from spikewire.qcore.interop.nir.quantise import (
    LEAST_THRESHOLD,
    FloatLayer,
    WholeLayer,
    quantise,
)


def _layer(weights: Any, threshold: Any = 1.0, **more: Any) -> FloatLayer:
    weights = np.asarray(weights, float)
    count = len(weights)
    values = {"recurrent": None, "floor": None, "biases": np.zeros(count), "leaks": True, **more}
    level = None if threshold is None else np.broadcast_to(np.asarray(threshold, float), count)
    return FloatLayer(weights, threshold=level, **values)


def _units(found: WholeLayer, layer: FloatLayer) -> Any:
    """Return what a unit of each channel stands for, told by its threshold."""
    assert found.threshold is not None
    assert layer.threshold is not None
    return layer.threshold / found.threshold


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_weights_and_biases_are_near_and_thresholds_are_large(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 6)), int(rng.integers(1, 40)))
    scale = 10.0 ** rng.uniform(-3, 3)
    layer = _layer(
        rng.normal(size=size) * scale, scale * rng.uniform(0.5, 5),
        biases=rng.normal(size=size[0]) * scale,
    )  # fmt: skip
    found = quantise(layer, 8, "a layer")
    assert found.threshold is not None
    assert found.threshold.min() >= LEAST_THRESHOLD
    assert found.threshold.max() < 2**22
    unit = _units(found, layer)[:, None]
    used = found.weights.astype(float) * 2.0**found.exponent * unit
    step = 2.0**found.exponent * unit
    assert (np.abs(used - layer.weights) <= 1.001 * step).all()
    assert (np.abs((used - layer.weights).sum(1)) <= 0.51 * step[:, 0] + 1e-4 * scale).all()
    largest = np.abs(layer.weights).max()
    assert found.weight_error <= step.max() / largest
    np.testing.assert_allclose(found.biases * unit[:, 0], layer.biases, 1e-5, unit.max())


def test_a_whole_layer_stays_as_it_is() -> None:
    weights = np.array([[3.0, -127.0, 64.0], [1.0, 2.0, -128.0]]) * 16
    found = quantise(_layer(weights, 20_000.0, biases=np.array([5.0, -7.0])), 8, "a layer")
    assert found.exponent == 4
    np.testing.assert_array_equal(found.weights * 16.0, weights)
    assert found.threshold is not None
    assert (found.threshold.tolist(), found.biases.tolist()) == ([20_000] * 2, [5, -7])
    assert found.weight_error == 0


def test_whole_weights_beside_a_low_threshold_are_scaled_where_membranes_leak() -> None:
    for leaks, least in ((True, LEAST_THRESHOLD), (False, 1)):
        found = quantise(_layer([[1.0, -2.0]], 3.0, leaks=leaks), 8, "a layer")
        assert found.threshold is not None
        assert found.threshold.min() >= least
        assert (found.threshold.min() == 3) == (not leaks)


def test_weights_of_one_grid_are_found_whatever_their_largest() -> None:
    rng = np.random.default_rng(3)
    grid = rng.integers(-83, 84, (4, 60)) * 0.0137
    assert quantise(_layer(grid), 8, "a layer").weight_error < 1e-6


def test_recurrent_weights_have_an_exponent_of_their_own() -> None:
    back = np.array([[0.0, 40.0], [-25.0, 3.0]])
    layer = _layer([[0.1, 0.2], [0.3, -0.1]], recurrent=back)
    found = quantise(layer, 8, "a layer")
    assert found.recurrent is not None
    used = found.recurrent.T * 2.0**found.recurrent_exponent * _units(found, layer)[:, None]
    np.testing.assert_allclose(used, back, atol=0.6)
    assert found.recurrent_exponent > found.exponent


def test_fewer_bits_are_coarser() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 30))
    errors = [quantise(_layer(weights), bits, "a layer").weight_error for bits in (8, 5, 2)]
    assert errors == sorted(errors)
    assert np.abs(quantise(_layer(weights), 2, "a layer").weights).max() == 1


def test_integrators_have_one_scale_for_all_channels() -> None:
    found = quantise(_layer([[1.0, 0.5], [0.01, 0.02]], None), 8, "a layer")
    assert found.threshold is None
    assert found.weights[0].max() == 127
    assert np.abs(found.weights[1]).max() <= 3


def test_weights_of_zero_are_told() -> None:
    found = quantise(_layer(np.zeros((2, 3))), 8, "a layer")
    assert not found.weights.any()


@pytest.mark.parametrize("threshold", [6e-323, 1e-200, 1e-20])
def test_a_threshold_that_is_nothing_beside_the_weights_is_told(threshold: float) -> None:
    found = quantise(_layer([[1e9, 0.5]], threshold), 8, "a layer")
    assert found.threshold is not None
    assert found.threshold.tolist() == [1]
    assert "below 131,072" in found.notes[0]


def test_a_bias_beyond_24_bits_is_refused() -> None:
    with pytest.raises(ModelError, match=r"In a layer a bias is .* does not fit"):
        quantise(_layer([[0.5, 0.1]], biases=np.array([1e4])), 8, "a layer")
