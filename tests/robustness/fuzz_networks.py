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

from spikewire import ModelError, from_lava_dl
from tests.robustness.fuzz import DEAD_S, mutate
from tests.support.net_files import small_layers, write_net


def whole_net(folder: Path) -> bytes:
    """Return the bytes of a small network with a layer of each kind."""
    return write_net(folder / "whole.net", small_layers(np.random.default_rng(0))).read_bytes()


def damage(data: bytes, number: int) -> bytes:
    """Damage a file as those of recordings are."""
    return mutate(random.Random(number), [data])


def read_net(path: Path) -> Any:
    """Read a damaged ``.net`` file."""
    return from_lava_dl(path, classes=("a", "b"))


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
    first: int, last: int, now: Synchronized[int], wrong: multiprocessing.Queue[str]
) -> None:
    """Try some cases in a process of their own; ``now`` is the one that is tried."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, path = whole_net(folder), folder / "damaged.net"
        for number in range(first, last):
            with now.get_lock():
                now.value = number
            path.write_bytes(damage(whole, number))
            if found := judge(read_net, path):
                wrong.put(f"case {number}: {found}")
    with now.get_lock():
        now.value = last


def fuzz(cases: int) -> list[str]:
    """Try ``cases`` damaged files; return what went wrong."""
    now: Any = multiprocessing.Value("q", 0)
    wrong: multiprocessing.Queue[str] = multiprocessing.Queue()
    found: list[str] = []
    while now.value < cases:
        child = multiprocessing.Process(target=run_cases, args=(now.value, cases, now, wrong))
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
    found = fuzz(told.cases)
    print("\n".join([*found, f"{told.cases:,} damaged .net files, {len(found)} wrong answers"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
