"""Reports of imports: what became of each layer, and what was assumed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer of an imported network.

    Attributes
    ----------
    name
        Its name in the file.
    kind
        Kind of its synapses and neurons.
    weight_error
        Largest difference between a weight used and the original, in parts of the layer's largest.
    decay_error
        Largest difference between a decay used and the original, per tick.
    threshold
        Lowest threshold of its channels; 0 for neurons that never fire.
    exponent
        Exponent of its weights.
    notes
        Sentences about this layer alone.
    """

    name: str
    kind: str
    weight_error: float
    decay_error: float
    threshold: int
    exponent: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """An imported network: its layers, and a sentence for everything that was assumed."""

    name: str
    layers: tuple[LayerReport, ...]
    assumptions: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the report as lines of text: a table of the layers, then sentences."""
        rows = [("layer", "kind", "weight error", "decay error", "threshold", "exponent")]
        for layer in self.layers:
            rows.append(
                (
                    layer.name,
                    layer.kind,
                    f"{100 * layer.weight_error:.3f} %",
                    f"{layer.decay_error:.6f}",
                    f"{layer.threshold:,}" if layer.threshold else "none",
                    str(layer.exponent),
                )
            )
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        table = [
            "  ".join(
                cell.ljust(width) if n < 2 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        notes = [f"{layer.name}: {note}" for layer in self.layers for note in layer.notes]
        return [*table, *notes, *self.assumptions]
