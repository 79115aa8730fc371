"""Every command line of the README's and the documents' shell blocks is really run.

Lines run in their document's order, in one scratch folder per document. Services go on until their
section ends; Ctrl-C must end them with exit code 0. What is changed, shortened or left out is in
the tables below, and nowhere else; an entry that no document has any more is an error.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import (
    ROOT,
    Line,
    Stage,
    bare,
    commands_in,
    documents,
    free_port,
    lines_of,
)
from tests.support.preloaded import Preloaded
from tests.support.programs import find_program, needed_program

NOT_RUN = {
    "make test": "it runs this test",
    "python3 -m venv .venv": "there is an environment already",
    "source .venv/bin/activate": "there is an environment already",
    "pip install": "tests install nothing",
    "nats-server &": "it is there before: BEFORE",
    "sudo ": "a test is no administrator",
    "journalctl": "it has no service of the system's",
    "podman ": "there are no containers here; test_deploy.py runs what they start",
    "PYTHONPATH=rivals spikewire bench decode": "minutes; test_decode_bench.py runs it small",
    "spikewire bench dvsgesture": "hours; test_dvsgesture_bench.py runs it small",
    "spikewire train DATA --model edge10 --through-time":
        "minutes, and PyTorch; test_through_time.py runs it small",
    "spikewire sweep DATA --model schaefer2020": "hours; test_sweep.py runs it small",
    "spikewire sweep nmnist --model paper": "days; test_sweep.py runs it small",
    "spikewire sweep people": "days; test_sweep.py runs it small",
    "spikewire simulate --out people --subjects 50": "minutes; other documents simulate less",
    "spikewire  ": "opens a browser; test_start.py runs it",
    "spikewire import digits.nir": "its network was trained elsewhere; test_import.py runs others",
    "spikewire run --source camera: --model digits.model": "that network again",
    "spikewire replay walk.aedat4 --model gestures --interactive":
        "keys need a terminal: test_replay_by_hand.py has one",
}  # fmt: skip
"""How a line begins that is not run here, and why."""

INSTEAD = {
    # A folder of the data that is at hand.
    "--task wave,clap --task rest": "--task arm_roll,air_drums --task hand_clapping",
    "docs/continual.png": "continual.png",
    " --strategies online,replay,prototypes,joint": "",
    "continual DATA": "continual DATA --seed 0 --strategies online,prototypes",
    # There is no camera here.
    "camera:": "sim:",
    "make demo": "spikewire demo --for 0s",
    '.spif?size=346x260" --model gestures': '.spif?size=346x260" --model gestures --port 0',
    # Minutes of showing and learning.
    "--subjects 29 --for 6s": "--subjects 2 --train 1 --lights natural --for 0.2s",
    "DATA --model edge --passes 4": "DATA --model edge --passes 1",
    "--for 30s": "--for 2s",
    "--for 12s": "--for 2s",
    "--for 5s": "--for 1s",
    "--for 4s": "--for 2s",
    "for n in 1 2 3 4 5;": "for n in 1 2 3;",
    "--vary weight=2,3,8": "--vary weight=8 --workers 1",
    "--workers 4": "--workers 1",
    "--recordings 300 --passes 3": "--recordings 20 --passes 1",
    # Other machines cannot reach the loopback.
    "--host 0.0.0.0": "--host 127.0.0.1",
    "DATA --part all": "DATA --part all --count-on 1",
}  # fmt: skip
"""What is replaced in lines, so that they run here and end soon."""

PORTS = ("7462", "7463", "4222", "3333")
"""Port numbers that stand for any free one."""

MATERIAL = {
    "docs/dashboard.md": ("secret.txt",),
    "docs/replay.md": ("walk.aedat4", "DATA", "user24_led.aedat", "user24_led_labels.csv"),
    "docs/recordings.md": ("walk.aedat4",),
    "docs/preset.md": ("vocabulary",),
    "docs/training.md": ("DATA",),
    "docs/continual.md": ("DATA",),
    "docs/sweep.md": ("nmnist",),
    "README.md": ("walk.aedat4",),
}
"""What a document takes for granted: files and folders of these names."""

BEFORE = {
    "docs/nats.md": "nats-server --addr 127.0.0.1 --port 4222 &",
    "docs/gesture.md": "spikewire run --source sim: --model gestures &",
}
"""What goes on already when a section of a document begins."""

FROM_THE_START = ("README.md", "docs/sweep.md")
"""Documents whose commands start Python anew, as a person's do.

