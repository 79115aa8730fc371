"""The first lessons on the page: the simulated person shows what it is asked to, and stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.page import hold, looking, recognised, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def test_lessons_in_three_gestures_are_recognised_listed_and_undone(
    browser: Any, commands: Any
) -> None:
    # One gesture after another, until somebody teaches.
    with looking(browser, commands.demo()) as page:
        page.wait_for_selector("#sim:not([hidden])")
        page.wait_for_selector("#first:not([hidden])")
        assert page.input_value("#sim-gesture") == "sequence"
        for number, shown in enumerate(("air_guitar", "arm_roll", "left_hand_wave"), 1):
            page.select_option("#sim-gesture", f"gesture:{shown}")
            until(page, "#truth", rf"shown: {shown.replace('_', ' ')}.*")
            page.fill("#new-name", f"mine {number}")
            hold(page, page.locator("#new-hold"), 6000)
            recognised(page, f"mine {number}")
            until(page, "#lessons li:first-child span", rf"mine {number} .*changes")
        assert page.locator("#lessons li canvas").count() == 3
        assert page.is_hidden("#warned")  # each showed one thing
        assert page.is_hidden("#first")
        # Taking the second back takes the third, too.
        page.click("#lessons li:nth-child(2) button")
        page.wait_for_selector("text=2 lessons are taken back.")
        page.wait_for_selector("#buttons [data-class='mine 3']", state="detached")
        assert page.locator("#buttons [data-class='mine 1']").count() == 1


def test_a_lesson_keeps_what_is_shown_and_warns_where_it_changes(
    browser: Any, dashboard: Callable[..., str]
) -> None:
    with looking(browser, dashboard("--source", "sim:?seed=4")) as page:
        page.wait_for_selector("#hero:not(.quiet)")
        page.fill("#new-name", "mine")
        hold(page, page.locator("#new-hold"), 300)
        assert page.input_value("#sim-gesture").startswith("gesture:")  # held since then
        box = page.locator('#buttons [data-class="mine"]').bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.wait_for_selector('#buttons .held[data-class="mine"]')
        page.evaluate("document.getElementById('sim-gesture').value = 'gesture:throw'")
        page.evaluate("document.getElementById('sim-gesture').dispatchEvent(new Event('change'))")
        page.wait_for_selector("#warned:not([hidden])")
        assert "showed" in page.text_content("#warned")
        page.mouse.up()
