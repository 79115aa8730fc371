"""Rules of Speck's DynapCNN cores, checked without its software.

Limits are those that SynSense publishes for Speck 2: nine cores, each one convolution with sum
pooling, 8-bit weights, 16-bit membranes and thresholds, no leak but by a constant.
"""

from __future__ import annotations

from spikewire.qcore.interop.nir.linear import Shape
from spikewire.qcore.interop.nir.plan import Plan, PlannedLayer

CORES = 9
KERNEL_KI = (16, 16, 16, 32, 32, 64, 64, 16, 16)
NEURON_KI = (64, 64, 64, 32, 32, 16, 16, 16, 16)
"""Weights and neurons that the cores hold, in 1,024."""

MOST_KERNEL, MOST_CHANNELS, MOST_SIDE = 16, 1024, 64
STRIDES, POOLS = (1, 2, 4, 8), (1, 2, 4)
MOST_PAD = 7
INPUT_SIDE = 128


def speck_faults(plan: Plan) -> list[str]:
    """Tell, in sentences, why layers of a network do not fit Speck; none if all do."""
    found: list[str] = []
    channels, rows, columns = plan.input
    if channels > 2 or rows > INPUT_SIDE or columns > INPUT_SIDE:
        found.append(
            f"The input is {channels}x{rows}x{columns}; Speck's sensor gives up to "
            f"2x{INPUT_SIDE}x{INPUT_SIDE}."
        )
    if len(plan.layers) > CORES:
        found.append(f"The network has {len(plan.layers)} layers; Speck has {CORES} cores.")
    shape = plan.input
    needs = []
    for layer in plan.layers:
        name = layer.report.name
        found += [f"{name}: {fault}" for fault in _layer_faults(layer, shape)]
        needs.append((name, _kernel_ki(layer), _neuron_ki(layer)))
        pool = int(layer.settings.get("pool", 1))
        shape = (layer.shape[0], layer.shape[1] // pool, layer.shape[2] // pool)
    if not found:
        found += _placing_faults(needs)
    return found


def _layer_faults(layer: PlannedLayer, shape: Shape) -> list[str]:
    settings = layer.settings
    found = []
    if settings["kind"] == "membranes":
        found.append("neurons that do not fire have no counterpart.")
    if settings.get("recurrent"):
        found.append("recurrent edges have no counterpart.")
    if settings.get("delay") or settings.get("delays"):
        found.append("delays have no counterpart.")
    if _any(settings["decay_v"]) and settings["decay_v"] != 4096:
        found.append("membranes leak in parts; Speck's leak by a constant or not at all.")
    if settings["decay_u"] != 4096:
        found.append("synaptic currents last; Speck has none.")
    if settings["kind"] == "conv":
        found += _conv_faults(settings)
    elif max(shape[1:]) > MOST_KERNEL and min(shape[1:]) > 0:
        found.append(
            f"a dense layer is a kernel over its whole input, {shape[1]}x{shape[2]}; at most "
            f"{MOST_KERNEL}x{MOST_KERNEL} fit."
        )
    if layer.shape[0] > MOST_CHANNELS:
        found.append(f"it has {layer.shape[0]:,} channels; at most {MOST_CHANNELS:,} fit.")
    if max(layer.shape[1:]) > MOST_SIDE:
        found.append(
            f"its map is {layer.shape[1]}x{layer.shape[2]}; at most {MOST_SIDE}x{MOST_SIDE} fit."
        )
    pool = settings.get("pool", 1)
    if pool not in POOLS:
        found.append(f"it pools by {pool}; allowed are {', '.join(map(str, POOLS))}.")
    ratio = _threshold_in_weights(layer)
    if ratio > 2**15 - 1:
        found.append(
            f"its threshold is {ratio:,.0f} steps of a weight; 16 bits hold {2**15 - 1:,}."
        )
    return found


def _conv_faults(settings: dict[str, object]) -> list[str]:
    found = []
    kernel = settings["kernel"]
    if "kernel_x" in settings:
        found.append(f"its kernel is {kernel}x{settings['kernel_x']}, which is not square.")
    elif isinstance(kernel, int) and kernel > MOST_KERNEL:
        found.append(f"its kernel is {kernel}x{kernel}; at most {MOST_KERNEL}x{MOST_KERNEL} fit.")
    for name in ("stride", "stride_x"):
        if name in settings and settings[name] not in STRIDES:
            allowed = ", ".join(map(str, STRIDES))
            found.append(f"its stride is {settings[name]}; allowed are {allowed}.")
    for name in ("pad", "pad_x"):
        pad = settings.get(name, 0)
        if isinstance(pad, int) and pad > MOST_PAD:
            found.append(f"its padding is {pad}; allowed are 0 to {MOST_PAD}.")
    if "dilation" in settings or "dilation_x" in settings:
        found.append("dilated kernels have no counterpart.")
    if "groups" in settings:
        found.append("groups of channels have no counterpart.")
    return found


def _placing_faults(needs: list[tuple[str, float, float]]) -> list[str]:
    """Place the layers on cores; name the first one that no free core holds."""
    cores: dict[int, int] = {}

    def place(n: int, seen: set[int]) -> bool:
        for core in range(CORES):
            fits = needs[n][1] <= KERNEL_KI[core] and needs[n][2] <= NEURON_KI[core]
            if not fits or core in seen:
                continue
            seen.add(core)
            if core not in cores or place(cores[core], seen):
                cores[core] = n
                return True
        return False

    for n, (name, kernel, neuron) in enumerate(needs):
        if not place(n, set()):
            return [
                f"{name}: it needs room for {kernel:g} Ki weights and {neuron:g} Ki neurons, "
                f"which no free core has: cores hold {_listed(KERNEL_KI)} Ki weights and "
                f"{_listed(NEURON_KI)} Ki neurons."
            ]
    return []


def _kernel_ki(layer: PlannedLayer) -> float:
    """Return a layer's weights, in 1,024; sides of addresses are powers of two."""
    inputs, rows, columns, outputs = layer.weights.shape
    return float(inputs * _padded(rows * columns) * _padded(outputs) / 1024)


def _neuron_ki(layer: PlannedLayer) -> float:
    channels, rows, columns = layer.shape
    return channels * _padded(rows) * _padded(columns) / 1024


def _listed(sizes: tuple[int, ...]) -> str:
    return "/".join(map(str, sizes))


def _padded(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()


def _threshold_in_weights(layer: PlannedLayer) -> float:
    threshold = layer.settings.get("threshold", 0)
    highest = max(threshold) if isinstance(threshold, tuple) else threshold
    return float(highest / 2 ** int(layer.settings["exponent"]))


def _any(value: object) -> bool:
    return any(value) if isinstance(value, tuple) else bool(value)