The first one that anybody reads, and one whose command starts processes by the module that Python
was started with. The others' commands took longer to start than to run: they are forks of one
process that has loaded everything.
"""

PROGRAMS = ("curl",)
"""Programs that lines need beside those that every Linux has; such a line may be left out."""

OWN_TEST = {
    "bench camera": "test_camera_bench.py",
    "bench core": "test_core_bench.py",
    "bench decide": "test_decide_bench.py",
    "bench decode": "test_decode_bench.py",
    "bench dvsgesture": "test_dvsgesture_bench.py",
    "bench fewshot": "test_fewshot.py",
    "bench dashboards": "test_dashboards_bench.py",
    "bench gestures": "test_processes.py",
    "bench latency": "test_latency_bench.py",
    "bench picture": "test_picture_bench.py",
    "bench simulator": "test_convert.py",
    "bench soak": "test_soak_bench.py",
    "bench teachme": "test_teachme.py",
    "bench subscribers": "test_subscribers_bench.py",
    "bench twin": "test_baseline.py",
    "start": "test_start.py",
    "export": "test_import.py",
    "import": "test_import.py",
}
"""Measurements named in running text, which take minutes, and the tests that run them small."""

KNOWN = {
    "spikewire", "SPIKEWIRE_STALL_S=30", "make",
    "mkdir", "cp", "mv", "sed", "kill", "curl", "for",
}  # fmt: skip
"""First words of lines that are run as they stand."""


def reason(line: Line) -> str | None:
    """Why a line is not run."""
    return next((why for begin, why in NOT_RUN.items() if line.text.startswith(begin)), None)


def told_to_run() -> list[Line]:
    return [line for document in documents() for line in lines_of(document) if not line.name]


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    """A process that has loaded spikewire, which commands are forked from."""
    with Preloaded(tmp_path_factory.mktemp("preloaded")) as started:
        yield started


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory, preloaded: Preloaded) -> Path:
    """Recordings and folders that documents take for granted, made once, small."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make_material(tmp_path_factory.mktemp("material"), preloaded)
    # The processes that run tests have the folder above theirs in common: the first one makes it.
    shared = tmp_path_factory.getbasetemp().parent
    with (shared / "material.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / "material"
        if folder.exists():
            return folder
        return make_material(shared / "unfinished", preloaded).rename(folder)


def make_material(folder: Path, preloaded: Preloaded) -> Path:
    shutil.rmtree(folder, ignore_errors=True)  # it is there where another process failed
    folder.mkdir()
    (folder / "secret.txt").write_text("a-token-of-this-test\n")
    (folder / "vocabulary").mkdir()
    stage = Stage(folder, free_port(), preloaded=preloaded)
    made = [
        'spikewire record walk.aedat4 --source "sim:?seed=7&duration=2" --speed max',
        "spikewire simulate --out DATA --subjects 5 --train 4 --lights led --seconds 0.3",
        "cp DATA/user01_led.aedat user24_led.aedat",
        "cp DATA/user01_led_labels.csv user24_led_labels.csv",
        "mkdir vocabulary/come vocabulary/roll",
        "for n in 1 2 3 4 5; do for g in come roll; do"
        " cp walk.aedat4 vocabulary/$g/user0$n.aedat4; done; done",
    ]
    for text in made:
        stage.do(Line("material", 0, 0, text), text)
    if named := os.environ.get("SPIKEWIRE_DATA"):
        (folder / "nmnist").symlink_to(Path(named).resolve() / "nmnist")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("document", [d for d in documents() if any(map(bool, lines_of(d)))])
def test_every_command_of(
    document: str, material: Path, preloaded: Preloaded, tmp_path: Path
) -> None:
    ports = {
        number: str(free_port(socket.SOCK_DGRAM if number == "3333" else socket.SOCK_STREAM))
        for number in PORTS
    }
    for name in MATERIAL.get(document, ()):
        thing = material / name
        if thing.is_dir():
            (tmp_path / name).symlink_to(thing.resolve())
        elif thing.exists():
            shutil.copy(thing, tmp_path)
    for program in ("bash", BEFORE.get(document, "").split(" ")[0]):
        if program not in ("", "spikewire"):
            needed_program(program)
    forked = None if document in FROM_THE_START else preloaded
    stage = Stage(tmp_path, int(ports["7462"]), int(ports["4222"]), forked)
    real = (material / "nmnist").exists()
    skipped: list[str] = []
    try:
        if document in BEFORE:
            first = Line(document, 0, 0, BEFORE[document])
            stage.do(first, replaced(first.text, ports))
        section = None
        for line in lines_of(document):
            if line.section != section and section is not None:
                stage.end()
                if document in BEFORE:
                    stage.do(first, replaced(first.text, ports))
            section = line.section
            if " nmnist " in line.text and not real:
                skipped.append(f"{line}: set SPIKEWIRE_DATA to real recordings to run it")
                continue
            if (lacking := lacks(line)) is not None:
                skipped.append(f"{line}: install {lacking} to run it")
                continue
            if line.name or reason(line) is None:
                stage.do(line, replaced(line.text, ports))
        stage.end()
    finally:
        stage.kill()
    if skipped:
        pytest.skip("all else was run; " + "; ".join(skipped))


def lacks(line: Line) -> str | None:
    """A program that a line needs and this machine lacks."""
    words = re.split(r"\W+", "" if line.name else bare(line.text))
    return next((p for p in PROGRAMS if p in words and find_program(p) is None), None)


def replaced(text: str, ports: dict[str, str]) -> str:
    for old, new in INSTEAD.items():
        text = text.replace(old, new)
    return re.sub(r"\b(\d{4})\b", lambda found: ports.get(found[1], found[1]), text)


def test_every_line_is_run_or_listed() -> None:
    unknown = [
        str(line)
        for line in told_to_run()
        if reason(line) is None and bare(line.text).split()[0] not in KNOWN
    ]
    assert not unknown, "neither run nor listed with a reason:\n" + "\n".join(unknown)


def test_what_is_listed_is_in_the_documents() -> None:
    texts = [line.text for document in documents() for line in lines_of(document)]
    stale = [b for b in NOT_RUN if not any(text.startswith(b) for text in texts)]
    stale += [old for old in INSTEAD if not any(old in text for text in texts)]
    stale += [number for number in PORTS if not any(number in text for text in texts)]
    stale += [
        document
        for document in (*MATERIAL, *BEFORE, *FROM_THE_START)
        if document not in documents()
    ]
    assert not stale, f"no document has these any more: {stale}"


def test_what_text_names_is_run_somewhere() -> None:
    """Commands in running text: in a shell block as well, or small in a test of their own."""
    run = {name for line in told_to_run() for name in commands_in(line.text)}
    for document in documents():
        text = re.sub(r"```.*?```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.S)
        for name in re.findall(r"`spikewire ((?:bench )?[a-z]+)", text):
            if name in run:
                continue
            assert name in OWN_TEST, f"{document} names `spikewire {name}`, which no test runs"
            (own,) = (ROOT / "tests").rglob(OWN_TEST[name])
            assert name.removeprefix("bench ") in own.read_text(), f"{own} does not run {name}"


def test_the_invented_decoder_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from spikewire.apps.commands import run as spikewire
    from spikewire.sensors.formats import detect as detection
    from spikewire.sensors.formats import header

    text = (ROOT / "docs" / "decoder.md").read_text(encoding="utf-8")
    code = dict(re.findall(r"<!-- code: (\w+) -->\n```python\n(.*?)```", text, re.DOTALL))
    space = {**vars(detection), "NAMES": {}}
    exec(code["fixture"] + code["decoder"] + code["name"], space)
    head = "def recognised(head):\n"
    exec(head + code["detect"], space)
    was = detection.detect

    def detect(name: str, suffix: str, head: bytes, **more: object) -> object:
        return space["recognised"](head) or was(name, suffix, head, **more)

    monkeypatch.setattr(detection, "detect", detect)
    monkeypatch.setitem(header.NAMES, "dvx1", space["NAMES"]["dvx1"])
    events = [(0, 1, 2, 1), (5, 33, 0, 0), (5, 7, 30, 1), (700, 0, 33, 0), (60_000, 12, 13, 1)]
    path = tmp_path / "walk.dvx"
    path.write_bytes(space["dvx1"](events))
    assert spikewire(["info", str(path)]) == 0
    told = capsys.readouterr().out
    for line in re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].splitlines():  # type: ignore[index]
        assert line in told
    assert spikewire(["convert", str(path), str(tmp_path / "walk.csv")]) == 0
    rows = (tmp_path / "walk.csv").read_text().splitlines()[1:]
    assert [tuple(map(int, row.split(","))) for row in rows] == events
    path.write_bytes(space["dvx1"](events)[:-3])
    assert spikewire(["info", str(path)]) == 1
    assert "3 of an event's 6 bytes" in capsys.readouterr().out


def test_a_line_that_fails_is_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, free_port())
    with pytest.raises(AssertionError, match=r"a.md:7: false\n(?s:.)*exit code 1"):
        stage.do(Line("a.md", 7, 0, "false"), "false")
    line = Line("a.md", 8, 0, "bash -c 'echo listening on; exit 3' &")
    stage.do(line, line.text)
    with pytest.raises(AssertionError, match="exit code 3"):
        stage.end()


def test_a_line_without_an_end_is_left_running() -> None:
    assert not any(map(Stage._endless, ("spikewire gesture --for 12s", "spikewire watch --once")))
    assert all(map(Stage._endless, ("spikewire demo --for 0s", "spikewire watch")))
