"""Other libraries that decode recordings, each in a process of its own: they may crash, or panic.

aestream and faery are installed with spikewire. ``dv-processing``, ``expelliarmus`` and ``evlib``
are timed where they are installed beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spikewire.sensors import Events

TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Rival:
    """Another library.

    Attributes
    ----------
    package, module
        Its name on PyPI, and when it is imported.
    imports
        Statements that are not timed.
    read
        Statements that read the file ``path``, in ``events``.
    count
        Expression of the number of ``events``.
    columns
        Expression of t, x, y, p as arrays.
    """

    package: str
    module: str
    imports: str
    read: str
    count: str
    columns: str

    @property
    def installed(self) -> bool:
        """Whether the library is there."""
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Its version; empty where it is not there."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""


RIVALS: Mapping[str, Rival] = {
    "faery": Rival(
        "faery", "faery", "import faery",
        "events = list(faery.events_stream_from_file(path, dimensions_fallback=(128, 128)))",
        "sum(map(len, events))",
        "[np.concatenate([e[n] for e in events]) for n in ('t', 'x', 'y', 'on')]",
    ),
    "aestream": Rival(
        "aestream", "aestream", "import aestream",
        "events = aestream.FileInput(path, (128, 128)).load()",
        "len(events)",
        "[np.asarray(events)[n] for n in ('timestamp', 'x', 'y', 'polarity')]",
    ),
    "dv-processing": Rival(
        "dv-processing", "dv_processing", "import dv_processing as dv",
        "recording = dv.io.MonoCameraRecording(path)\n"
        "    events = []\n"
        "    while (batch := recording.getNextEventBatch()) is not None:\n"
        "        events.append(batch.numpy())",
        "sum(map(len, events))",
        "[np.concatenate([e[n] for e in events]) for n in ('timestamp', 'x', 'y', 'polarity')]",
    ),
    "expelliarmus": Rival(
        "expelliarmus", "expelliarmus", "from expelliarmus import Wizard",
        "events = Wizard(encoding=encoding, fpath=path).read()",
        "len(events)",
        "[events[n] for n in ('t', 'x', 'y', 'p')]",
    ),
    "evlib": Rival(
        "evlib", "evlib", "import evlib",
        "events = evlib.load_events(path).collect()",
        "len(events)",
        "[events[n].to_physical().to_numpy() for n in ('t', 'x', 'y', 'polarity')]",
    ),
}  # fmt: skip

_CHILD = """
import json, sys, time
import numpy as np
path, rounds, encoding, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
{imports}
def read():
    {read}
    return events
best = 1e9
for _ in range(rounds):
    began = time.perf_counter()
    events = read()
    count = {count}
    best = min(best, time.perf_counter() - began)
if count:
    np.save(out, np.stack([np.asarray(c).astype(np.int64) for c in {columns}]))
print("\\ntimed", json.dumps([count, best]))
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """Events per second of a library, and whether its events are those of the file."""

    rate: float | None
    exact: bool


def time_rival(name: str, path: Path, encoding: str, truth: Events, rounds: int) -> Timed:
    """Time a library on a file; a rate of None where it gives no events.

    Parameters
    ----------
    name
        Key of ``RIVALS``.
    path, encoding
        The file, and its format in a word: ``"evt3"``.
    truth
        Its events.
    rounds
        Rounds, of which the fastest counts.
    """
    rival = RIVALS[name]
    if not rival.installed:
        return Timed(None, False)
    code = _CHILD.format(
        imports=rival.imports, read=rival.read, count=rival.count, columns=rival.columns
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "events.npy"
        command = [sys.executable, "-c", code, str(path), str(rounds), encoding, str(out)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return Timed(None, False)
        # They print what they like; the figures have a line of their own.
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        timed = next((line for line in lines if line.startswith("timed ")), None)
        if done.returncode != 0 or timed is None:
            return Timed(None, False)
        count, seconds = json.loads(timed.removeprefix("timed "))
        if not count:
            return Timed(None, False)
        got = np.load(out)
    same = got.shape[1] == len(truth) and all(
        bool((got[n] == truth[field]).all()) for n, field in enumerate(("t", "x", "y", "p"))
    )
    return Timed(len(truth) / float(seconds), same)
