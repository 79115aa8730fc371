"""Replays of many recordings: each for itself, here or side by side, whatever happens to one."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from spikewire.apps import commands as cli
from spikewire.qcore import Network, load_preset
from tests.support.bars import bar, cut

SEED = ["--seed", "3"]


def make_walks(folder: Path) -> Path:
    """Make two classes of two recordings each, one of which is damaged."""
    bar(folder / "left" / "1.bin", step=-1)
    cut(bar(folder / "left" / "2.bin", step=-2))
    bar(folder / "right" / "1.bin")
    bar(folder / "right" / "2.bin", step=2)
    return folder


@pytest.fixture
def walks(tmp_path: Path) -> Path:
    """Recordings of one test, which may change them."""
    return make_walks(tmp_path / "walks")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that has learned from such recordings; no test changes it."""
    folder = tmp_path_factory.mktemp("taught")
    walks, path = make_walks(folder / "walks"), folder / "taught.model"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["replay", str(walks), "--learn", *SEED, "--save", str(path), "--json"])
    assert code == 1
    summary = json.loads(out.getvalue().splitlines()[-1])
    # The damage costs its recording only; what was learned of the others is kept.
    assert summary["updates"] > 0
    assert [Path(one["file"]).parts[-2:] for one in summary["recordings"]] == [
        ("left", "1.bin"), ("left", "2.bin"), ("right", "1.bin"), ("right", "2.bin"),
    ]  # fmt: skip
    assert all(one["results"] >= 12 for one in summary["recordings"])
    assert "left/2.bin is damaged at byte 5,995" in err.getvalue()
    assert Network.load(path).updates == summary["updates"]
    path.chmod(0o444)
    return str(path)


def told(
    capsys: pytest.CaptureFixture[str], *words: str, code: int = 0
) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    assert cli.run(["replay", *words, "--json"]) == code
    heard = capsys.readouterr()
    *results, summary = [json.loads(line) for line in heard.out.splitlines()]
    return results, summary, heard.err


