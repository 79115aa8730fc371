"""Costs of a network: memory by array, and operations by NeuroBench's definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spikewire.apps.training.binned_dataset import BinnedDataset

if TYPE_CHECKING:
    from spikewire.qcore import BitCount, Network
    from spikewire.sensors import Sample

NEUROBENCH_BASELINE = 304_828
"""Bytes of NeuroBench's baseline for DVS128 Gesture, which infers and does not learn."""


def memory_report(network: Network) -> dict[str, Any]:
    """Report a network's memory in bits and in bytes, as plain data.

    Parameters
    ----------
    network
        The network.

    Returns
    -------
    dict
        ``count`` in bits at the network's widths and at 32, ``paper`` the same as Schaefer &
        Joshi 2020 count it (None for other networks), ``bytes`` as built and how much less they are
        than the count at 32 bits and than the same arrays in 32 bits, ``arrays`` one by one,
        ``options`` in use.
    """
    from spikewire.qcore import bytes_by_kind, paper_bits, paper_code_bits

    arrays = bytes_by_kind(network)
    count = paper_bits(network)
    bits = {item.name: item.bits for item in count.items}
    paper = paper_code_bits(network)
    learning = sum(kind.size for kind in arrays if kind.learning)
    total = sum(kind.size for kind in arrays)
    full = sum(kind.size_32 for kind in arrays)
    return {
        "classes": len(network.classes),
        "options": network.spec.options(),
        "count": _count(count),
        "paper": None if paper is None else _count(paper),
        "bytes": {
            "infer": total - learning,
            "learn": learning,
            "total": total,
            "count_32": count.bits_32 // 8,
            "saving_percent": _saving(total, count.bits_32 // 8),
            "arrays_32": full,
            "arrays_saving_percent": _saving(total, full),
            "neurobench_baseline": NEUROBENCH_BASELINE,
        },
        "arrays": [
            {
                "kind": kind.name,
                "dtype": kind.dtype,
                "bytes": kind.size,
                "for": "learn" if kind.learning else "infer",
                "counted_as": kind.paper_item,
                "counted_bits": None if kind.paper_item is None else bits[kind.paper_item],
                "reason": kind.reason,
            }
            for kind in arrays
        ],
    }


def _saving(size: int, full: int) -> float:
    return round(100 * (1 - size / full), 2)


def _count(count: BitCount) -> dict[str, Any]:
    return {
        "bits_32": count.bits_32,
        "bits": count.bits,
        "saving_percent": round(100 * count.saving, 2),
        "items": [
            {"name": item.name, "numbers": item.numbers, "width": item.width, "bits": item.bits}
            for item in count.items
        ],
    }


def neurobench_report(
    network: Network, binned: BinnedDataset, samples: Sequence[Sample]
) -> dict[str, Any]:
    """Report NeuroBench's metrics of a network, as plain data.

    Parameters
    ----------
    network
        The network.
    binned
        The data set.
    samples
        Recordings on which operations are counted. Metrics that need recordings are means over
        these, and None without any.
    """
    from spikewire.qcore import connection_sparsity, count_operations

    sizes = memory_report(network)["bytes"]
    report: dict[str, Any] = {
        "footprint_bytes": sizes["total"],
        "footprint_infer_bytes": sizes["infer"],
        "connection_sparsity": round(connection_sparsity(network), 4),
        "counted_on": len(samples),
        "activation_sparsity": None,
        "synaptic_operations": None,
        "membrane_updates": None,
        "per_tick": None,
    }
    if not samples:
        return report
    counts = count_operations(network, [binned.events(sample) for sample in samples], binned.ticks)
    recordings, ticks = counts.recordings, counts.recordings * counts.ticks
    totals = {
        "effective_macs": int(counts.effective[~counts.binary].sum()),
        "effective_acs": int(counts.effective[counts.binary].sum()),
        "dense": int(counts.dense.sum()),
    }
    updates = int(counts.membrane_updates.sum())
    fired = int(counts.fired.sum()) / (ticks * int(counts.neurons.sum()))
    return report | {
        "activation_sparsity": round(1 - fired, 5),
        "synaptic_operations": {name: round(n / recordings, 1) for name, n in totals.items()},
        "membrane_updates": round(updates / recordings, 1),
        "per_tick": {
            **{name: round(n / ticks, 1) for name, n in totals.items()},
            "membrane_updates": round(updates / ticks, 1),
        },
    }
