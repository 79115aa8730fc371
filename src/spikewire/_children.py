"""Processes of ours that end when this one does, however it ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_SUPERVISOR = """
import ctypes, os, select, signal, subprocess, sys

def bind():
    # Linux: the program dies with its supervisor, too. Safe here: there is one thread.
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except Exception:
        pass

told = []
wake_in, wake_out = os.pipe()
os.set_blocking(wake_in, False)
os.set_blocking(wake_out, False)
signal.set_wakeup_fd(wake_out)
for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda got, frame: told.append(got))
try:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=bind)
except OSError as error:
    sys.exit(f"{sys.argv[1]} cannot be started: {error.strerror}")
ending = False
while child.poll() is None:
    ready = select.select([wake_in] if ending else [wake_in, 0], [], [], 1.5 if ending else None)[0]
    if ending and not ready:
        child.kill()
    if wake_in in ready:
        os.read(wake_in, 512)
    over = 0 in ready and not os.read(0, 512)
    if not ending and (over or signal.SIGTERM in told):
        child.terminate()
        ending = True
code = child.returncode
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def supervised(command: Sequence[str]) -> list[str]:
    """Return the command of a supervisor that runs a program until its standard input ends.

    This process holds the other end of that pipe. When it ends, by ``kill -9`` as well, the pipe
    ends, and the supervisor terminates the program. The exit code or signal is the program's. What
    Linux offers for this (``PR_SET_PDEATHSIG``) would do it alone, but not from a thread that ends
    before its process.

    Parameters
    ----------
    command
        The program and its arguments.
    """
    return [sys.executable, "-I", "-S", "-c", _SUPERVISOR, *command]


def die_with_parent() -> None:
    """Let this process, which the main thread has forked, be killed when its parent ends."""
    with suppress(OSError, AttributeError):  # Linux has it
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def exit_with_parent() -> None:
    """Let this process of ``multiprocessing`` end when the one that started it does."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="parent watcher").start()
