"""The general kernels equal plain Python, on drawn inputs and at the rails."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import FrontSpec, LayerSpec, NetworkSpec
from spikewire.qcore.kernels import front_end, general_neuron, general_synapses, own_output
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron as neuron_kernels
from spikewire.qcore.network.layer_table import fill_shape
from tests.reference import general as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=40, deadline=None)
RAIL = 2**23 - 1


def pick(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def drawn_layer(rng: np.random.Generator, **more: Any) -> LayerSpec:
    """A layer of two to six channels, with settings that the draw decides."""
    groups = pick(rng, 1, 2)
    reset = pick(rng, "zero", "subtract", "none")
    late, most = reset != "none" and bool(rng.integers(2)), pick(rng, 1, 1, 5)
    kernel = pick(rng, 1, 2, 3)
    chosen: dict[str, Any] = {
        "kind": pick(rng, "conv", "conv", "dense"), "channels": groups * int(rng.integers(2, 4)),
        "kernel": kernel, "kernel_x": pick(rng, 0, 1, 4), "stride": pick(rng, 1, 2),
        "stride_x": pick(rng, 0, 1, 3), "pad": pick(rng, 0, 1, 3), "pad_x": pick(rng, -1, 0, 2),
        "dilation": pick(rng, 1, 2), "dilation_x": pick(rng, 0, 2), "groups": groups,
        "delay": pick(rng, 0, 1, 3), "fires": pick(rng, "above", "reached"),
        "reset": reset, "reset_late": late, "most_spikes": most,
        "refractory_ticks": 0 if late or most > 1 else pick(rng, 0, 0, 2),
        "reset_value": pick(rng, 0, (-40, 30)), "floor": pick(rng, naive.RAIL * -1, (-90, -200)),
        "threshold": pick(rng, 1, (50, 300), 4000), "exponent": pick(rng, 0, 3, 14),
        "recurrent_exponent": pick(rng, 0, 5, 14), "decay_u": pick(rng, 0, 4096, (700, 3000)),
        "decay_v": pick(rng, 0, 4096, (100, 1000)), "decay_bits": pick(rng, 12, 14, 16),
        "bias": pick(rng, 0, (-7, 11)),
        "bias_to": pick(rng, "membrane", "membrane", "current"), "plastic": False, "read": False,
    }  # fmt: skip
    layer = LayerSpec(**{**chosen, **more})
    return layer if layer.general else dataclasses.replace(layer, delay=1)


def table_row(layer: LayerSpec, inputs: tuple[int, int, int]) -> Any:
    L = np.zeros(at.GENERAL_COLUMNS, np.int64)
    fill_shape(L, layer, 0, *inputs)
    L[at.EXPONENT] = layer.exponent
    L[at.RESET] = {"zero": 0, "subtract": 1, "none": 3}[layer.reset]
    return L


def parameters(layer: LayerSpec) -> Any:
    table = np.zeros((8, layer.channels), np.int32)
    rows = {
        neuron_kernels.THRESHOLD: layer.threshold, neuron_kernels.BIAS: layer.bias,
        neuron_kernels.KICK_R: layer.refractory_ticks, neuron_kernels.FLOOR: layer.floor,
        neuron_kernels.RESET_VALUE: layer.reset_value,
    }  # fmt: skip
    for c in range(layer.channels):
        table[neuron_kernels.KEEP_U, c] = 2**layer.decay_bits - naive.cycled(layer.decay_u, c)
        table[neuron_kernels.KEEP_V, c] = 2**layer.decay_bits - naive.cycled(layer.decay_v, c)
        for row, setting in rows.items():
            table[row, c] = naive.cycled(setting, c)
    return table


@given(SEEDS)
@FEW
def test_a_spike_reaches_what_its_equation_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = drawn_layer(rng, delays=pick(rng, 0, 2, 5))
    inputs = (int(rng.integers(5, 9)), int(rng.integers(8, 11)), 2 * layer.groups)
    L = table_row(layer, inputs)
    rows, columns = int(L[at.ROWS]), int(L[at.COLUMNS])
    shape = (2, int(L[at.KERNEL_Y]), int(L[at.KERNEL_X]), layer.channels)
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    synapses = rng.integers(0, layer.delays + 1, shape).astype(np.int8)
    units = rng.integers(0, layer.delays + 1, inputs).astype(np.int8)
    places = [tuple(int(rng.integers(n)) for n in inputs) for _ in range(4)]
    counts = [int(rng.integers(1, 4)) for _ in places]
    spikes = np.array(
        [(c, y, x) for (y, x, c), many in zip(places, counts, strict=True) for _ in range(many)],
        np.int16,
    )
    now, slots = int(rng.integers(0, 100)), int(L[at.RING_SLOTS])
    for by in (at.NO_DELAYS, at.BY_INPUT, at.BY_SYNAPSE):
        ring = np.zeros((slots, rows, columns, layer.channels), np.int32)
        wanted = ring.astype(int)
        count = 0
        for source, many in zip(places, counts, strict=True):
            for neuron, tap in naive.reached(
                layer, (rows, columns, *shape[1:3]), source, inputs[2]
            ):
                own = units[source] if by == at.BY_INPUT else synapses[tap]
                due = now + layer.delay + (int(own) if by != at.NO_DELAYS else 0)
                wanted[(due % slots, *neuron)] += int(weights[tap]) * many
                count += many
        turned = np.ascontiguousarray(weights[:, :, ::-1])
        if by == at.BY_SYNAPSE:
            own = np.ascontiguousarray(synapses[:, :, ::-1])
            done = general_synapses.scatter_delayed(L, spikes, len(spikes), turned, ring, own, now)
        else:
            own = units if by == at.BY_INPUT else np.zeros((0, *inputs[1:]), np.int8)
            done = general_synapses.scatter_general(L, spikes, len(spikes), turned, ring, own, now)
        assert ring.tolist() == wanted.tolist()
        assert done == count


@given(SEEDS)
@FEW
def test_recurrent_weights_are_added_for_each_spike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    fired = rng.choice([0, 0, 1, 3, 127], n).astype(np.int8)
    weights = rng.integers(-128, 128, (n, n)).astype(np.int8)
    back = rng.integers(-99, 99, n).astype(np.int32)
    wanted = back + fired.astype(int) @ weights.astype(int)
    count = general_synapses.scatter_back(fired, weights, back)
    assert back.tolist() == wanted.tolist()
    assert count == int(fired.sum()) * n


@given(SEEDS)
@settings(max_examples=120, deadline=None)
def test_neurons_follow_their_equations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = drawn_layer(rng, recurrent=bool(rng.integers(2)), neuron_bias=bool(rng.integers(2)))
    L = table_row(layer, (6, 8, 2 * layer.groups))
    table, channels, places = parameters(layer), layer.channels, 3
    size = pick(rng, 300, 2**16, RAIL)
    u, v = (rng.integers(-size, size + 1, (places, channels)).astype(np.int32) for _ in range(2))
    r = rng.integers(0, layer.refractory_ticks + 1, (places, channels)).astype(np.int8)
    fired = rng.integers(0, layer.most_spikes + 1, (places, channels)).astype(np.int8)
    biases = rng.integers(-size, size + 1, (places * layer.neuron_bias, channels)).astype(np.int32)
    for _ in range(4):
        drive = rng.integers(-(2**30) // pick(rng, 1, 2**20), 2**30 // pick(rng, 1, 2**20),
                             (places, channels)).astype(np.int32)  # fmt: skip
        back = rng.integers(-(2**12), 2**12, (places * layer.recurrent, channels)).astype(np.int32)
        before = [one.copy() for one in (u, v, r, fired)]
        wanted = [np.zeros((places, channels), int) for _ in range(4)]
        middle = np.zeros((places, channels), int)
        for i, c in np.ndindex(places, channels):
            pair = int(drive[i, c]), int(back[i, c]) if layer.recurrent else 0
            bias = int(biases[i, c]) if layer.neuron_bias else 0
            wanted[0][i, c], middle[i, c] = naive.integrated(
                layer, c, int(u[i, c]), int(v[i, c]), pair, bias, int(fired[i, c])
            )
            wanted[3][i, c], wanted[1][i, c], wanted[2][i, c] = naive.fired(
                layer, c, int(middle[i, c]), int(r[i, c])
            )
        moved = general_neuron.follow_drive(L, drive, back, u, biases, table)
        assert (u.tolist(), moved) == (wanted[0].tolist(), int((u != before[0]).any()))
        assert not drive.any()
        assert not back.any()
        moved = general_neuron.follow_current(L, u, v, biases, fired, table)
        assert (v.tolist(), moved) == (middle.tolist(), int((v != before[1]).any()))
        moved = general_neuron.fire_general(L, v, r, fired, table)
        assert [one.tolist() for one in (v, r, fired)] == [one.tolist() for one in wanted[1:]]
        changed = (v != middle) | (r != before[2]) | (fired != before[3])
        assert moved == int(changed.any())


@given(SEEDS)
@FEW
def test_events_are_cut_summed_and_turned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = (int(rng.integers(1, 7)) for _ in range(2))
    front = FrontSpec(
        merge=bool(rng.integers(2)), pool=pick(rng, 1, 2), pool_x=pick(rng, 0, 3),
        top=pick(rng, 0, 2), left=pick(rng, 0, 1), flip_x=bool(rng.integers(2)),
        flip_y=bool(rng.integers(2)), swap_xy=bool(rng.integers(2)), most=3,
    )  # fmt: skip
    plane = front.plane(width, height)
    front = FrontSpec(**{**{n: getattr(front, n) for n in FrontSpec.__slots__},
                         "width": plane[0] + 3, "height": plane[1] + 2})  # fmt: skip
    spec = NetworkSpec("drawn", (), width=width, height=height, front=front)
    front.check(width, height)
    n = int(rng.integers(0, 30))
    x = rng.integers(0, plane[0] + 3, n).astype(np.uint16)
    y = rng.integers(0, plane[1] + 2, n).astype(np.uint16)
    p = rng.integers(0, 2, n).astype(np.uint8)
    tick = np.arange(n)
    pool_x = front.pool_x or front.pool
    told = [front.merge, front.pool, pool_x, front.top, front.left, front.flip_x, front.flip_y,
            front.swap_xy, height, width]  # fmt: skip
    out = tick.copy(), x.copy(), y.copy(), p.copy()
    left = front_end.map_events(np.array(told, np.int64), tick, x, y, p, *out)
    wanted = [
        (t, *place)
        for t in range(n)
        for place in [naive.front_event(spec, int(x[t]), int(y[t]), int(p[t]))]
        if place is not None
    ]
    assert [tuple(int(one[i]) for one in out) for i in range(left)] == wanted


@given(SEEDS, st.booleans())
@FEW
def test_outputs_are_added_to_scores(seed: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    own = int(rng.integers(1, 6))
    v = rng.choice([0, 5, -7, RAIL, -RAIL, 1000], own).astype(np.int32)
    y = rng.choice([0, 99, -(2**31), 2**31 - 1], own + 2).astype(np.int32)
    target = int(rng.choice([0, 2**18, 2**30]))
    members = [int(one) for one in v]
    added = naive.shared_scores(members, target) if shared else members
    wanted = [
        naive.clipped(int(a) + b, -(2**31), 2**31 - 1)
        for a, b in zip(y, [*added, 0, 0], strict=True)
    ]
    own_output.add_output(v, y, target, int(shared))
    assert y.tolist() == wanted
