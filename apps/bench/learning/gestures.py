"""`spikewire bench gestures`: five real gestures, taught and recognised over the wire.

Four processes: this one, a server with an untrained network, a teacher, and a subscriber in an
interpreter of its own. The beginning of each clip is replayed and taught, in rounds; learning is
switched off; the rest of each clip is replayed; the class that the subscriber received most often
is the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import trio
import typer
from rich.table import Table

import spikewire
from spikewire.apps.bench.learning import teacher_process
from spikewire.apps.bench.learning.gestures_plan import (
    CLIPS,
    Lesson,
    count_correct,
    evaluate_segment,
    lessons,
    questions,
)
from spikewire.apps.bench.load.child_process import Child, child
from spikewire.apps.cli.errors import DONE, FAILED, CommandError
from spikewire.apps.cli.output import console, output_report, stderr_console

# Generous: the first start on a machine compiles every kernel.
_LIMIT_S = 900.0


def gestures(
    directory: Annotated[
        Path, typer.Argument(metavar="CLIPS", help="Folder with class_01.bin ... class_09.bin.")
    ],
    rounds: Annotated[int, typer.Option(min=1, max=5, help="Times each clip is taught.")] = 3,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Teach wrong names, which must fail.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the untrained network.")] = 0,
    model: Annotated[str, typer.Option(help="Preset to start from.")] = "edge",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Teach five real gestures over the socket, and test on the unseen rest of the clips.

    Exit code 0 if all five answers are correct, else 1.
    """
    for clip in CLIPS:
        if not (directory / f"{clip}.bin").is_file():
            raise CommandError(f"{directory / clip}.bin is missing; the folder needs five clips")
    plan = lessons(rounds, shuffle=shuffle_labels, seed=seed)
    report = trio.run(_bench, directory, plan, model, seed, as_json)
    report = {"bench": "gestures", "rounds": rounds, "shuffled_labels": shuffle_labels, **report}
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE if report["right"] == report["of"] else FAILED)


async def _bench(
    directory: Path, plan: Sequence[Sequence[Lesson]], model: str, seed: int, quiet: bool
) -> dict[str, Any]:
    note = stderr_console()
    note.quiet = quiet
    started = time.perf_counter()
    with trio.fail_after(_LIMIT_S):
        async with child(
            "server", spikewire, "run", "--json", "--source", f"shelf:{directory}",
            "--model", model, "--seed", str(seed), "--classes", ",".join(CLIPS), "--port", "0",
        ) as server:  # fmt: skip
            hello = await server.read()
            address = f"{hello['host']}:{hello['port']}"
            ready = time.perf_counter()
            async with (
                child(
                    "subscriber", spikewire, "watch", "--json", "--once", "-c", address
                ) as watcher,
                child("teacher", teacher_process, address) as teacher,
                trio.open_nursery() as nursery,
            ):
                results: list[dict[str, Any]] = []
                subscribed = trio.Event()
                nursery.start_soon(_collect, watcher, results, subscribed)
                await subscribed.wait()
                await teacher.read()
                for number, round_lessons in enumerate(plan, 1):
                    note.print(f"teaching, round {number} of {len(plan)}")
                    for lesson in round_lessons:
                        await _play(teacher, lesson)
                taught = time.perf_counter()
                note.print("asking")
                await teacher.ask({"learn": False})
                segments = [(q.clip, await _play(teacher, q)) for q in questions()]
                done = time.perf_counter()
                # Ctrl-C on the server is the ordered end: subscribers get all results first.
                server.interrupt()
                code = await server.wait()
                if code != DONE:
                    raise CommandError(f"the server ended with exit code {code}")
    verdicts = [evaluate_segment(clip, segment, results) for clip, segment in segments]
    return {
        "clips": [verdict.record() for verdict in verdicts],
        "right": count_correct(verdicts),
        "of": len(verdicts),
        "seconds": {
            "start": round(ready - started, 2),
            "teach": round(taught - ready, 2),
            "ask": round(done - taught, 2),
        },
    }


async def _collect(watcher: Child, results: list[dict[str, Any]], subscribed: trio.Event) -> None:
    async for message in watcher.lines():
        # The first line says that the subscription stands, before anything is played.
        subscribed.set()
        if message.get("topic") == "result":
            results.append(message)


async def _play(teacher: Child, lesson: Lesson) -> int:
    answer = await teacher.ask(
        {
            "label": lesson.label,
            "play": f"{lesson.clip}.bin",
            "start_us": lesson.start_us,
            "stop_us": lesson.stop_us,
        }
    )
    return int(answer["segment"])


def _print(report: dict[str, Any]) -> None:
    table = Table("clip", "received", "share of results", "results")
    for clip in report["clips"]:
        mark = "[green]\N{CHECK MARK}[/]" if clip["right"] else "[red]\N{BALLOT X}[/]"
        table.add_row(
            clip["clip"], f"{clip['received']} {mark}", f"{clip['share']:.0%}", str(clip["results"])
        )
    out = console()
    out.print(table)
    seconds = report["seconds"]
    out.print(
        f"{report['right']} of {report['of']} right after {report['rounds']} rounds"
        f"{' of wrong names' if report['shuffled_labels'] else ''}"
        f" (start {seconds['start']:.1f} s, teaching {seconds['teach']:.1f} s,"
        f" asking {seconds['ask']:.1f} s)"
    )
