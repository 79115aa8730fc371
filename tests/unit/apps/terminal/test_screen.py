import io

from rich.console import Console

from spikewire.apps.terminal.scene import Scene
from spikewire.apps.terminal.screen import Lines, Screen, line, open_presenter


def test_lines_say_only_what_is_new() -> None:
    out = io.StringIO()
    lines = Lines(Console(file=out, width=200), every=3)
    for recognised in ("a", "a", "b", "b", "b", "b"):
        lines.show(Scene("live", {}, recognised=recognised))
    said = [text.rpartition(" ")[2] for text in out.getvalue().splitlines()]
    # The change is told at once, and the same answer again after three scenes.
    assert said == ["a", "b", "b"]


def test_a_line_names_question_answer_rate_and_latency() -> None:
    scene = Scene("live", recognised="b", truth="a", rate=1200.0, latency_us=900.0)
    assert line(scene) == "live | shown: a | recognised: b | 1.2 kev/s | latency 900 us"


def test_a_pipe_gets_lines_and_a_terminal_a_screen() -> None:
    with open_presenter(Console(file=io.StringIO())) as plain:
        assert isinstance(plain, Lines)
    out = io.StringIO()
    with open_presenter(Console(file=out, force_terminal=True, width=80, height=24)) as screen:
        assert isinstance(screen, Screen)
        screen.show(Scene("live", {"a": 1}, recognised="a"))
    shown = out.getvalue()
    assert "recognised" in shown
    # The alternate screen and the cursor are given back.
    assert shown.index("\x1b[?1049h") < shown.rindex("\x1b[?1049l")
    assert shown.rindex("\x1b[?25l") < shown.rindex("\x1b[?25h")
