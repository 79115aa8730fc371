"""Mistakes of users: the exit code by the one rule, and a sentence that helps.

2: the command line cannot have been meant (wrong words and values, a file that is not there, a
missing extra). 1: it was meant, and failed.
"""

from __future__ import annotations

import builtins
import os
import re
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands
from spikewire.apps.cli.errors import settle_code
from spikewire.sensors import simulate, write_events

MISTAKES = """
2 nonsense                                          | No such command 'nonsense'
2 repaly walk.aedat4                                | Did you mean 'replay'
2 walk.aedat4                                       | Did you mean file:walk.aedat4?
2 --nonsense                                        | No such option: --nonsense
2 info                                              | Missing argument
2 info missing.aedat4                               | missing.aedat4 cannot be read
2 info folder                                       | folder is a folder, not a recording
1 info text.txt                                     | text.txt
1 info empty.aedat4                                 | empty.aedat4 is empty
1 info cut.aedat4                                   |
2 info walk.aedat4 --size 12                        | '12' is not a sensor's size
2 info walk.aedat4 --filter nonsense                | there are refractory
2 info walk.aedat4 --nonsense                       | No such option
2 convert walk.aedat4                               | Missing argument
2 convert missing.aedat4 out.csv                    | missing.aedat4 cannot be read
2 convert walk.aedat4 out.nonsense                  | of no format that is written
2 convert walk.aedat4 nowhere/out.csv               | nowhere/out.csv cannot be written
2 convert walk.aedat4 walk.aedat4                   | give --force to replace it
2 convert walk.aedat4 out.csv --start 2s --stop 1s  | --stop must lie after --start
2 convert walk.aedat4 out.csv --cut 2s              | is no part
2 convert walk.aedat4 out.csv --filter nonsense     | there are refractory
1 convert cut.aedat4 out.csv                        | cut.aedat4
2 show missing.aedat4                               | missing.aedat4 cannot be read
1 show walk.aedat4 --start 9s                       | no event later than 9.00 s
1 show walk.aedat4 --start 9s --stop 10s            | no event between 9.00 s and 10.00 s
2 render missing.aedat4 out.png                     | missing.aedat4 cannot be read
2 render walk.aedat4 out.nonsense                   | .png
1 render walk.aedat4 out.png --start 9s             | there is no event to show
2 replay                                            | give files to replay
2 replay missing.aedat4                             | missing.aedat4 cannot be read
2 replay folder                                     | The folder folder holds no recordings
2 replay walk.aedat4 --model missing.model          | neither a file nor a preset
1 replay walk.aedat4 --model text.txt               | text.txt is cut short
2 replay walk.aedat4 --labels missing.csv           | missing.csv cannot be read
2 replay walk.aedat4 --learn                        | --learn needs to be told
2 replay walk.aedat4 --speed fast                   | 'fast' is not a speed
2 replay --session missing.json                     | missing.json cannot be read
2 replay walk.aedat4 --plot nowhere/x.png           | there is no folder nowhere
2 record                                            | Missing argument
2 record out.aedat4                                 | give --source URI
2 record out.aedat4 --source nonsense:              | is no source
2 record out.aedat4 --source walk.aedat4            | Did you mean file:walk.aedat4?
2 record out.aedat4 --source file:missing.aedat4    | missing.aedat4 cannot be read
2 record out.aedat4 --source sim:?nonsense=1        | has no setting 'nonsense'
2 record out.aedat4 --source sim: --for 5           | '5' is not a duration
2 record nowhere/out.aedat4 --source sim:           | there is no folder nowhere
2 record out.txt --source sim:                      | ends in .aedat4
2 run                                               | give --source
2 run --source sim: --model missing.model           | neither a file nor a preset
2 run --source sim: --port 99999                    | 65535
2 run --source sim: --host 0.0.0.0                  | loopback
2 run --source sim: --resume                        | --resume needs --checkpoint
2 run --source sim: --control-token missing.txt     | missing.txt cannot be read: no such file
2 run --config missing.toml                         | missing.toml
2 run --config text.txt                             | TOML
2 watch -c nowhere                                  | is not HOST:PORT
1 watch -c 127.0.0.1:1 --once --wait 0s             | Connection refused
2 teach                                             | Missing argument
2 teach wave --for 5                                | '5' is not a duration
1 teach wave --for 5s -c 127.0.0.1:1 --wait 0s      | Connection refused
1 status -c 127.0.0.1:1 --wait 0s                   | Connection refused
1 undo -c 127.0.0.1:1 --wait 0s                     | Connection refused
2 learn maybe                                       | 'on', 'off'
1 gesture --source file:text.txt                    | text.txt
1 record out.aedat4 --source file:empty.aedat4      | empty.aedat4 is empty
2 train walk.aedat4 --out out.model                 | is a file, not a folder
2 gesture --source file:missing.aedat4              | missing.aedat4 cannot be read
2 gesture --unknown maybe                           | 'maybe'
2 dashboard --host 0.0.0.0                          | say --public
2 dashboard --port 7                                | give --source
2 train missing --out m.model                       | The data set missing does not exist
1 train folder --out m.model                        | folder is empty
2 evaluate gestures missing                         | The data set missing does not exist
2 memory missing.model                              | neither a file nor a preset
2 simulate --out walk.aedat4                        | there is something already
2 demo --for 5                                      | '5' is not a duration
2 demo --record nowhere/x.svg                       | there is no folder nowhere
2 demo --lessons 5                                  | --lessons is for --untrained
2 bench nonsense                                    | No such command
2 doctor nonsense                                   | unexpected
""".strip().splitlines()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, one that is cut short, and what is none."""
    folder = tmp_path_factory.mktemp("mistakes")
    write_events([simulate("arm_roll", seconds=0.1)], folder / "walk.aedat4", (128, 128))
    whole = (folder / "walk.aedat4").read_bytes()
    (folder / "cut.aedat4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.aedat4").write_bytes(b"")
    (folder / "text.txt").write_text("hello\n")
    (folder / "folder").mkdir()
    return folder


def test_there_are_more_than_sixty() -> None:
    assert len(MISTAKES) > 60


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda line: line.partition("|")[0].strip())
def test_a_mistake_has_its_code_and_one_sentence(
    mistake: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    line, _, part = mistake.partition("|")
    code, *words = line.split()
    before = sorted(here.iterdir())
    assert commands.run(words) == int(code)
    told = capsys.readouterr()
    said = (told.err or told.out).splitlines()
    assert part.strip() in said[-1]
    assert said[-1].startswith("spikewire: ") or "cut.aedat4" in words
    assert "Traceback" not in "".join(said)
    assert sorted(here.iterdir()) == before  # nothing half done is left


def test_a_missing_extra_is_wrong_usage(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    importing = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] in ("starlette", "hypercorn"):
            raise ModuleNotFoundError(name=name)
        return importing(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert commands.run(["dashboard", "--connect", "127.0.0.1:1", "--http-port", "0"]) == 2
    assert "pip install 'spikewire[http]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "words", "code"),
    [
        ("a.csv cannot be read: No such file or directory.", ["replay", "a.csv"], 2),
        ("a.csv cannot be read: No such file or directory.", ["replay", "--labels=a.csv"], 2),
        ("a.csv cannot be read: No such file or directory.", ["run", "-s", "file:a.csv?loop=1"], 2),
        # Not named by the user: the fault of a data set, or of the moment.
        ("b/a.csv cannot be read: No such file or directory.", ["replay", "b.json"], 1),
        ("a.csv cannot be read: Permission denied.", ["replay", "a.csv"], 1),
        ("HDF5 needs pip install 'spikewire[hdf5]'.", ["info", "a.h5"], 2),
        ("The disk is full.", ["convert", "a.csv", "b.csv"], 1),
    ],
)
def test_the_rule(message: str, words: list[str], code: int) -> None:
    assert settle_code(message, 1, words) == code
    assert settle_code(message, 2, words) == 2


@pytest.mark.parametrize(
    "line",
    [
        "replay walk.aedat4 --learn --label a --save {}/m.model",
        "replay walk.aedat4 --out {}/r.csv",
        "render walk.aedat4 {}/p.png",
        "record {}/a.aedat4 --source sim:",
        "run --source sim: --record {}/a.aedat4",
    ],
)
def test_a_folder_that_may_not_be_written_is_told_before_the_work(
    line: str,
    here: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Root may write everywhere, so that the system's answer is replaced.
    allowed = os.access
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path and allowed(place, mode))
    monkeypatch.chdir(here)
    assert commands.run(line.format(tmp_path).split()) == 1
    told = capsys.readouterr().err
    assert re.fullmatch(r"spikewire: \S+ cannot be written: Permission denied\.\n", told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "replay text.txt", "gesture --source file:text.txt", "run", "run --source file:text.txt",
        "dashboard --source file:text.txt", "dashboard --source file:none.aedat4",
        "dashboard --source sim: --model none", "run --source sim: --model none",
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_kernels_are_compiled(
    line: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def compiled(**_: object) -> None:
        raise AssertionError("a first start compiles for a minute here")

    for command in ("replay.command", "gesture.command", "service.run", "dashboard.command"):
        monkeypatch.setattr(f"spikewire.apps.{command}.load_kernels", compiled)
    monkeypatch.chdir(here)
    assert commands.run(line.split()) in {1, 2}
    assert len(capsys.readouterr().err.splitlines()) == 1
