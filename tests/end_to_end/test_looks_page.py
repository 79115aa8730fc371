"""How the page looks: on every screen, in both themes, and what it shows of a layer.

With ``SPIKEWIRE_SCREENSHOTS`` naming a folder, the pictures of the README are made there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.page import DESKTOP, PHONE, hold, looking, moves, pixels, recognised, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def shown(module_dashboard: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("shown"))
    source = "sim:?seed=4&hold=6"
    return module_dashboard("--source", source, "--checkpoint", folder, "--record-folder", folder)


def redrawn(page: Any, canvas: str, before: int) -> None:
    for _ in range(300):
        if pixels(page, canvas) != before:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{canvas} shows the same as before")


def test_a_layer_is_looked_into(browser: Any, shown: str) -> None:
    with looking(browser, shown) as page:
        moves(page, "raster")
        page.click("#look summary")
        moves(page, "membrane")
        until(page, "#look-rate", r"[\d.]+ times a second, [\d.]+ % of all ticks.*")
        page.select_option("#look-layer", "1")
        until(page, "#look-shape", "1\u202f536 neurons: 8 . 8 places, 24 channels")
        until(page, "#look-threshold", r"[\d\s]+ on average, [\d\s]+ to [\d\s]+")
        until(page, "#weights-said", r"3 . 3 for each of 16 input channels\.")
        until(page, "#readout-said", r"Summed over 24 channels of each place\.")
        weights, readout = pixels(page, "weights"), pixels(page, "readout")
        page.fill("#look-channel", "7")
        page.keyboard.press("Enter")
        redrawn(page, "weights", weights)
        page.select_option("#look-class", "arm_roll")
        redrawn(page, "readout", readout)
        # A dot of the raster chooses its neuron: here one of the last layer's last.
        box = page.locator("#raster").bounding_box()
        page.mouse.click(box["x"] + box["width"] - 5, box["y"] + box["height"] - 1)
        until(page, "#look-shape", "1\u202f024 neurons: 4 . 4 places, 64 channels")
        page.wait_for_timeout(100)
        assert page.input_value("#look-layer") == "2"
        assert [page.input_value(f"#look-{name}") for name in ("row", "column")] == ["3", "3"]
        moves(page, "membrane")
        until(page, "#membrane-said", "The last .* It fires above the dashed line.")


WIDTHS = ((360, 780), (390, 844), (768, 1024), (1440, 900), (2560, 1440))
LEGIBLE = (Path(__file__).parent / "legible.js").read_text(encoding="utf-8")
OPEN = "open => { for (const part of document.querySelectorAll('details')) part.open = open; }"


# The longest answer stays, instead of what the service says next.
LONGEST = """() => {
    window.requestAnimationFrame = () => 0;
    const name = "right arm counter clockwise";
    const say = (id, text) => { document.getElementById(id).textContent = text; };
    say("class", name);
    document.getElementById("class").dataset.length = "long";
    say("sure-text", `100 % · clearly ahead of ${name}`);
    say("truth", `shown: ${name}  ✓`);
    say("late", "12.9 s behind");
}"""


def every_look(page: Any) -> Iterator[str]:
    """Show the page in every width and both themes, with all that folds shut, then open."""
    for opened in (False, True):
        page.evaluate(OPEN, opened)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width, height in WIDTHS:
                page.set_viewport_size({"width": width, "height": height})
                page.wait_for_timeout(60)
                yield f"{width} px, {theme}, {'open' if opened else 'shut'}"


def test_no_text_overlaps_or_is_cut(browser: Any, shown: str) -> None:
    with looking(browser, shown) as page:
        page.wait_for_selector("#hero:not(.quiet)")
        page.evaluate(OPEN, True)
        page.wait_for_selector("#look-body:not([hidden])")
        page.evaluate(LONGEST)
        faults = {look: page.evaluate(LEGIBLE) for look in every_look(page)}
        assert len(faults) == 20
        assert {look: told for look, told in faults.items() if told} == {}
        # The check sees what it is for.
        style = "document.querySelector('#rows .name').style"
        page.evaluate(f"{style}.maxWidth = '20px'")
        assert any("is cut sideways" in told for told in page.evaluate(LEGIBLE))
        page.evaluate(f"{style}.cssText = 'transform: translateY(24px)'")
        assert any("lies on" in told for told in page.evaluate(LEGIBLE))


def test_axe_finds_nothing_serious(browser: Any, shown: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="install axe-playwright-python to run this test",
    ).Axe()
    with looking(browser, shown) as page:
        page.wait_for_selector("#hero:not(.quiet)")
        for width, theme in ((390, "light"), (1440, "light"), (1440, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.evaluate(OPEN, width == 390)
            told = axe.run(page).response
            assert len(told["passes"]) > 20
            serious = [one for one in told["violations"] if one["impact"] in SERIOUS]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []
        page.evaluate("document.getElementById('raw').removeAttribute('title')")
        page.evaluate("document.getElementById('raw').textContent = ''")
        assert "button-name" in {one["id"] for one in axe.run(page).response["violations"]}


SERIOUS = ("serious", "critical")
IN_VIEW = """ids => ids.map(id => {
    const place = document.getElementById(id).getBoundingClientRect();
    return place.width > 20 && place.top >= 0 && place.left >= 0
        && place.bottom <= innerHeight && place.right <= innerWidth;
})"""
CORNER = """(() => {
    const place = document.getElementById("new-hold").getBoundingClientRect();
    return [place.left, place.top];
})()"""
ON_TOP = """id => {
    const button = document.getElementById(id);
    const place = button.getBoundingClientRect();
    const there = document.elementFromPoint(place.left + place.width / 2, place.top + 8);
    return button === there || button.contains(there);
}"""


def test_a_phone_keeps_answer_picture_and_button_in_view(
    browser: Any, dashboard: Callable[..., str]
) -> None:
    how = {**PHONE, "viewport": {"width": 390, "height": 844}}
    with looking(browser, dashboard("--source", "sim:?seed=4&hold=600"), **how) as page:
        page.wait_for_selector("#truth:not([hidden])")
        page.wait_for_selector("#hero:not(.quiet)")  # the first answer moves what is below it
        page.fill("#new-name", "mine")
        page.evaluate("document.activeElement.blur()")
        button = page.locator("#new-hold")
        button.evaluate("button => button.scrollIntoView({ block: 'end' })")
        before = page.evaluate(CORNER)
        hold(page, button, 6000, during=lambda: held_in_view(page))
        recognised(page, "mine")
        until(page, "#lessons li:first-child span", "mine .*changes")
        # The new class and its lesson have moved nothing from under the finger. A button that was
        # held returns to its size within a moment, and fractions of a pixel come and go.
        for _ in range(100):
            after = page.evaluate(CORNER)
            if max(abs(new - old) for new, old in zip(after, before, strict=True)) < 4:
                break
            page.wait_for_timeout(100)
        else:
            pytest.fail(f"the button moved from {before} to {after}")

        # Further down picture and answer stand small at the top, and hide no button.
        page.evaluate("document.getElementById('undo').scrollIntoView({ block: 'end' })")
        page.wait_for_selector("#stage:not([hidden])")
        until(page, "#stage-class", "mine")
        moves(page, "stage-picture")
        last = page.locator("#buttons .hold").last
        last.evaluate("button => { button.id = 'last'; }")
        assert page.evaluate(IN_VIEW, ["stage-picture", "stage-class", "last"]) == [True] * 3
        assert page.evaluate(ON_TOP, "last")
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_selector("#stage", state="hidden")


def held_in_view(page: Any) -> None:
    page.wait_for_selector("#new-hold.held")
    assert page.evaluate(IN_VIEW, ["events", "class", "new-hold"]) == [True] * 3
    assert page.evaluate(ON_TOP, "new-hold")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("device", "how"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_it_looks_right(
    browser: Any, shown: str, device: str, how: dict[str, Any], theme: str
) -> None:
    with looking(browser, shown, **how, color_scheme=theme) as page:
        page.wait_for_selector("#hero:not(.quiet)")
        wide, there = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= there  # nothing sticks out
        parts = "all => [...new Set(all.map(part => part.getAttribute('role')))]"
        assert page.eval_on_selector_all('[role="table"] > *', parts) == ["row"]
        assert page.eval_on_selector_all('[role="row"] > *', parts) == ["cell"]
        if device == "phone":
            sizes = page.eval_on_selector_all(
                "#buttons .hold", "all => all.map(b => b.getBoundingClientRect().height)"
            )
            assert min(sizes) >= 48
        folder = os.environ.get("SPIKEWIRE_SCREENSHOTS")
        if folder:
            if device == "desktop":
                page.set_viewport_size({"width": 1440, "height": 1080})
            picture(page, Path(folder) / f"dashboard-{device}-{theme}.png", device)


def lively(page: Any) -> bool:
    """Whether the page is worth a picture: the class is right, and something moves."""
    script = """() => {
        const canvas = document.getElementById("events");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let seen = 0;
        for (let i = 0; i < data.length; i += 4) {
            if (Math.abs(data[i] - data[i + 2]) > 60) seen++;
        }
        return seen;
    }"""
    right = "✓" in page.text_content("#truth") and "clearly" in page.text_content("#sure-text")
    return right and page.evaluate(script) > 250


def picture(page: Any, path: Path, device: str) -> None:
    until(page, "#uptime", "up (3. s|.* min)")
    page.wait_for_timeout(5_000)
    for _ in range(600):
        page.wait_for_timeout(100)
        if not lively(page):
            continue
        if device == "phone":
            break
        name = page.get_attribute("#class", "data-class")
        box = page.locator(f'#buttons [data-class="{name}"]').bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.wait_for_timeout(1500)
        if lively(page) and page.locator("#buttons .held").count():
            break
        page.mouse.up()
    page.evaluate("document.getElementById('toasts').replaceChildren()")
    page.screenshot(path=path)
    page.mouse.up()
    assert path.stat().st_size < 300_000
