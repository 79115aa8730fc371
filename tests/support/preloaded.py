"""A process that has loaded everything once, and forks itself for each command of spikewire.

A command computes for 0.7 s until it begins, for 1.5 s where it needs the kernels, and the
documents name a hundred of them. Here each still runs in a process of its own, from its own command
line, with the environment, folder, files and signals of the caller. Only the loading is shared.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")

PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys

link = socket.socket(socket.AF_UNIX)
for name in {forwarded}:
    signal.signal(getattr(signal, name), lambda number, frame: link.send(bytes([number])))
link.connect({path})
asked = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(link, [len(asked).to_bytes(4, "big")], [0, 1, 2])
link.sendall(asked)
answer = b""
while len(answer) < 4:
    got = link.recv(4 - len(answer))
    if not got:
        sys.exit("the process that runs commands for tests has died")
    answer += got
code = os.waitstatus_to_exitcode(int.from_bytes(answer, "big"))
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class Preloaded:
    """The process that forks itself, for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "preloaded.sock"
        self._log = folder / "preloaded.log"

    def __enter__(self) -> Preloaded:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SPIKEWIRE_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.preloaded", str(self.path)], cwd=ROOT,
                env={**environment, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", self._log.read_text()
        return self

    def __exit__(self, *how: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def write_program(self, path: Path) -> None:
        """Write a program that runs `spikewire` in a fork."""
        text = PROGRAM.format(
            python=sys.executable, forwarded=FORWARDED, path=ascii(str(self.path))
        )
        path.write_text(text)
        path.chmod(0o755)


def load() -> None:
    """Import all of spikewire but its entry points, and with it what it needs."""
    import spikewire
    from spikewire._jit import KERNELS

    for module in pkgutil.walk_packages(spikewire.__path__, "spikewire."):
        # Extras may be missing. The entry points are for the forks to import.
        if module.name not in ("spikewire.__main__", "spikewire.apps.main"):
            with suppress(ImportError):
                importlib.import_module(module.name)
    for kernels in KERNELS.values():
        list(kernels.values())  # taken out, each is loaded: once, and not in every fork
    gc.collect()
    gc.freeze()


def serve(path: str) -> Any:
    """Fork for every caller. In a fork that is to be a command: return its command line."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended: see _keep
    print("ready", flush=True)
    while True:
        link, _ = listener.accept()
        if os.fork():
            link.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return _keep(link)


def _keep(link: socket.socket) -> Any:
    """Start a command, hand on its signals and its exit code, and end it if the caller is gone."""
    head, files, *_ = socket.recv_fds(link, 4, 3)
    size, asked = int.from_bytes(head, "big"), b""
    while len(asked) < size:
        asked += link.recv(size - len(asked))
    command = os.fork()
    if not command:
        link.close()
        return _become(json.loads(asked), files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(command)
    while ended not in (ready := select.select([ended, link], [], [])[0]):
        assert ready
        for number in link.recv(16) or [signal.SIGKILL]:
            os.kill(command, number)
            if number == signal.SIGKILL:
                os._exit(1)
    _, status = os.waitpid(command, 0)
    with suppress(OSError):
        link.sendall(status.to_bytes(4, "big"))
    os._exit(0)


def _become(asked: Any, files: list[int]) -> Any:
    """Take the caller's files, folder and environment."""
    words, folder, environment = asked
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    unbuffered = bool(environment.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=unbuffered)
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.stderr.reconfigure(line_buffering=True)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return words


def _leave(code: Any) -> None:
    """End the process as Python does, all but the freeing of what was loaded.

    That touches every page that the forks share: it took three times as long as most commands.
    """
    assert isinstance(code, int), code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    load()
    sys.argv = serve(sys.argv[1])
    from spikewire.apps.main import main

    try:
        main()
    except SystemExit as left:
        _leave(left.code)
