"""The picture on the page: a VGA recording drawn sharp, coloured, filtered, cropped and saved."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, write_events
from tests.end_to_end.page import looking, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SIZE = (640, 480)
# How many columns of the canvas show anything but its most frequent colour.
COLUMNS = """() => {
    const canvas = document.getElementById("events");
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    const ground = pixels[0];
    const seen = new Set();
    pixels.forEach((pixel, at) => { if (pixel !== ground) seen.add(at % width); });
    return [canvas.width, canvas.height, seen.size];
}"""


def recording(path: Path, columns: range, *, seconds: float = 2.0) -> Path:
    """A recording in which every other pixel of some columns fires, ON or OFF by column."""
    count = int(seconds * 100_000)
    events = np.zeros(count, EVENT_DTYPE)
    events["t"] = np.arange(count) * 10
    events["x"] = np.asarray(columns)[np.arange(count) % len(columns)]
    events["y"] = 2 + np.arange(count) * 7 % (SIZE[1] - 4)
    events["p"] = events["x"] // 2 % 2
    write_events([events], path, SIZE)
    return path


def drawn(page: Any, wanted: Callable[[int, int, int], bool]) -> tuple[int, int, int]:
    """Wait until the canvas is (width, height, columns that show something) as wanted."""
    told = (0, 0, 0)
    for _ in range(600):
        told = tuple(page.evaluate(COLUMNS))
        if wanted(*told):
            return told
        page.wait_for_timeout(100)
    pytest.fail(f"the picture is {told}")


@pytest.fixture(scope="module")
def url(module_dashboard: Callable[..., str], tmp_path_factory: Any) -> str:
    folder = tmp_path_factory.mktemp("vga")
    file = recording(folder / "vga.aedat4", range(0, 640, 2))
    return module_dashboard(
        "--source", f"file:{file}?loop=1", "--record-folder", str(folder / "kept")
    )


def test_a_vga_recording_is_drawn_coloured_filtered_cropped_and_saved(
    browser: Any, url: str, tmp_path: Path
) -> None:
    with looking(browser, url) as page:
        drawn(page, lambda width, height, seen: (width, height) == SIZE and seen > 128)
        page.click("#statistics summary")
        until(page, "#intervals-text", r"half of all within .*")
        page.click("#looks summary")
        page.select_option("#palette", "jaer")
        with page.expect_download() as saved:
            page.click("#save-image")
        saved.value.save_as(tmp_path / "saved.png")
        assert struct.unpack(">II", (tmp_path / "saved.png").read_bytes()[16:24]) == SIZE

        page.select_option("#filter-add", "polarity:on")
        page.wait_for_selector("#filters li")
        until(page, "#filters li span", "\N{MINUS SIGN}[1-9].*")
        drawn(page, lambda width, height, seen: 128 < seen <= 160)
        page.uncheck("#filters input[type=checkbox]")
        drawn(page, lambda width, height, seen: seen > 160)

        box = page.locator("#events").bounding_box()
        page.click("#region")
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.up()
        drawn(page, lambda width, height, seen: abs(width - 160) < 4 and abs(height - 120) < 4)
        assert page.input_value("#filters li:last-child input[type=text]").startswith("crop:1")

        page.fill("#filters li:last-child input[type=text]", "crop:0,0,641x10")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=leaves the sensor, which is 640x480")
        page.click("#filters li:last-child button")
        drawn(page, lambda width, height, seen: (width, height) == SIZE)


def drop(page: Any, name: str, data: bytes) -> None:
    """Drop a file on the page."""
    script = """([name, text]) => {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], name));
        for (const type of ["dragover", "drop"]) {
            const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
            document.getElementById("picture").dispatchEvent(event);
        }
    }"""
    page.evaluate(script, [name, b64encode(data).decode()])


def pause(page: Any) -> None:
    """Pause a short recording, which may just have ended or begun again on a slow machine."""
    for _ in range(100):
        if page.get_attribute("#pause", "aria-label") == "Pause":
            page.click("#pause")
        page.wait_for_timeout(400)
        if page.get_attribute("#pause", "aria-label") == "Play":
            return
    pytest.fail("the recording does not pause")


def test_a_dropped_file_is_played_and_a_damaged_one_told(
    browser: Any, url: str, tmp_path: Path
) -> None:
    # Long enough not to end before it is paused: a click at that moment would begin it again.
    file = recording(tmp_path / "narrow.aedat4", range(300, 340, 2), seconds=5.0)
    with looking(browser, url) as page:
        drawn(page, lambda width, height, seen: seen > 128)
        drop(page, "broken.aedat4", file.read_bytes()[:200])
        page.wait_for_selector(".toast.bad:has-text('broken.aedat4')")
        drop(page, "narrow.aedat4", file.read_bytes())
        until(page, "#file", "narrow.aedat4")
        assert page.input_value("#show") == "narrow.aedat4"
        page.click("#loop")
        drawn(page, lambda width, height, seen: 10 < seen <= 20)

        # Stepped by frame, sought by a time that is typed.
        pause(page)
        page.fill("#goto", "0:00.2")
        page.keyboard.press("Enter")
        until(page, "#position", r"0:00\.2")
        for _ in range(3):
            page.click("#step")
        until(page, "#position", r"0:00\.3")

        page.select_option("#show", "")
        until(page, "#file", "vga.aedat4")
        drawn(page, lambda width, height, seen: seen > 128)
