"""Damage files of networks, in every way, and read them.

Usage: `python -m tests.robustness.fuzz_networks`.

Each file must be read, or refused with a ModelError. Anything else is a failure: another exception,
a crash, or 20 s without an answer. A failure is printed with its number, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import numpy as np

from spikewire import ModelError, from_lava_dl, from_nir
from tests.robustness.fuzz import DEAD_S, mutate
from tests.support.net_files import small_layers, write_net
from tests.support.nir_files import affine, chain, conv2d, integrate, lif, pool, write_graph


def whole_net(folder: Path) -> bytes:
    """Return the bytes of a small network with a layer of each kind."""
    return write_net(folder / "whole.net", small_layers(np.random.default_rng(0))).read_bytes()


def whole_nir(folder: Path) -> bytes:
    """Return the bytes of a small graph with nodes of many kinds."""
    rng = np.random.default_rng(0)
    inner = chain(affine(rng.normal(size=(4, 12)), rng.normal(size=4)), lif(), shape=(12,))
    graph = chain(
        conv2d(rng.normal(size=(3, 2, 3, 3))), integrate(), pool("SumPool2d", 3),
        ("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": np.array([3, 2, 2])}),
        ("NIRGraph", {"graph": inner}), ("Delay", {"delay": np.full(4, 2e-4)}),
        affine(rng.normal(size=(2, 4))), lif(tau=2e-3),
    )  # fmt: skip
    return write_graph(folder / "whole.nir", graph).read_bytes()


def damage(data: bytes, number: int) -> bytes:
    """Damage a file as those of recordings are."""
    return mutate(random.Random(number), [data])


def read_net(path: Path) -> Any:
    """Read a damaged ``.net`` file."""
    return from_lava_dl(path, classes=("a", "b"))


def read_nir(path: Path) -> Any:
    """Read a damaged ``.nir`` file."""
    return from_nir(path, like="snntorch")


KINDS: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], Any]]] = {
    "net": (whole_net, read_net),
    "nir": (whole_nir, read_nir),
}
"""By the ending of a file: what makes a whole one, and what reads it."""


def judge(read: Callable[[Path], Any], path: Path) -> str:
    """Read a file; return what is wrong with the answer, or nothing."""
    try:
        read(path)
    except ModelError as error:
        text = str(error)
        fine = text.endswith(".") and len(text) < 1000 and text.isprintable()
        return "" if fine else f"the message is no sentence: {text!r:.200}"
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.200}"
    return ""


def run_cases(
    kind: str, first: int, last: int, now: Synchronized[int], wrong: multiprocessing.Queue[str]
) -> None:
    """Try some cases in a process of their own; ``now`` is the one that is tried."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make, read = KINDS[kind]
        whole, path = make(folder), folder / f"damaged.{kind}"
        for number in range(first, last):
            with now.get_lock():
                now.value = number
            path.write_bytes(damage(whole, number))
            if found := judge(read, path):
                wrong.put(f"case {number}: {found}")
    with now.get_lock():
        now.value = last


def fuzz(kind: str, cases: int) -> list[str]:
    """Try ``cases`` damaged files; return what went wrong."""
    now: Any = multiprocessing.Value("q", 0)
    wrong: multiprocessing.Queue[str] = multiprocessing.Queue()
    found: list[str] = []
    while now.value < cases:
        child = multiprocessing.Process(target=run_cases, args=(kind, now.value, cases, now, wrong))
        child.start()
        seen = -1
        while child.is_alive() and seen != now.value:
            seen = now.value
            child.join(DEAD_S)
        while not wrong.empty():
            found.append(wrong.get())
        if now.value < cases:
            found.append(f"case {now.value}: no answer, or the process died ({child.exitcode})")
            child.kill()
            child.join()
            now.value += 1
    return found


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    told = parser.parse_args()
    failed = 0
    for kind in KINDS:
        found = fuzz(kind, told.cases)
        failed += len(found)
        last = f"{told.cases:,} damaged .{kind} files, {len(found)} wrong answers"
        print("\n".join([*found, last]), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
