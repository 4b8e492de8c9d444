"""The Compare page in a real browser: what people do on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]


@pytest.fixture
def compare(app_server: Callable[..., str], visit: Open) -> Open:
    def open_page(query: str = "", **how: object) -> Visit:
        seen = visit(app_server("app.py") + query, **how)
        panels(seen.page).nth(2).wait_for(timeout=120_000)
        seen.settle()
        return seen

    return open_page


def panels(page: Page) -> Locator:
    return page.locator("article.panel")


def drawn(page: Page, place: int) -> bytes:
    """What the panel's canvas shows."""
    shown: str = panels(page).nth(place).locator("canvas.map").evaluate("canvas => canvas.toDataURL()")
    return shown.encode()


def questions(page: Page) -> list[str]:
    return [panels(page).nth(at).inner_text() for at in range(panels(page).count())]


def test_the_first_paint_answers_without_a_click(compare: Open) -> None:
    page = compare().page
    text = " ".join(questions(page))
    assert "Grad-CAM" in text and "What did it not expect?" in text and re.search(r"Why 0\.\d\d, rather than", text)
    assert page.get_by_text(re.compile(r"says .+ sure")).is_visible()


def test_a_click_on_a_bar_makes_the_foil_and_the_maps_follow(compare: Open) -> None:
    seen = compare("/?panels=gradcam,contrast,contrastive-saliency")
    page, before = seen.page, drawn(seen.page, 1)
    bar = page.locator(".bars button[aria-pressed=false]").nth(2)
    name = bar.locator(".label").inner_text()
    bar.click()
    page.wait_for_url(re.compile("foil=[0-9]+"))
    seen.settle()
    assert f"rather than {name}?" in questions(page)[1]
    assert drawn(page, 1) != before


def test_maps_of_the_shown_answers_came_ahead_and_are_there_at_the_click(compare: Open) -> None:
    seen = compare("/?panels=gradcam,contrast,features")
    page, before = seen.page, drawn(seen.page, 1)
    bar = page.locator(".bars button[aria-pressed=false]").nth(2)
    name = bar.locator(".label").inner_text()
    canvas = panels(page).nth(1).locator("canvas.map").element_handle()
    at_once = bar.evaluate("(bar, canvas) => { bar.click(); return canvas.toDataURL(); }", canvas)
    assert at_once.encode() != before, "in the same turn of the browser: nothing was sent yet"
    assert f"rather than {name}?" in questions(page)[1]
    page.wait_for_url(re.compile("foil=[0-9]+"))
    seen.settle()
    assert drawn(page, 1) == at_once.encode(), "and Python agrees"
    again = compare("/?" + page.url.partition("?")[2])
    assert drawn(again.page, 1) == at_once.encode()


def test_quick_clicks_end_at_the_last_one(compare: Open) -> None:
    seen = compare("/?panels=gradcam,contrast,features")
    page = seen.page
    bars = page.locator(".bars button[aria-pressed=false]")
    names = [bars.nth(at).locator(".label").inner_text() for at in (1, 2, 3)]
    for name in names:
        page.locator(".bars button", has_text=name).first.evaluate("bar => bar.click()")
        assert f"rather than {name}?" in questions(page)[1]
    seen.settle()
    assert f"rather than {names[-1]}?" in questions(page)[1]
    assert page.get_by_role("combobox", name="Foil Q").input_value() == names[-1]


def test_another_foil_runs_what_it_changes_and_nothing_else(compare: Open) -> None:
    seen = compare("/?panels=gradcam,contrast,contrastive-saliency", frames=True)
    assert seen.frames is not None
    seen.frames.clear()
    seen.page.locator(".bars button[aria-pressed=false]").nth(2).click()
    seen.page.wait_for_url(re.compile("foil=[0-9]+"))
    seen.settle()
    told = b"".join(seen.frames)
    assert b"Foil Q" in told
    for unchanged in (b"Fact P", b"Seen at layer", b"Input size", b"Your photo", b"Grad-CAM of", b"Training data"):
        assert unchanged not in told


def test_options_follow_the_methods_in_the_row(compare: Open) -> None:
    seen = compare("/?panels=gradcam,contrast,features")
    page, options = seen.page, seen.page.get_by_text("Options of contrastive saliency")
    assert options.count() == 0
    panels(page).nth(0).get_by_label("Method of this panel").select_option("contrastive-saliency")
    options.wait_for()
    seen.settle()
    panels(page).nth(0).get_by_label("Method of this panel").select_option("gradcam")
    options.wait_for(state="detached")


def test_another_sample_and_another_layer(compare: Open) -> None:
    seen = compare()
    page, before = seen.page, drawn(seen.page, 0)
    page.get_by_text("Coffee", exact=True).click()
    page.wait_for_url(re.compile("photo=coffee"))
    seen.settle()
    coffee = drawn(page, 0)
    assert coffee != before
    page.locator("button", has_text="layer2").click()
    page.wait_for_url(re.compile("layer=layer2"))
    seen.settle()
    assert "at layer2" in questions(page)[0] and drawn(page, 0) != coffee


def test_a_photo_of_ones_own_is_explained_and_a_bad_one_is_told(compare: Open, tmp_path: Path) -> None:
    seen = compare()
    page = seen.page
    page.get_by_role("button", name="Your photo").click()
    chooser = page.locator("input[type=file]")
    bad = tmp_path / "notes.png"
    bad.write_text("not a picture")
    chooser.set_input_files(bad)
    page.get_by_role("alert").wait_for()
    assert "notes.png" in page.get_by_role("alert").inner_text()
    good = tmp_path / "stripes.jpg"
    stripes = np.repeat(np.arange(200, dtype=np.uint8)[:, None, None], 300, 1).repeat(3, 2)
    Image.fromarray(stripes).save(good)
    before = drawn(page, 0)
    chooser.set_input_files(good)
    page.wait_for_url(re.compile("photo=upload"))
    seen.settle()
    assert page.get_by_text("stripes.jpg").count() and drawn(page, 0) != before


def test_q_acts_in_the_browser_alone(compare: Open) -> None:
    seen = compare()
    page, place = seen.page, 2
    slider = panels(page).nth(place).locator("input[type=range]").first
    before, sent = drawn(page, place), len(seen.sent)
    slider.evaluate("input => { input.value = 0.25; input.dispatchEvent(new Event('input')); }")
    page.wait_for_timeout(300)
    assert drawn(page, place) != before and len(seen.sent) == sent
    assert "0.25" in questions(page)[place]


def test_a_link_opens_the_same_view(compare: Open) -> None:
    first = compare("/?photo=rocket&foil=3&layer=layer3&panels=contrast,features,gradcam").page
    second = compare("/?" + first.url.partition("?")[2]).page
    assert [drawn(first, at) for at in range(3)] == [drawn(second, at) for at in range(3)]


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(compare: Open, width: int, theme: str) -> None:
    seen = compare(width=width, theme=theme)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"compare-{width}-{theme}").stat().st_size > 50_000
