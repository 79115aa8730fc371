"""File names of recordings."""

from __future__ import annotations

RECORDINGS = frozenset(
    {
        ".aedat4", ".aedat", ".bag", ".bin", ".dat", ".db3", ".es", ".h5", ".hdf5", ".mat", ".mcap",
        ".npy", ".npz", ".parquet", ".raw", ".csv", ".txt",
    }
)  # fmt: skip
"""File names that end so may be recordings; their format is told by their content."""

TEXTS = frozenset({".csv", ".txt"})
"""Among them, those that more often are labels or notes."""
