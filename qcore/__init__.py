"""qcore: the integer spiking network.

Events in, class scores out, learning on the way, and not one floating-point number in between.
NumPy and Numba only: no files besides model files, no clocks, no tasks.
"""

from spikewire._jit import KERNELS as _KERNELS
from spikewire.qcore.accounting.memory import (
    Arrays,
    Count,
    Item,
    counted,
    counted_by_paper,
    occupied,
)
from spikewire.qcore.accounting.operations import Census, connection_sparsity, take_census
from spikewire.qcore.errors import ModelError, SpecError
from spikewire.qcore.interop.lava import lava_settings, lava_weights
from spikewire.qcore.kernels.binning import Binned, bin_events
from spikewire.qcore.learners.prototypes import Prototypes
from spikewire.qcore.learners.rehearsal import DeltaReadout, Memory
from spikewire.qcore.network.batch import Batch, Shown
from spikewire.qcore.network.network import Network, Steps
from spikewire.qcore.network.snapshot import Snapshot
from spikewire.qcore.network.spec import (
    LayerSpec,
    LearningSpec,
    NetworkSpec,
    ReadoutSpec,
    TrainingSpec,
    Widths,
    load_preset,
    preset_names,
)
from spikewire.qcore.network.spike_probe import Watch

KERNELS = _KERNELS["qcore"]

__all__ = [
    "KERNELS",
    "Arrays",
    "Batch",
    "Binned",
    "Census",
    "Count",
    "DeltaReadout",
    "Item",
    "LayerSpec",
    "LearningSpec",
    "Memory",
    "ModelError",
    "Network",
    "NetworkSpec",
    "Prototypes",
    "ReadoutSpec",
    "Shown",
    "Snapshot",
    "SpecError",
    "Steps",
    "TrainingSpec",
    "Watch",
    "Widths",
    "bin_events",
    "connection_sparsity",
    "counted",
    "counted_by_paper",
    "lava_settings",
    "lava_weights",
    "load_preset",
    "occupied",
    "preset_names",
    "take_census",
]
