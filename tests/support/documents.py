"""What the documents tell a person to type, and a stage on which it is really done.

A line of a fenced shell block is one command line; a backslash at its end and a loop go on in the
next. `<!-- file: NAME -->` before a block means that a person writes the block into that file.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.patience import patience
from tests.support.preloaded import Preloaded
from tests.support.programs import SBIN

ROOT = Path(__file__).parents[2]
SHELL = ("", "sh", "bash", "shell", "console")
LIMIT_S = patience(120)
ENDLESS = ("run", "dashboard", "gesture", "watch", "bridge", "demo", "record")
READY = re.compile(
    r"listening on |dashboard at |others see it with|^recording |there; publishing|recognised|"
    r'Server is ready|"type": ?"(listening|serving|hello|recording)"',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Line:
    """Something to type, or with a name a file to write, and where the document says so."""

    document: str
    number: int
    section: int
    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.document}:{self.number}: {self.text.splitlines()[0]}"


def documents() -> list[str]:
    """README.md and all of docs, by their paths from the root."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def lines_of(document: str) -> list[Line]:
    """Every command line and file of a document, in order."""
    found: list[Line] = []
    fence: str | None = None
    name, section, held, began = "", 0, "", 0
    for number, raw in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        if fence is None:
            section += bool(re.match(r"##? ", raw))
            if given := re.match(r"<!-- file: (\S+) -->", raw):
                name = given[1]
            elif opened := re.match(r"```(\w*)", raw):
                fence, held, began = opened[1], "", number + 1
        elif raw.startswith("```"):
            if name:
                found.append(Line(document, began, section, held, name))
            fence, name, held = None, "", ""
        elif name:
            held += raw + "\n"
        elif fence in SHELL and not (not held and raw.lstrip().startswith("#")) and raw.strip():
            began = began if held else number
            held += raw.removesuffix("\\") if raw.endswith("\\") else raw + "\n"
            looping = re.match(r"for .*; do", held) and not held.endswith("done\n")
            if not raw.endswith("\\") and not looping:
                found.append(Line(document, began, section, held.strip()))
                held = ""
    return found


def bare(text: str) -> str:
    """A command line without its comment."""
    return re.sub(r"\s+#\s.*$", "", text, flags=re.MULTILINE).strip()


def commands_in(text: str) -> list[str]:
    """The spikewire commands that a line has, by name."""
    return re.findall(r"\bspikewire ((?:bench )?[a-z]+)", bare(text))


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """Something that goes on in the background."""

    told: str
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@dataclass
class Stage:
    """A scratch folder in which lines are run as in one terminal after the other.

    Parameters
    ----------
    folder
        Where it happens.
    port
        Of the services that say nothing of a port, and so of their clients.
    nats
        Of the NATS server.
    preloaded
        A process that commands are forked from; without it each starts Python anew.
    """

    folder: Path
    port: int
    nats: int = 4222
    preloaded: Preloaded | None = None
    services: list[Service] = field(default_factory=list)

    def __post_init__(self) -> None:
        programs = self.folder / ".bin"
        programs.mkdir()
        program = programs / "spikewire"
        if self.preloaded is not None:
            self.preloaded.write_program(program)
        else:
            program.write_text(
                f"#!{sys.executable}\nfrom spikewire.apps.main import main\n\n"
                'if __name__ == "__main__":\n    main()\n'
            )
            program.chmod(0o755)
        beside = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"], *SBIN]
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPIKEWIRE_")},
            "PATH": os.pathsep.join(beside), "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120",
            "SPIKEWIRE_PORT": str(self.port), "SPIKEWIRE_NATS": f"nats://127.0.0.1:{self.nats}",
            "TERM": "dumb",
        }  # fmt: skip

    def do(self, line: Line, text: str) -> None:
        """Write a file, run a line to its end, or leave it running if it has none of its own."""
        if line.name:
            path = self.folder / line.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        text = self._addressed(bare(text))
        background = text.endswith("&")
        if background or self._endless(text):
            self._start(line, text.removesuffix("&").strip())
            return
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=self.folder, env=self._environment,
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{line}\nran as: {text}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        assert "Traceback" not in done.stderr, f"{line}\n{done.stderr}"

    def end(self) -> None:
        """End what goes on, the last one first, as Ctrl-C does; all of it has to end well."""
        wrong = []
        while self.services:
            service = self.services.pop()
            if service.process.poll() is None:
                service.process.send_signal(signal.SIGINT)
            try:
                code = service.process.wait(patience(15))
            except subprocess.TimeoutExpired:
                service.process.kill()
                code = service.process.wait()
            if code or "Traceback" in service.said():
                wrong.append(f"{service.told}\nexit code {code}\n{service.said()}")
        assert not wrong, "\n".join(wrong)

    def kill(self) -> None:
        """End what goes on, however."""
        for service in self.services:
            service.process.kill()
            service.process.wait()

    def _addressed(self, text: str) -> str:
        # Clients find a service that says nothing of a port where this stage has it.
        where = f" --connect 127.0.0.1:{self.port}"
        for name in ("watch", "teach", "play", "status", "learn", "undo", "checkpoint", "bridge",
                     "dashboard"):  # fmt: skip
            if not re.search(r" (--connect|-c|--source) ", text):
                text = re.sub(rf"\bspikewire {name}\b", rf"\g<0>{where}", text)
        if self.services:
            text = text.replace("$!", str(self.services[-1].process.pid))
        serving = re.compile(r"\bspikewire (record(?=.* --model)|dashboard(?=.* --source))\b")
        if "--port" not in text:
            # Where it is taken, a person gets another one, too. The demo takes its own.
            ours = re.compile(r"ran as: spikewire (run|record|dashboard .*--source)\b")
            taken = any(ours.search(service.told) for service in self.services)
            text = serving.sub(rf"\g<0> --port {0 if taken else self.port}", text)
        return text

    @staticmethod
    def _endless(text: str) -> bool:
        named = commands_in(text)
        bounded = re.search(r" --(for [1-9]|(once|speed max)\b)", text) or "duration=" in text
        return bool(named) and named[0] in ENDLESS and not bounded

    def _start(self, line: Line, text: str) -> None:
        log = self.folder / f".log{line.number}-{len(self.services)}"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"], cwd=self.folder, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        service = Service(f"{line}\nran as: {text}", process, log)
        self.services.append(service)
        until = time.monotonic() + LIMIT_S
        while not READY.search(service.said()) and process.poll() is None:
            assert time.monotonic() < until, f"{service.told}\nsays nothing\n{service.said()}"
            time.sleep(0.05)
