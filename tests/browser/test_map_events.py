"""What asks for another map, in a real browser, on a page with nothing behind it (apps/panels.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser.maps import SIDE, Open, gradcam, opener, panel

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def open_app(app_server: Callable[..., str], visit: Open) -> Open:
    return opener(app_server, visit)


class TestEvents:
    """What asks for another map."""

    def state(self, page: Page) -> str:
        return page.get_by_text(re.compile(r"^foil \d+, layer")).inner_text()

    def test_a_panel_is_switched_added_and_removed(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        panel(page, 0).get_by_label("Method of this panel").select_option("contrast")
        page.get_by_text("Why tabby, rather than Egyptian cat?").wait_for()
        for count in (4, 5):
            page.get_by_label("Add a panel").select_option("gradcam")
            panel(page, count - 1).wait_for()
            seen.settle()
        assert page.get_by_label("Add a panel").is_hidden()
        panel(page, 4).get_by_role("button", name="Remove this panel").click()
        panel(page, 4).wait_for(state="detached")
        assert page.get_by_label("Add a panel").is_visible()
        assert "events 4" in self.state(page)

    def test_keys_on_a_map_step_through_foils_and_layers(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        page.locator("canvas.map").first.focus()
        page.keyboard.press("ArrowRight")
        page.get_by_text("foil 282, layer layer3").wait_for()
        page.keyboard.press("ArrowDown")
        page.get_by_text("foil 282, layer layer4").wait_for()
        page.keyboard.press("ArrowLeft")
        page.get_by_text("foil 285, layer layer4").wait_for()
        seen.settle()
        assert "7 by 7 cells" in (page.locator("canvas.map").first.get_attribute("aria-label") or "")

    def test_quick_steps_are_none_of_them_lost(self, open_app: Open) -> None:
        page = open_app().page
        page.locator("canvas.map").first.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.get_by_text("foil 283, layer layer3").wait_for()
        assert "Persian cat" in (page.locator(".bar.foil").get_attribute("aria-label") or "")

    def test_the_crosshair_walks_by_keyboard_and_is_spoken(self, open_app: Open) -> None:
        page = open_app().page
        page.locator("canvas.map").first.focus()
        page.keyboard.press("Shift+ArrowRight")
        row, column = np.unravel_index(gradcam().argmax(), (SIDE, SIDE))
        spoken = page.locator("section.row [aria-live]")
        assert spoken.inner_text().endswith(f"at row {row}, column {column}")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        assert spoken.inner_text().endswith(f"at row {row + 1}, column {column + 1}")

    def test_panels_keep_their_picture_until_the_new_one_is_drawn(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        page.evaluate(
            """() => {
                const [host] = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
                    .filter((each) => each.shadowRoot?.querySelector("article.panel"));
                const watch = (globalThis.watch = {frames: 0, blank: 0, heights: new Set()});
                const look = () => {
                    const article = host.shadowRoot.querySelector("article.panel");
                    const photo = article?.querySelector("canvas.photo");
                    const map = article?.querySelector("canvas.map");
                    const alpha = (canvas) => canvas?.width && canvas.getContext("2d")
                        .getImageData(canvas.width * 0.45, canvas.height * 0.4, 1, 1).data[3];
                    watch.frames += 1;
                    if (!alpha(photo) || !alpha(map)) watch.blank += 1;
                    watch.heights.add(article?.querySelector(".stage").offsetTop);
                    requestAnimationFrame(look);
                };
                look();
            }"""
        )
        page.get_by_role("button", name="tiger cat").click()
        page.get_by_text("foil 282").wait_for()
        page.get_by_text("coffee").click()
        seen.settle()
        watch = page.evaluate("({...watch, heights: watch.heights.size})")
        assert watch["frames"] > 10
        assert watch["blank"] == 0
        assert watch["heights"] == 1


class TestBars:
    def test_a_click_marks_the_foil_before_the_answer_comes(self, open_app: Open) -> None:
        page = open_app().page
        bar = page.get_by_role("button", name="tiger cat")
        at_once = bar.evaluate("bar => { bar.click(); return bar.getAttribute('aria-pressed'); }")
        assert at_once == "true"
        page.get_by_text("foil 282").wait_for()
        assert "the foil Q" in (bar.get_attribute("aria-label") or "")

    def test_enter_and_the_arrow_keys(self, open_app: Open) -> None:
        page = open_app().page
        page.get_by_role("button", name="Egyptian cat").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_text("foil 282").wait_for()
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("ArrowRight")  # with the focus nowhere
        page.get_by_text("foil 287").wait_for()

    def test_search_over_all_classes(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        search = page.get_by_label("Find a class to make it the foil")
        search.fill("puma")
        options = page.locator(".found [role=option] .label")
        assert options.all_inner_texts() == ["<b>puma</b>"]  # a name is text, never markup
        search.fill("cat")
        assert options.count() == 4
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_text("foil 284").wait_for()
        seen.settle()
        assert "Siamese cat" in page.locator(".bar.extra.foil").inner_text()
        search.fill("class 9")
        assert "more" in page.locator(".found .more").inner_text()
        search.fill("zebra crossing")
        assert page.locator(".found .more").inner_text() == "No class of that name"
        page.keyboard.press("Escape")
        assert page.locator(".found").is_hidden()


class TestStrip:
    def test_click_and_keys_choose_the_layer(self, open_app: Open) -> None:
        page = open_app().page
        page.get_by_role("radio", name="layer4").click()
        page.get_by_text("layer layer4").wait_for()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.get_by_text("layer layer2").wait_for()
        assert page.get_by_role("radio", name="layer2, maps of 28 by 28").is_checked()


class TestMessages:
    def test_a_change_of_the_foil_resends_neither_photo_nor_script(self, open_app: Open) -> None:
        seen = open_app()
        first = sum(seen.received)
        before = len(seen.received)
        seen.page.get_by_role("button", name="tiger cat").click()
        seen.page.get_by_text("foil 282").wait_for()
        seen.settle()
        change = sum(seen.received[before:])
        assert first > 150_000  # photo, scripts, maps, Streamlit's own
        assert change < 40_000
