"""SIGINT and SIGTERM of commands whose parent ignores both, as nohup and scripts do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spikewire.apps.cli.signals import IGNORE_SIGINT, signals_deferred, sigterm_as_interrupt

LIMIT_S = 120
# A page needs no kernels and no service: of the commands without an end it is there first.
PAGE = ("dashboard", "--http-port", "0", "--json")
SERVICE = ("run", "--json", "--source", "sim:", "--port", "0")


@contextmanager
def under_trap(
    words: tuple[str, ...], **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command as a shell does that ignores both signals; yields its first line, too."""
    script = 'trap "" INT TERM; exec "$@"'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", sys.executable, "-m", "spikewire", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    ) as running:  # fmt: skip
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline()
        finally:
            running.kill()


def waiting_for(pid: int) -> set[int]:
    """Return the signals that were sent to a process and that no thread of it takes."""
    (mask,) = re.findall(r"ShdPnd:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [PAGE, SERVICE], ids=["dashboard", "run"])
def test_a_parent_that_ignores_signals_does_not_make_a_command_ignore_them(
    words: tuple[str, ...], sent: signal.Signals
) -> None:
    with under_trap(words) as (running, hello):
        assert json.loads(hello)["type"] in ("serving", "listening")
        running.send_signal(sent)
        out, err = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0
    assert "Traceback" not in err
    if words is SERVICE:
        assert json.loads(out.splitlines()[-1])["reason"] == "stopped"


@pytest.mark.slow
def test_sigint_is_ignored_where_that_is_asked_for() -> None:
    with under_trap(PAGE, **{IGNORE_SIGINT: "1"}) as (running, hello):
        running.send_signal(signal.SIGINT)
        # It goes on: it answers, and has not taken the signal.
        with urllib.request.urlopen(json.loads(hello)["url"], timeout=LIMIT_S) as page:
            assert page.status == 200
        assert waiting_for(running.pid) == {signal.SIGINT}
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0


@pytest.mark.parametrize("command", ["train", "record"])
def test_commands_with_an_end_of_their_own_hear_ctrl_c_too(command: str) -> None:
    script = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from spikewire.apps.cli import signals\n"
        "signals.prepare()\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "signals.begin()\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


@pytest.mark.parametrize(
    ("command", "code"), [("train", 1), ("info", 1), ("run", 0), ("dashboard", 0), ("demo", 0)]
)
def test_ctrl_c_while_loading_is_one_sentence(command: str, code: int) -> None:
    script = (
        "import signal\n"
        "from spikewire.apps.cli import signals\n"
        "signals.prepare()\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (done.stdout, done.returncode) == ("", code)
    assert done.stderr == "spikewire: interrupted while loading\n"


def test_ctrl_c_within_loading_ends_at_once_and_after_it_is_pythons_again() -> None:
    script = (
        "import signal, sys\n"
        "from spikewire.apps.cli import signals\n"
        "with signals.loading():\n"
        "    pass\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('after', flush=True)\n"
        "with signals.loading():\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('within')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert (done.stdout, done.returncode) == ("after\n", 1)
    assert done.stderr == "spikewire: interrupted while loading\n"


def test_signals_come_after_a_block_that_defers_them() -> None:
    steps = []
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with sigterm_as_interrupt(), signals_deferred():
            signal.raise_signal(signal.SIGTERM)
            steps.append("done")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["done"]
    assert signal.getsignal(signal.SIGTERM) is before
