"""Processes of ours end when we do: in order, by a signal, and by `kill -9`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spikewire._children import supervised

LEAF = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()}\\n'); time.sleep(1e6)"

CAMERA = """
import sys, trio
from spikewire.sensors import AestreamCamera

async def ignore(packet):
    pass

trio.run(AestreamCamera("inivation", size=(9, 9), program=sys.argv[1:]).run, ignore)
"""

READER = """
import sys
from pathlib import Path
from spikewire.sensors.recordings.aestream_reader import read_by_aestream

list(read_by_aestream(Path("a.dat"), program=sys.argv[1:]))
"""

POOL = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from spikewire._children import exit_with_parent

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=exit_with_parent) as pool:
        pid = pool.submit(os.getpid).result()
        with open(sys.argv[4], "w") as file:
            print(pid, file=file)
        time.sleep(1e6)
"""


def pid_in(path: Path) -> int:
    """Wait until a process has written its number."""
    until = time.monotonic() + 60
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Tell whether a process is over within some seconds; a zombie without a parent is."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("program", [CAMERA, READER, POOL], ids=["camera", "reader", "pool"])
def test_a_child_ends_with_its_parent(program: str, number: int, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    main = tmp_path / "main.py"
    main.write_text(program)
    command = [sys.executable, str(main), sys.executable, "-c", LEAF, str(pid)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        child = pid_in(pid)
        os.kill(child, 0)
        parent.send_signal(number)
    assert gone(child)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells a process of it")
def test_a_child_ends_with_a_killed_supervisor(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = supervised([sys.executable, "-c", LEAF, str(pid)])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as supervisor:
        child = pid_in(pid)
        supervisor.kill()
    assert gone(child)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("", 0),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import sys; sys.exit(sys.stdin.read() != '')", 0),
    ],
)
def test_the_outcome_is_the_programs(program: str, code: int) -> None:
    command = supervised([sys.executable, "-c", program])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(60) == code


def test_a_stubborn_program_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LEAF}"
    command = supervised([sys.executable, "-c", program, str(pid)])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        child = pid_in(pid)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == -9
    assert gone(child)


def test_a_program_that_is_none_is_told() -> None:
    done = subprocess.run(supervised(["/no/where"]), capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (
        1, "/no/where cannot be started: No such file or directory\n"
    )  # fmt: skip
