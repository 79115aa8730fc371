"""The answer on the page: that of the service, for a gesture nobody taught, in a replay, raw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spikewire.sensors import simulate, write_events
from tests.end_to_end.page import looking, recognised, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def upside_down(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a gesture that nobody taught: a person who claps, upside down."""
    path = tmp_path_factory.mktemp("answer") / "strange.aedat4"
    events = simulate("hand_clapping", seed=3, subject=7, seconds=4.0)
    events["y"] = 127 - events["y"]
    write_events([events], path, (128, 128))
    return path


def shares(page: Any) -> dict[str, int]:
    """The percentage beside the name of each class."""
    script = "all => all.map(row => [row.dataset.class, row.querySelector('.value').textContent])"
    told = page.eval_on_selector_all("#rows .row", script)
    return {name: int(value.removesuffix(" %")) for name, value in told}


def test_a_gesture_nobody_taught_is_unknown(
    browser: Any, dashboard: Callable[..., str], upside_down: Path
) -> None:
    url = dashboard("--source", f"file:{upside_down}?loop=1")
    with looking(browser, url) as page:
        recognised(page, "unknown")
        # Nothing is green beside it. All is looked at in one instant: the answer may change.
        page.wait_for_function(
            "document.querySelector('#hero.unsure') && !document.querySelector('#rows .best')"
            " && document.getElementById('sure').getAttribute('value') === '0'"
        )
        until(page, "#sure-text", "none of the known gestures|(most )?like .*")
        until(page, "#connection-text", "replay")


def test_record_and_save_work_without_options_and_say_where(
    browser: Any, dashboard: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with looking(browser, dashboard("--source", "sim:?classes=arm_roll&hold=600")) as page:
        recognised(page, "arm_roll")
        page.click("#save")
        page.wait_for_selector(f"text=Saved in {tmp_path}/spikewire/networks/main-")
        page.click("#record")
        page.wait_for_selector('#record[aria-pressed="true"]')
        page.wait_for_timeout(500)
        page.click("#record")
        page.wait_for_selector(f"text=Recorded in {tmp_path}/spikewire/recordings/main-")
    names = sorted(path.suffix for path in (tmp_path / "spikewire").rglob("*") if path.is_file())
    assert names.count(".model") == 2  # the saved network, and that at the recording's start
    assert ".aedat4" in names


def test_shares_agree_with_the_answer_and_scores_are_shown_on_request(
    browser: Any, dashboard: Callable[..., str]
) -> None:
    url = dashboard("--source", "sim:?classes=arm_roll&hold=600")
    with looking(browser, url) as page:
        recognised(page, "arm_roll")
        until(page, "#sure-text", r"\d+ % · (clearly ahead of|close to) .*")
        until(page, "#connection-text", "live")
        page.wait_for_selector('#rows .row.best[data-class="arm_roll"]')
        told = shares(page)
        assert max(told, key=told.__getitem__) == "arm_roll"
        assert 99 <= sum(told.values()) <= 101
        page.wait_for_selector("#mark-truth:not([hidden])")  # the simulator knows what it shows
        page.click("#raw")
        value = '#rows .row.best[data-class="arm_roll"] .value'
        until(page, value, r"[^%]*\d[kM]?")
        page.reload()
        page.wait_for_selector('#raw[aria-pressed="true"]')
        # Rows push the button down when they come: a click before that can miss it.
        page.wait_for_selector('#rows .row.best[data-class="arm_roll"]')
        page.click("#raw")
        page.wait_for_selector('#raw[aria-pressed="false"]')
        until(page, value, r"\d+ %")
