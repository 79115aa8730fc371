"""The real page in a real browser, before the real runtime on the simulated camera."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.page import hold, looking, moves, recognised, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def test_teach_undo_record_and_replay(
    browser: Any, commands: Any, dashboard: Callable[..., str], tmp_path: Path
) -> None:
    url = dashboard(
        "--source", "sim:?classes=air_guitar&hold=600",
        "--checkpoint", str(tmp_path / "saved"), "--record-folder", str(tmp_path / "recorded"),
    )  # fmt: skip
    with looking(browser, url) as page:
        page.wait_for_selector('body[data-state="live"]')
        for canvas in ("events", "strip", "rate", "raster"):
            moves(page, canvas)
        recognised(page, "air_guitar")
        until(page, "#truth", ".*air guitar.*")
        until(page, "#p50", r".* (s|ms|µs)")

        # A name without a button: it has to be typed, then held.
        new = page.locator("#new-hold")
        assert new.get_attribute("aria-disabled") == "true"
        assert "name" in new.get_attribute("title")
        page.fill("#new-name", "salute")
        hold(page, new, 6000)
        page.wait_for_selector('#buttons [data-class="salute"]')
        recognised(page, "salute")
        until(page, "#lesson", "salute.* 1 lesson")
        assert page.input_value("#new-name") == ""

        # Its state survives the browser's forgetting: what it knows is the service's.
        page.fill("#tau", "70")
        page.locator('.panel[data-panel="spikes"] .fold').click()
        page.reload()
        recognised(page, "salute")
        page.wait_for_selector('#buttons [data-class="salute"]')
        assert page.input_value("#tau") == "70"
        assert page.locator('.panel[data-panel="spikes"]').get_attribute("data-folded") == ""
        until(page, "#lesson", ".*salute.*")

        page.click("#undo")
        page.wait_for_selector('#buttons [data-class="salute"]', state="detached")
        recognised(page, "air_guitar")
        until(page, "#lesson", ".*taken back.*")

        page.click("#learn")
        page.wait_for_selector('#learn[aria-checked="false"]')
        assert page.locator('#buttons [data-class="air_guitar"]').get_attribute("title")
        page.click("#learn")
        page.wait_for_selector('#learn[aria-checked="true"]')

        page.click("#save")
        page.wait_for_selector("text=/Saved in .*saved/")
        page.click("#record")
        page.wait_for_selector('#record[aria-pressed="true"]')
        page.wait_for_timeout(4000)
        page.click("#record")
        page.wait_for_selector("text=/Recorded in .*recorded/")
    assert commands.stop() == 0
    (file,) = (tmp_path / "recorded").glob("*.aedat4")
    replay(browser, dashboard("--source", f"file:{file}?loop=1"))


def replay(browser: Any, url: str) -> None:
    with looking(browser, url) as page:
        page.wait_for_selector("#replay:not([hidden])")
        moves(page, "events")
        recognised(page, "air_guitar")
        page.click("#pause")
        page.wait_for_selector('#pause[aria-label="Play"]')
        page.wait_for_timeout(1500)
        stood = page.text_content("#position")
        page.wait_for_timeout(1500)
        assert page.text_content("#position") == stood
        page.fill("#seek", "500")
        # A busy machine records more than the four seconds that were waited for.
        minutes, seconds = page.text_content("#duration").split(":")
        tenths = (600 * int(minutes) + round(10 * float(seconds))) // 2
        half = "|".join(rf"0:{tenth / 10:04.1f}" for tenth in range(tenths - 1, tenths + 3))
        until(page, "#position", half)
        page.select_option("#speed", "0.5")
        page.wait_for_timeout(500)
        assert re.fullmatch(half, page.text_content("#position"))
        page.click("#loop")
        page.wait_for_selector('#loop[aria-pressed="false"]')

        page.reload()
        page.wait_for_selector('#pause[aria-label="Play"]')
        page.wait_for_selector('#loop[aria-pressed="false"]')
        assert page.input_value("#speed") == "0.5"
        assert re.fullmatch(half, page.text_content("#position"))
        page.click("#pause")
        page.wait_for_selector('#pause[aria-label="Pause"]')
        moves(page, "events")


@pytest.fixture(scope="module")
def alone(module_dashboard: Callable[..., str]) -> str:
    """A dashboard without a service."""
    return module_dashboard("--connect", "127.0.0.1:1")


def test_what_is_gone_and_what_is_not_known_yet(browser: Any, alone: str) -> None:
    with looking(browser, alone) as page:
        page.wait_for_selector('body[data-state="unreachable"]')
        scores = """async () => {
            const { Scores } = await import(`${location.origin}/scores.js`);
            const scores = new Scores();
            const now = performance.now();
            scores.setClasses(["wave", "salute"]);
            const result = { scores: { wave: 1, salute: 900 }, class: "salute", teaching: false, label: null };
            scores.take(result, now);
            scores.decide({ class: "salute", shares: { wave: 0, salute: 100 }, share: 100 }, now);
            scores.draw(now);
            const before = scores.classes[scores.answer];
            scores.setClasses(["wave"]);
            scores.draw(now);
            return [before, scores.answer, [...scores.tops.keys()], [...scores.rows.keys()]];
        }"""  # noqa: E501
        assert page.evaluate(scores) == ["salute", -1, ["wave"], ["wave"]]
        replay = """async () => {
            const { Replay } = await import(`${location.origin}/replay.js`);
            const asked = [];
            let why = "";
            const wire = { request: (type, fields) => { asked.push(fields); return new Promise(() => {}); } };
            const replay = new Replay(wire, () => why);
            const state = { file: "a", paused: true, loop: false, speed: 1, position_us: 0, duration_us: null };
            const seek = document.getElementById("seek");
            const move = (kind) => { seek.value = "500"; seek.dispatchEvent(new Event(kind)); };
            replay.take(state);
            move("input");
            move("change");
            const unknown = [seek.disabled, replay.seeking, asked.length];
            replay.take({ ...state, duration_us: 4000000 });
            move("change");
            move("input");
            const known = [seek.disabled, replay.seeking, asked];
            why = "There is no connection to the service.";
            replay.rules();
            return { unknown, known, lost: [seek.disabled, replay.seeking] };
        }"""  # noqa: E501
        assert page.evaluate(replay) == {
            "unknown": [True, False, 0],
            "known": [False, True, [{"position_us": 2_000_000}]],
            "lost": [True, False],
        }


def test_the_page_is_never_blank(browser: Any, alone: str) -> None:
    with looking(browser, alone) as page:
        page.wait_for_selector('body[data-state="unreachable"]')
        said = page.text_content("#notice-text")
        assert "Cannot reach a service at 127.0.0.1:1: Connection refused." in said
        assert (
            page.locator("#save").get_attribute("title") == "There is no connection to the service."
        )


def test_a_token_and_a_service_that_comes_back(
    browser: Any, commands: Any, dashboard: Callable[..., str], tmp_path: Path
) -> None:
    secret = "sixteen-characters-or-more"
    (tmp_path / "token").write_text(secret)
    asked = ["run", "--source", "sim:?classes=arm_roll&hold=600", "--model", "gestures"]
    asked += ["--control-token", str(tmp_path / "token")]
    port = commands.start(*asked, "--port", "0")["port"]
    service = commands.running.pop()
    url = dashboard("--connect", f"127.0.0.1:{port}")
    commands.running.append(service)
    with looking(browser, url) as page:
        page.wait_for_selector("#token-form:not([hidden])")
        page.fill("#token", "another-secret-that-is-wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The service wants another token.")
        page.fill("#token", secret)
        page.keyboard.press("Enter")
        recognised(page, "arm_roll")
        assert commands.stop() == 0
        page.wait_for_selector('body:not([data-state="live"])')
        assert page.is_visible("#notice")
        # What it showed last; a busy machine may have been unsure at the end.
        assert page.text_content("#class") in ("arm roll", "unknown")
        commands.start(*asked, "--port", str(port))
        page.wait_for_selector('body[data-state="live"]')
        recognised(page, "arm_roll")
        assert page.is_hidden("#notice")
    with looking(browser, f"{url}/#token={secret}") as page:
        page.wait_for_selector('body[data-state="live"]')
        assert secret not in page.url
