"""The dashboard's page in a browser: opened, watched, and waited for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE_MS = 60_000
DESKTOP: dict[str, Any] = {"viewport": {"width": 1360, "height": 960}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "is_mobile": True,
    "has_touch": True,
}  # fmt: skip


@contextmanager
def looking(browser: Any, url: str, **how: Any) -> Iterator[Any]:
    """A page, on which nothing may go wrong unnoticed."""
    context = browser.new_context(**(how or DESKTOP))
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if _own(asked.url, url) else faults.append(asked.url))
    page.goto(url)
    yield page
    context.close()
    assert faults == []


def _own(asked: str, url: str) -> bool:
    url = url.partition("/#")[0]
    return asked.startswith((url, url.replace("http:", "ws:"), "data:"))


def pixels(page: Any, canvas: str) -> int:
    """A number for what a canvas shows."""
    script = """id => {
        const canvas = document.getElementById(id);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = 0;
        for (let i = 0; i < data.length; i++) sum = (sum * 31 + data[i]) >>> 0;
        return sum;
    }"""
    return int(page.evaluate(script, canvas))


def moves(page: Any, canvas: str) -> None:
    before = pixels(page, canvas)
    for _ in range(100):
        page.wait_for_timeout(100)
        if pixels(page, canvas) != before:
            return
    pytest.fail(f"{canvas} does not move")


def recognised(page: Any, name: str) -> Any:
    return page.wait_for_selector(f'#hero:not(.quiet) #class[data-class="{name}"]')


def until(page: Any, place: str, pattern: str) -> None:
    # Not wait_for_function: the page's policy forbids what that evaluates.
    for _ in range(PATIENCE_MS // 100):
        if re.fullmatch(pattern, page.text_content(place)):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{place} says {page.text_content(place)!r}, not {pattern}")


def hold(page: Any, button: Any, updates: int, during: Callable[[], None] = lambda: None) -> None:
    """Hold a button until the page tells of a lesson of so many updates: an idle second is 500.

    Seconds say little on a busy machine, where the service leaves most events out. ``during`` is
    called while it is held.
    """
    before = page.text_content("#lesson")
    button.hover()
    page.mouse.down()
    during()
    for _ in range(PATIENCE_MS // 100):
        if page.text_content("#lesson") != before:  # that of the lesson before
            break
        page.wait_for_timeout(100)
    for _ in range(PATIENCE_MS // 100):
        told = re.search(r"([0-9\s]+) updates", page.text_content("#lesson").partition(" s")[2])
        if told and int(re.sub(r"\s", "", told[1])) >= updates:
            break
        page.wait_for_timeout(100)
    page.mouse.up()
