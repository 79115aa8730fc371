"""`spikewire export`: a network as a NIR graph, for other programs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer

from spikewire._whole_file import write_whole
from spikewire.apps.cli.errors import DONE, check_target
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import Classes, Seed
from spikewire.apps.cli.output import console
from spikewire.apps.cli.units import names


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file or preset.")],
    out: Annotated[Path, typer.Option("--out", metavar="NIR", help="NIR file to write.")],
    dt: Annotated[
        float, typer.Option(metavar="SECONDS", help="Step; snnTorch and SpikingJelly take 1e-4.")
    ] = 1e-4,
    classes: Classes = "class 1,class 2",
    seed: Seed = 0,
) -> None:
    """Export a network's layers as a NIR graph of current-based neurons (CubaLIF).

    The trained readout and what NIR has no counterpart of are named.
    """
    check_target("--out", out)
    network = open_network(model, names(classes), seed, grow=False)
    from spikewire.qcore import export_notes, to_nir

    graph = to_nir(network, dt)
    import nir

    whole = io.BytesIO()
    nir.write(whole, graph)
    write_whole(out, whole.getvalue())
    said = console()
    for note in export_notes(network):
        said.print(note, markup=False, soft_wrap=True)
    said.print(f"Written: {out}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)
