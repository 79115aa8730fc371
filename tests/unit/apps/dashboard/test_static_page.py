"""The page itself: complete, readable, and without anything from elsewhere."""

from __future__ import annotations

import re

import pytest

from spikewire.apps.dashboard.asgi import static_files


def test_the_page_needs_nothing_from_elsewhere() -> None:
    files = static_files()
    assert {"index.html", "style.css", "main.js", "icon.svg"} <= set(files)
    for name, data in files.items():
        text = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn|@import|url\(", text), name
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in files, f"{name} imports {module}"
    page = files["index.html"].decode()
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert link in files, link
    # The policy allows no script and no style in the page itself.
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_in_both_themes(theme: str) -> None:
    light, dark = (
        static_files()["style.css"].decode().split("@media (prefers-color-scheme: dark)")[:2]
    )
    told = {"light": light, "dark": dark.partition("}")[0]}[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", told))
    for ink in ("ink", "dim", "faint"):
        for ground in ("panel", "page", "sunk"):
            low, high = sorted(luminance(colours[name]) for name in (ink, ground))
            contrast = (high + 0.05) / (low + 0.05)
            assert contrast >= 4.5, f"{ink} on {ground}: {contrast:.2f}"  # WCAG 1.4.3


def test_every_part_that_the_scripts_name_is_on_the_page() -> None:
    files = static_files()
    there = set(re.findall(r'id="([^"]+)"', files["index.html"].decode()))
    for name, data in files.items():
        if name.endswith(".js"):
            named = set(re.findall(r'\$\("([^"]+)"\)', data.decode()))
            assert named <= there, f"{name}: {named - there}"
