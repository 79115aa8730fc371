from pathlib import Path
from xml.etree import ElementTree

from spikewire.apps.demo.svg import save_picture
from spikewire.apps.terminal.event_image import EventImage
from spikewire.apps.terminal.scene import Scene


def test_the_picture_is_svg_and_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "demo.svg"
    save_picture(path, Scene("live", {"wave": 1}, recognised="wave"), EventImage((4, 4)))
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = path.read_text(encoding="utf-8")
    assert "wave" in text
    assert "url(http" not in text.replace('"', "")
    assert "Fira" not in text
