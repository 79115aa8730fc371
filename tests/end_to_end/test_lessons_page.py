"""Lessons on the real page: how they begin, and that each of them ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.page import looking, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def url(module_dashboard: Callable[..., str]) -> str:
    """A dashboard on one gesture that goes on."""
    return module_dashboard("--source", "sim:?classes=arm_roll&hold=600")


def test_a_lesson_never_stays_on(browser: Any, url: str) -> None:
    with looking(browser, url) as witness:
        taught = '#buttons .elsewhere[data-class="arm_roll"]'
        witness.wait_for_selector('#buttons [data-class="arm_roll"]')
        with looking(browser, url) as page:
            button = page.wait_for_selector('#buttons [data-class="arm_roll"]')
            page.wait_for_selector('#learn[aria-checked="true"]')
            button.focus()
            key = button.text_content()[0]
            for begin, end in (
                (lambda: page.keyboard.down("Space"), lambda: page.keyboard.up("Space")),
                (lambda: page.keyboard.down(key), lambda: page.keyboard.up(key)),
                (lambda: page.keyboard.down("Enter"), lambda: page.focus("#new-name")),
                (
                    lambda: page.dispatch_event(
                        "#buttons .hold[data-class='arm_roll']",
                        "keydown",
                        {"key": " "},
                    ),
                    lambda: page.evaluate("window.dispatchEvent(new Event('blur'))"),
                ),
            ):
                begin()
                witness.wait_for_selector(taught)
                end()
                witness.wait_for_selector(taught, state="detached")
            page.keyboard.up("Enter")
            box = button.bounding_box()
            page.mouse.move(box["x"] + 20, box["y"] + 20)
            page.mouse.down()
            witness.wait_for_selector(taught)
            # The tab is closed in the middle of it: nobody is left who could say that it is over.
        witness.wait_for_selector(taught, state="detached")


def test_a_lesson_that_others_end_is_not_shown_on(browser: Any, url: str) -> None:
    mine, theirs = ('[data-class="arm_roll"]', '[data-class="air_guitar"]')
    with looking(browser, url) as other, looking(browser, url) as page:
        button = page.wait_for_selector(f"#buttons {mine}")
        page.wait_for_selector('#learn[aria-checked="true"]')
        other.wait_for_selector('#learn[aria-checked="true"]')
        button.hover()
        page.mouse.down()
        # It is held for longer than the server waits for a sign of life.
        other.wait_for_selector(f"#buttons .elsewhere{mine}")
        page.wait_for_timeout(4000)
        assert page.is_visible(f"#buttons .held{mine}")
        assert other.is_visible(f"#buttons .elsewhere{mine}")

        other.focus(f"#buttons {theirs}")
        other.keyboard.down("Space")
        page.wait_for_selector("text=Somebody else teaches air guitar now.")
        assert page.locator("#buttons .held").count() == 0
        page.mouse.up()
        page.wait_for_timeout(500)
        assert page.is_visible(f"#buttons .elsewhere{theirs}")  # letting go ends nothing of theirs
        other.keyboard.up("Space")
        page.wait_for_selector("#buttons .elsewhere", state="detached")
        other.wait_for_timeout(600)
        assert other.locator("#buttons .held").count() == 0

        # A page that is held up for seconds is as good as a phone without a network.
        page.hover(f"#buttons {mine}")  # the list of lessons may have moved it
        page.mouse.down()
        other.wait_for_selector(f"#buttons .elsewhere{mine}")
        debugger = page.context.new_cdp_session(page)
        debugger.send("Debugger.enable")
        debugger.send("Debugger.pause")
        other.wait_for_selector("#buttons .elsewhere", state="detached")
        debugger.send("Debugger.resume")
        page.wait_for_selector("text=The lesson of arm roll was ended elsewhere.")
        assert page.locator("#buttons .held").count() == 0
        page.mouse.up()


def test_teaching_without_holding_anything(browser: Any, url: str) -> None:
    held = '#buttons .held[data-class="arm_roll"]'
    with looking(browser, url) as page:
        page.wait_for_selector('#learn[aria-checked="true"]')
        button = page.locator('#buttons [data-class="arm_roll"]')
        key = button.get_attribute("aria-keyshortcuts")
        page.keyboard.down(key)
        page.wait_for_selector(held)
        page.keyboard.up(key)
        page.click("#keys")
        page.wait_for_selector('#keys[aria-checked="false"]')
        page.reload()
        page.wait_for_selector('#keys[aria-checked="false"]')
        page.wait_for_selector('#learn[aria-checked="true"]')
        assert button.get_attribute("aria-keyshortcuts") is None
        assert button.locator("kbd").is_hidden()
        page.keyboard.down(key)
        page.wait_for_timeout(300)
        assert page.locator(held).count() == 0
        page.keyboard.up(key)
        page.click("#keys")
        assert button.get_attribute("aria-keyshortcuts") == key

        # What a screen reader does: a click of which no pointer and no key knows.
        button.evaluate("button => button.click()")
        page.wait_for_selector(held)
        page.wait_for_timeout(1000)
        button.evaluate("button => button.click()")
        page.wait_for_selector(held, state="detached")
        took = """async (button, held) => {
            const there = () => document.querySelector(held) !== null;
            const change = () => new Promise(resolve => setTimeout(resolve, 20));
            const begun = performance.now();
            button.click();
            while (!there()) await change();
            while (there()) await change();
            return performance.now() - begun;
        }"""
        assert 3500 < button.evaluate(took, held) < 8500
        until(page, "#lesson", r"arm roll · \d+\.\d s.*")
