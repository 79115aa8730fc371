"""qcore: the integer spiking network.

Events in, class scores out, learning on the way, and not one floating-point number in between.
NumPy and Numba only: no files besides model files, no clocks, no tasks.
"""

from qcore._batch import Batch, Shown
from qcore._binning import Binned, bin_events
from qcore._census import Census, connection_sparsity, take_census
from qcore._errors import ModelError, SpecError
from qcore._jit import KERNELS, WARM
from qcore._lava import lava_settings, lava_weights
from qcore._ledger import Arrays, Count, Item, counted, counted_by_paper, occupied
from qcore._network import Network, Steps
from qcore._prototypes import Prototypes
from qcore._rehearsal import DeltaReadout, Memory
from qcore._snapshot import Snapshot
from qcore._spec import (
    LayerSpec,
    LearningSpec,
    NetworkSpec,
    ReadoutSpec,
    TrainingSpec,
    Widths,
    load_preset,
    preset_names,
)
from qcore._watch import Watch

__all__ = [
    "KERNELS",
    "WARM",
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
