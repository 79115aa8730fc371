"""`spikewire import`: a network that was trained elsewhere, as a model file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError, check_target, reject_options
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, print_json
from spikewire.apps.cli.units import duration_us, names

if TYPE_CHECKING:
    from spikewire.qcore import ImportReport, Network


def import_network(
    network: Annotated[
        Path,
        typer.Argument(metavar="NET", help="NIR graph (.nir), lava-dl's .net, or SLAYER's folder."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="MODEL", help="Model file to write.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", metavar="A,B,C", help="Names of the outputs.")
    ] = None,
    like: Annotated[
        Literal["snntorch", "norse", "sinabs", "spikingjelly", "rockpool"] | None,
        typer.Option(help="Framework that the network comes from: its rules where none are given."),
    ] = None,
    dt: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Step of the graph's time constants.")
    ] = None,
    reset: Annotated[
        Literal["zero", "subtract", "late"] | None,
        typer.Option(help="Effect of a spike on the membrane."),
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option(metavar="none|threshold|NUMBER", help="Lowest membrane."),
    ] = None,
    decay: Annotated[
        Literal["euler", "exponential"] | None,
        typer.Option(help="Rule from time constants to decays."),
    ] = None,
    spikes: Annotated[
        Literal["one", "many"] | None, typer.Option(help="Spikes of a neuron in a step.")
    ] = None,
    gain: Annotated[
        Literal["step", "one"] | None,
        typer.Option(help="Gain of a spike: its weight through a step, or as it is."),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="CxHxW", help="Channels, rows, columns of an input without shape."
        ),
    ] = None,
    tick_us: Annotated[
        int | None,
        typer.Option("--tick", metavar="TIME", parser=duration_us, help="Event time of a step."),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=0, max=4096, metavar="TICKS", help="Time in which counts fade; 0: never."),
    ] = None,
    bits: Annotated[int, typer.Option(min=2, max=8, help="Bits of a weight.")] = 8,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would happen, and write nothing.")
    ] = False,
    target: Annotated[
        Literal["speck"] | None,
        typer.Option(help="Say which layers would not fit this hardware."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import a network that was trained elsewhere, as a model file.

    Networks of snnTorch, Norse, Sinabs, SpikingJelly and Rockpool come as NIR graphs.

    NIR graphs carry neither the step nor the kind of reset, lowest membranes or several spikes a
    step: --like fills them in as a framework means them, and the options above go first.
    """
    if out is None and not check and target is None:
        raise UsageError("give --out MODEL to write the network, or --check to see it only")
    if out is not None:
        check_target("--out", out)
    rules: dict[str, Any] = {
        "dt": dt, "reset": reset, "floor": _floor(floor), "decay": decay,
        "spikes": spikes, "gain": gain,
    }  # fmt: skip
    faults = None
    if network.is_dir() or network.suffix == ".net":
        given = {**rules, "like": like, "input": shape, "target": target}
        reject_options(given, "is for NIR graphs; a network for Loihi carries its rules")
        built, report = _from_loihi(network, names(classes), tick_us, window)
    else:
        further: dict[str, Any] = {
            "like": like, "shape": _shape(shape), "tick_us": tick_us,
            **({} if window is None else {"window": window}),
        }  # fmt: skip
        from spikewire.qcore import Choices, check_speck, from_nir

        built, report = from_nir(network, names(classes), bits=bits, **rules, **further)
        if target is not None:
            faults = check_speck(network, Choices(**rules), bits, **further)
    if out is not None and not check:
        built.save(out)
    _tell(built, report, faults, None if check else out, as_json)
    raise typer.Exit(FAILED if faults and out is None else DONE)


def _from_loihi(
    network: Path, classes: tuple[str, ...], tick_us: int | None, window: int | None
) -> tuple[Network, ImportReport]:
    from spikewire.qcore import from_lava_dl, from_slayer

    read = from_slayer if network.is_dir() else from_lava_dl
    if window is None:
        return read(network, classes=classes, tick_us=tick_us)
    return read(network, classes=classes, tick_us=tick_us, window=window)


def _tell(
    built: Network,
    report: ImportReport,
    faults: list[str] | None,
    out: Path | None,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                **dataclasses.asdict(report),
                "classes": list(built.classes),
                "out": None if out is None else str(out),
                "speck": faults,
            }
        )
        return
    said = console()
    for line in report.lines():
        said.print(line, markup=False, soft_wrap=True)
    if faults is not None:
        for fault in faults:
            said.print(f"Speck: {fault}", markup=False, soft_wrap=True)
        if not faults:
            said.print("Speck: all layers fit.")
    if out is not None:
        said.print(f"Written: {out}", markup=False, soft_wrap=True)


def _floor(text: str | None) -> str | float | None:
    if text is None or text in ("none", "threshold"):
        return text
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"--floor is {text!r:.80}; allowed are none, threshold and numbers"
        ) from None


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        sizes = ()
    if len(sizes) != 3:
        raise UsageError(f"--input is {text!r:.80}; needed are channels, rows, columns: 2x34x34")
    return sizes
