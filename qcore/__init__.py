"""qcore: the integer spiking network.

Events in, class scores out, learning on the way, and not one floating-point number in between.
NumPy and Numba only: no files besides model files, no clocks, no tasks.
"""

from spikewire._jit import KERNELS as _KERNELS
from spikewire.qcore.accounting.memory import (
    BitCount,
    BitItem,
    ByteItem,
    bytes_by_kind,
    paper_bits,
    paper_code_bits,
)
from spikewire.qcore.accounting.operations import (
    OperationCounts,
    connection_sparsity,
    count_operations,
)
from spikewire.qcore.errors import ModelError, SpecError
from spikewire.qcore.interop.lava import lava_settings, lava_weights
from spikewire.qcore.interop.lava_dl.plan import LavaOptions
from spikewire.qcore.interop.lava_dl.read import from_lava_dl, from_slayer
from spikewire.qcore.interop.nir.build import check_speck, from_nir
from spikewire.qcore.interop.nir.convention import FRAMEWORKS, Choices
from spikewire.qcore.interop.nir.export import export_notes, to_nir
from spikewire.qcore.interop.report import ImportReport, LayerReport
from spikewire.qcore.kernels.binning import BinnedEvents, bin_events
from spikewire.qcore.learners.prototypes import Prototypes
from spikewire.qcore.learners.rehearsal import DeltaReadout, RehearsalMemory
from spikewire.qcore.network.arrays import LayerArrays, build_network
from spikewire.qcore.network.batch import Batch, BatchResult
from spikewire.qcore.network.calibration import Calibration
from spikewire.qcore.network.catalogue import (
    is_untrained,
    load_spec,
    shipped_model,
    shipped_names,
)
from spikewire.qcore.network.front_spec import FrontSpec
from spikewire.qcore.network.gain_spec import GainSpec
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.layer_views import LayerView
from spikewire.qcore.network.learnable import learning_fault
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.network import Network
from spikewire.qcore.network.neuron_view import NeuronView
from spikewire.qcore.network.packet_binner import PacketBinner, TickClock
from spikewire.qcore.network.results import RunResult, Steps
from spikewire.qcore.network.snapshot import Snapshot
from spikewire.qcore.network.spec import (
    NetworkSpec,
    ReadoutSpec,
    TrainingSpec,
    Widths,
    load_preset,
    preset_names,
)
from spikewire.qcore.network.spike_probe import SpikeProbe

KERNELS = _KERNELS["qcore"]

__all__ = [
    "FRAMEWORKS",
    "KERNELS",
    "Batch",
    "BatchResult",
    "BinnedEvents",
    "BitCount",
    "BitItem",
    "ByteItem",
    "Calibration",
    "Choices",
    "DeltaReadout",
    "FrontSpec",
    "GainSpec",
    "ImportReport",
    "LavaOptions",
    "LayerArrays",
    "LayerReport",
    "LayerSpec",
    "LayerView",
    "LearningSpec",
    "ModelError",
    "Network",
    "NetworkSpec",
    "NeuronView",
    "OperationCounts",
    "PacketBinner",
    "Prototypes",
    "ReadoutSpec",
    "RehearsalMemory",
    "RunResult",
    "Snapshot",
    "SpecError",
    "SpikeProbe",
    "Steps",
    "TickClock",
    "TrainingSpec",
    "Widths",
    "bin_events",
    "build_network",
    "bytes_by_kind",
    "check_speck",
    "connection_sparsity",
    "count_operations",
    "export_notes",
    "from_lava_dl",
    "from_nir",
    "from_slayer",
    "is_untrained",
    "lava_settings",
    "lava_weights",
    "learning_fault",
    "load_preset",
    "load_spec",
    "paper_bits",
    "paper_code_bits",
    "preset_names",
    "shipped_model",
    "shipped_names",
    "to_nir",
]
