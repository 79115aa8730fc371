"""Other libraries that decode recordings, each in a process of its own: they may crash, or panic.

aestream and faery are installed with spikewire. ``dv-processing``, ``expelliarmus`` and ``evlib``
are timed where they are installed beside it. h5py and rosbags find the columns and messages of
HDF5 and of bags for our readers; they are timed alone, too, as programs without spikewire use them.
"""

from __future__ import annotations

import json
import re
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
import numpy.typing as npt

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

_BAG = """with AnyReader([Path(path)]) as bag:
        for connection, _, raw in bag.messages():
            message = bag.deserialize(raw, connection.msgtype)
            events.append(np.array([
                (e.ts.sec * 1_000_000 + e.ts.nanosec // 1000, e.x, e.y, e.polarity)
                for e in message.events
            ]))"""

ALONE: Mapping[str, Rival] = {
    "h5py": Rival(
        "h5py", "h5py", "import h5py",
        "group = h5py.File(path)['events']\n"
        "    events = [group[n][:] for n in ('t', 'x', 'y', 'p')]",
        "len(events[0])",
        "events",
    ),
    "rosbags": Rival(
        "rosbags", "rosbags",
        "from pathlib import Path\nfrom rosbags.highlevel import AnyReader",
        f"events = []\n    {_BAG}",
        "sum(map(len, events))",
        "np.concatenate(events).T",
    ),
}  # fmt: skip
"""The libraries below the readers of containers."""

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
    """Events per second of a library, and its verdict.

    Attributes
    ----------
    rate
        None where it gives no events.
    verdict
        ``"exact"``, or what differs, or why there are no events.
    """

    rate: float | None
    verdict: str

    @property
    def exact(self) -> bool:
        """Whether its events are those of the file."""
        return self.verdict == "exact"


def time_rival(name: str, path: Path, encoding: str, truth: Events, rounds: int) -> Timed:
    """Time a library on a file; a rate of None where it gives no events.

    Parameters
    ----------
    name
        Key of ``RIVALS`` or ``ALONE``.
    path, encoding
        The file, and its format in a word: ``"evt3"``.
    truth
        Its events.
    rounds
        Rounds, of which the fastest counts.
    """
    rival = {**RIVALS, **ALONE}[name]
    if not rival.installed:
        return Timed(None, "not installed")
    code = _CHILD.format(
        imports=rival.imports, read=rival.read, count=rival.count, columns=rival.columns
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "events.npy"
        command = [sys.executable, "-c", code, str(path), str(rounds), encoding, str(out)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return Timed(None, f"no: it does not end in {TIMEOUT_S} s")
        # They print what they like; the figures have a line of their own.
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        timed = next((line for line in lines if line.startswith("timed ")), None)
        if done.returncode != 0 or timed is None:
            return Timed(None, _failure(done, path))
        count, seconds = json.loads(timed.removeprefix("timed "))
        if not count:
            return Timed(None, "no: it gives no events")
        verdict = _compared(np.load(out), truth)
    return Timed(len(truth) / float(seconds), verdict)


def _failure(done: subprocess.CompletedProcess[bytes], path: Path) -> str:
    """Tell why a library gave nothing: a crash, a panic, or its own words."""
    if done.returncode < 0:
        return f"no: it crashes (signal {-done.returncode})"
    said = done.stderr.decode("utf-8", "replace").replace(str(path), path.name)
    if "PanicException" in said or "panicked at" in said:
        return "no: it panics"
    errors = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception|Exit)\b.*", said, re.MULTILINE)
    return f"no: {ascii(errors[-1] if errors else said[-120:])[1:-1][:120]}"


def _compared(got: npt.NDArray[np.int64], truth: Events) -> str:
    if got.shape[1] != len(truth):
        return f"wrong: {got.shape[1]:,} of {len(truth):,} events"
    pairs = {"times": (got[0], truth["t"]), "columns": (got[1], truth["x"])}
    pairs |= {"rows": (got[2], truth["y"]), "polarities": (got[3] > 0, truth["p"] > 0)}
    wrong = [name for name, (theirs, ours) in pairs.items() if not bool((theirs == ours).all())]
    return f"wrong: {', '.join(wrong)}" if wrong else "exact"
