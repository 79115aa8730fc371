"""aestream's reader, in a process of its own.

``FileInput.load()`` is exact on whole AEDAT4 files with a data table that it understands, and on
DAT version 2. On others it returns nothing without an error, or crashes the interpreter (seen with
0.6.4 on a DVXplorer recording: no events or a segmentation fault, by chance). A child may die.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from spikewire._children import supervised
from spikewire.sensors.events import EVENT_DTYPE, Events

_CHILD = """
import sys
import aestream
import numpy as np
loaded = np.asarray(aestream.FileInput(sys.argv[1], (int(sys.argv[2]), int(sys.argv[3]))).load())
if loaded.dtype.names != ("timestamp", "x", "y", "polarity") or loaded.dtype.itemsize != 13:
    sys.exit(3)
sys.stdout.buffer.write(np.ascontiguousarray(loaded).tobytes())
"""

TIMEOUT_S = 600


def load(path: Path, size: tuple[int, int]) -> Events | None:
    """Read a whole file through aestream.

    Returns
    -------
    ndarray or None
        Unchecked events under our field names (the same 13 bytes; a negative place becomes a large
        one), or None if aestream gave none, or died.
    """
    command = [sys.executable, "-c", _CHILD, str(path), str(size[0]), str(size[1])]
    ours, theirs = os.pipe()  # held open here until the child is done
    try:
        done = subprocess.run(
            supervised(command), stdin=ours, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    finally:
        os.close(ours)
        os.close(theirs)
    if done.returncode != 0 or not done.stdout or len(done.stdout) % EVENT_DTYPE.itemsize:
        return None
    return np.frombuffer(done.stdout, EVENT_DTYPE)
