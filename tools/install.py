"""Installation by pip that says how far it is, and the time left.

It runs in the environment that it fills, with the standard library alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from pathlib import Path

# Shares of the time: packages are found and downloaded, then unpacked.
_FOUND_SHARE = 0.65
_EVERY_S = 1.0


class Progress:
    """Progress of one installation, from what pip says and from the packages that are there.

    Parameters
    ----------
    expected
        Number of packages that there will be, about.
    folder
        Folder into which they are installed.
    """

    def __init__(self, expected: int, folder: Path) -> None:
        self.found = 0
        self._expected = max(1, expected)
        self._folder = folder
        self._total: int | None = None
        self._before = self._installed()

    def read(self, line: str) -> None:
        """Take in a line of pip's."""
        if line.startswith("Collecting "):
            self.found += 1
        elif match := re.match(r"Installing collected packages: (.*)", line):
            self._total = len(match[1].split(", "))

    def share(self) -> float:
        """Return the share that is done, from 0 to 1."""
        if self._total is None:
            return _FOUND_SHARE * min(1.0, self.found / self._expected)
        there = (self._installed() - self._before) / self._total
        return _FOUND_SHARE + (1 - _FOUND_SHARE) * min(1.0, there)

    def _installed(self) -> int:
        return sum(1 for _ in self._folder.glob("*.dist-info"))


def time_left(share: float, passed_s: float) -> str:
    """Return the time left in words, once enough is done to tell."""
    if share < 0.05 or passed_s < 3:
        return "about two minutes left"
    left = passed_s * (1 - share) / share
    if left < 90:
        return f"about {max(5, 5 * round(left / 5))} s left"
    return f"about {round(left / 60)} min left"


def main(arguments: Sequence[str]) -> int:
    """Run `pip install` with these arguments; return its exit code."""
    constraints = Path("constraints.txt").read_text().splitlines()
    expected = sum("==" in line for line in constraints)
    progress = Progress(expected, Path(sysconfig.get_paths()["purelib"]))
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    began, done = time.monotonic(), threading.Event()
    terminal = sys.stderr.isatty()

    def tell() -> None:
        while not done.wait(_EVERY_S):
            share = progress.share()
            left = time_left(share, time.monotonic() - began)
            print(f"\r\x1b[Kinstalling: {share:.0%}, {left}", end="", file=sys.stderr, flush=True)

    if terminal:
        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
    else:
        print("installing packages: about two minutes ...", file=sys.stderr, flush=True)
    last: list[str] = []
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            progress.read(line)
            last = [*last[-20:], line]
    done.set()
    if terminal:
        teller.join()
        print("\r\x1b[K", end="", file=sys.stderr)
    if pip.returncode:
        sys.stderr.writelines(last)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
