import io

from rich.console import Console
from rich.text import Text

from spikewire.apps.terminal.scene import Scene, draw, share


def text_of(scene: Scene, width: int = 90, image: Text | None = None) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(draw(scene, image))
    return console.export_text()


def test_a_right_answer_is_marked() -> None:
    shown = text_of(
        Scene(
            "live",
            {"wave": 40, "clap": -3},
            recognised="wave",
            truth="wave",
            correct=9,
            labelled=10,
        )
    )
    assert "wave ✓" in shown
    assert "right 90 %" in shown


def test_a_wrong_answer_is_marked() -> None:
    assert "wave ✗" in text_of(Scene("live", {"wave": 1}, recognised="wave", truth="clap"))


def test_the_bar_grows_with_the_score() -> None:
    lines = text_of(Scene("live", {"a": 100, "b": 50, "c": -20})).splitlines()
    lengths = [line.count("█") for line in lines if line.count("┄") + line.count("█")]
    assert lengths == [12, 6, 0]


def test_nothing_known_yet() -> None:
    shown = text_of(Scene("watching"))
    assert "recognised -" in shown
    assert "shown" not in shown


def test_it_fits_a_narrow_terminal() -> None:
    image = Text("\n".join("x" * 32 for _ in range(16)))
    scene = Scene("live", {"a" * 40: 1}, recognised="a" * 40)
    assert max(len(line) for line in text_of(scene, width=40, image=image).splitlines()) <= 40


def test_share() -> None:
    assert share(0, 0) == "-"
    assert share(2, 3) == "67 %"
