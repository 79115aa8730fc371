"""Tests that send Ctrl-C work where the parent ignores it, as nohup and many CI systems do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import signal, subprocess, sys
import tests.conftest
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
said = subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(2))"],
                      capture_output=True, text=True).stdout
assert "default_int_handler" in said, said
"""


def test_children_get_the_default_handling() -> None:
    words = ["sh", "-c", 'trap "" INT QUIT; exec "$@"', "sh", sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
