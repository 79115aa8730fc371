import numpy as np
from numpy.typing import NDArray

from spikewire.apps.terminal.event_image import OFF_STYLE, ON_STYLE, EventImage

FIELDS = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])


def events(*rows: tuple[int, int, int]) -> NDArray[np.void]:
    return np.array([(0, x, y, p) for x, y, p in rows], FIELDS)


def test_an_empty_scene_is_blank() -> None:
    picture = EventImage((8, 8), columns=2, rows=1).render()
    assert picture.plain == "⠀⠀"


def test_each_dot_has_its_own_bit() -> None:
    # An 8x4 sensor on two cells of 2x4 dots: two pixels per dot across, one down.
    for column, row, character in [
        (0, 0, "⠁"),
        (2, 0, "⠈"),
        (0, 2, "⠄"),
        (3, 3, "⢀"),
    ]:
        image = EventImage((8, 4), columns=2, rows=1)
        image.add(events((column, row, 1)))
        assert image.render().plain[0] == character


def test_the_far_corner_is_inside_whatever_the_shape() -> None:
    image = EventImage((346, 260), columns=5, rows=3)
    image.add(events((345, 259, 1), (0, 0, 0)))
    lines = image.render().plain.split("\n")
    assert [len(line) for line in lines] == [5, 5, 5]
    assert lines[0][0] == "⠁"
    assert lines[2][4] == "⢀"


def test_colour_tells_polarity() -> None:
    image = EventImage((4, 4), columns=2, rows=1)
    image.add(events((0, 0, 1), (2, 0, 0), (2, 0, 0)))
    assert [span.style for span in image.render().spans] == [ON_STYLE, OFF_STYLE]


def test_old_events_fade_away() -> None:
    image = EventImage((4, 4), columns=2, rows=1)
    image.add(events((0, 0, 1)))
    image.fade()
    assert image.render().plain == "⠀⠀"