def test_each_recording_of_a_folder_stands_alone(
    walks: Path, taught: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.jsonl"
    results, summary, err = told(capsys, str(walks), "--model", taught, "--out", str(out), code=1)
    assert [json.loads(line) for line in out.read_text().splitlines()] == results
    assert summary["of"] == len(summary["recordings"]) == 4
    assert summary["judged"] == summary["results"] == len(results)
    assert summary["shown"] == 4
    assert err.count("is damaged at byte 5,995") == 1
    assert summary["recordings"][1]["error"] in err
    for number, path in enumerate(sorted(walks.glob("*/*.bin"))):
        alone, _, _ = told(
            capsys, str(path), "--model", taught, "--label", path.parent.name,
            code=int(path.parts[-2:] == ("left", "2.bin")),
        )  # fmt: skip
        mine = [one for one in results if one["segment"] == number]
        assert [one | {"segment": 0} for one in mine] == alone


def test_files_are_one_story(walks: Path, taught: str, capsys: pytest.CaptureFixture[str]) -> None:
    from spikewire.apps.service.in_process import run_in_process
    from spikewire.sensors import Excerpt, FileSource

    paths = [walks / "right" / "1.bin", walks / "left" / "1.bin"]
    results, summary, _ = told(capsys, *map(str, paths), "--model", taught)
    source = FileSource([Excerpt(path) for path in paths])
    heard: list[Any] = []
    trio.run(
        partial(
            run_in_process, source, Network.load(taught), heard.append, learn=False, labels="source"
        )
    )
    # One service over both files gives the very same ticks, times and scores.
    for name in ("segment", "tick", "t_us", "class", "scores", "spikes"):
        assert [one[name] for one in results] == [one[name] for one in heard]
    assert {one["segment"] for one in results} == {0, 1}
    assert summary["tick"] > results[-1]["tick"]


def test_labels_may_be_given_for_a_folder(
    walks: Path, taught: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results, summary, _ = told(
        capsys, str(walks / "right"), "--model", taught, "--label", "right", "--stop", "50ms"
    )
    assert {one["truth"] for one in results} == {"right"}
    assert all(one["results"] <= 6 for one in summary["recordings"])
    # Nobody says what is shown in a flat folder: nothing is judged.
    results, summary, _ = told(capsys, str(walks / "right"), "--model", taught)
    assert {one["truth"] for one in results} == {None}
    assert "accuracy" not in summary


def test_a_frozen_network_keeps_to_its_classes(
    walks: Path, taught: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (walks / "right").rename(walks / "elsewhere")
    (walks / "left" / "2.bin").unlink()
    results, summary, err = told(capsys, str(walks), "--model", taught)
    assert "does not know elsewhere" in err
    assert {tuple(one["scores"]) for one in results} == {("left", "right")}
    assert summary["by_class"]["elsewhere"]["right"] == 0


def test_people_get_tables(walks: Path, taught: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["replay", str(walks), "--model", taught]) == 1
    heard = capsys.readouterr().out
    for part in ("left/2.bin", "(damaged)", "4 recordings,", "of 4 right by summed scores",
                 "1 of 4 could not be read to the end"):  # fmt: skip
        assert part in heard


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--labels", "a.csv"], "NAME_labels.csv beside a recording"),
        (["--workers", "2", "--learn"], "leave --workers out"),
        (["--workers", "2", "--speed", "1"], "--speed is for one recording after the other"),
        (["--workers", "2", "--view"], "--view shows one recording at a time"),
        (["--cluster", "tcp://a"], "--cluster tcp://a: 'a' is not HOST:PORT"),
        (["--cluster", "tcp://a:1", "--workers", "1"], "the cluster of --cluster has its own"),
        (["--view", "--json"], "give one of them"),
        (["--save", "x.model"], "--learn changes it"),
        (["--out", "a.txt"], "ends in .jsonl or .csv"),
        (["--plot", "a.txt"], "ends in .png or .svg"),
    ],
)
def test_wrong_usage(
    more: list[str], part: str, walks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["replay", str(walks), *more]) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert part in heard.err
    assert len(heard.err.splitlines()) == 1


def test_wrong_usage_of_files(
    walks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(walks / "right" / "1.bin")
    assert cli.run(["replay", one, "--trials", "test"]) == 2
    assert "--trials chooses a part of a folder" in capsys.readouterr().err
    assert cli.run(["replay", one, str(tmp_path / "gone.bin")]) == 2
    assert "gone.bin" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert cli.run(["replay", str(tmp_path / "empty")]) == 2
    assert "holds no recordings" in capsys.readouterr().err


def test_without_the_extra_it_is_named(
    walks: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.run(["replay", str(walks), "--workers", "1"]) == 2
    assert "replaying with --workers needs distributed: pip" in capsys.readouterr().err


@pytest.mark.slow
def test_side_by_side_writes_the_same_bytes(
    walks: Path, taught: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    words = [str(walks), "--model", taught, "--filter", "background:5ms", "--out"]
    here = told(capsys, *words, str(files[0]), code=1)
    there = told(capsys, *words, str(files[1]), "--workers", "2", code=1)
    assert here == there
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_a_cluster_elsewhere(
    walks: Path, taught: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    monkeypatch.chdir(walks)
    here = told(capsys, "left", "right/1.bin", "--model", taught, code=1)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        there = told(
            capsys, "left", "right/1.bin", "--model", taught, "--cluster",
            cluster.scheduler_address, code=1,
        )  # fmt: skip
    assert here == there


@pytest.mark.slow
def test_a_killed_worker_costs_a_retry(walks: Path, taught: str) -> None:
    pytest.importorskip("distributed")
    from spikewire.apps.cluster import dask
    from spikewire.apps.cluster.fingerprint import fingerprint
    from spikewire.apps.replay.recording import replay_on_worker, to_plain
    from spikewire.sensors import Excerpt

    shared = {
        "model": Path(taught).read_bytes(), "drop": False, "filters": [],
        "version": fingerprint(replay_on_worker),
    }  # fmt: skip
    paths = [bar(walks / f"{n}.bin", milliseconds=4000) for n in range(3)]
    points = {
        path.name: {"excerpt": to_plain(Excerpt(path), absolute=True), "size": None}
        for path in paths
    }
    found = {}
    attempts: list[int] = []
    with dask.connected(None, 1) as client:
        for event in dask.compute(
            client,
            points,
            work=replay_on_worker,
            shared=shared,
            spare=True,
        ):
            if isinstance(event, dask.TrialStarted):
                attempts.append(event.attempt)
                if len(attempts) == 2:  # what all have in common dies with it
                    os.kill(event.pid, signal.SIGKILL)
            elif isinstance(event, dask.TrialFinished):
                found[event.trial] = event.result
    assert sorted(attempts) == [1, 1, 1, 2]
    assert sorted(found) == sorted(points)
    assert [one["error"] for one in found.values()] == [None] * 3
    first, *others = (one["results"] for one in found.values())
    assert len(first) >= 400
    assert all(one == first for one in others)


def test_a_worker_checks_what_it_is_given(walks: Path) -> None:
    from spikewire.apps.cli.errors import CommandError
    from spikewire.apps.cluster.fingerprint import fingerprint
    from spikewire.apps.cluster.worker import LostError, Worker
    from spikewire.apps.replay.recording import replay_on_worker, to_plain
    from spikewire.sensors import Excerpt, Label

    path = walks / "right" / "1.bin"
    excerpt = to_plain(Excerpt(path, labels=(Label("a", 0, 50_000),), size=(34, 34)), absolute=True)
    settings: dict[str, Any] = {
        "model": Network.build(load_preset("edge"), ("a", "b"), 1).to_bytes(),
        "drop": False, "filters": (), "version": fingerprint(replay_on_worker),
        "excerpt": excerpt, "size": path.stat().st_size,
    }  # fmt: skip
    worker = Worker(lambda passes: None, lambda: True)
    found = replay_on_worker(settings, worker)
    assert {one["truth"] for one in found["results"]} == {"a", None}
    assert found["error"] is None
    with pytest.raises(CommandError, match=r"a worker runs spikewire .* begun with 0\.0"):
        replay_on_worker(settings | {"version": "0.0"}, worker)
    with pytest.raises(CommandError, match="is another recording for a worker"):
        replay_on_worker(settings | {"size": 5}, worker)
    with pytest.raises(BaseExceptionGroup) as raised:
        replay_on_worker(settings, Worker(lambda passes: None, lambda: False))
    assert raised.group_contains(LostError)
    gone = excerpt | {"path": str(walks / "gone.bin")}
    outcome = replay_on_worker(settings | {"excerpt": gone, "size": None}, worker)
    assert "gone.bin" in outcome["error"]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_whole_lines(sent: int, walks: Path, taught: str) -> None:
    for n in range(60):
        bar(walks / "left" / f"many{n:02}.bin")
    out = walks.parent / "out.csv"
    with subprocess.Popen(
        [sys.executable, "-m", "spikewire", "replay", str(walks), "--model", taught, "--json",
         "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        heard = [json.loads(process.stdout.readline()) for _ in range(20)]
        process.send_signal(sent)
        heard += [json.loads(line) for line in process.stdout]
        assert process.stderr is not None
        err = process.stderr.read()
    assert process.returncode == 1
    assert err.splitlines()[-1] == "spikewire: interrupted"
    *results, summary = heard
    assert summary["interrupted"]
    assert len(summary["recordings"]) < summary["of"] == 64
    text = out.read_text()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1 + len(results) == 1 + summary["results"]


def test_the_document_uses_what_there_is() -> None:
    import re

    from typer.testing import CliRunner

    from spikewire.apps.replay.export import FIELDS

    text = (Path(__file__).parents[3] / "docs" / "replay.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z]+", text))
    help_text = (
        CliRunner().invoke(cli.application(), ["replay", "--help"], env={"COLUMNS": "200"}).output
    )
    assert all(option in help_text for option in named), named
    assert all(f"`{field}`" in text for field in FIELDS)
