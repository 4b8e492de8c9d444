"""Links, bundles, reports, the history with its divider, and presenter mode, in a real browser."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from engine import bundle
from tests.browser.conftest import Visit
from tests.browser.maps import next_frame, pixels, slide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]


@pytest.fixture
def compare(app_server: Callable[..., str], visit: Open) -> Open:
    def open_page(query: str = "", **how: Any) -> Visit:
        seen = visit(app_server("app.py") + "/" + query, **how)
        panel(seen.page, 0).wait_for(timeout=120_000)
        seen.settle()
        return seen

    return open_page


def panel(page: Page, place: int) -> Locator:
    return page.locator("article.panel").nth(place)


def drawn(page: Page) -> list[bytes]:
    return [pixels(canvas).tobytes() for canvas in page.locator("article.panel canvas.map").all()]


def question(page: Page, place: int) -> str:
    return panel(page, place).locator(".question").inner_text()


def dialog(seen: Visit, button: str) -> Locator:
    seen.page.get_by_role("button", name=button, exact=True).click()
    found = seen.page.get_by_role("dialog")
    found.wait_for()
    seen.settle()
    return found


def saved(seen: Visit, button: str = "Bundle (ZIP)") -> bytes:
    shared = dialog(seen, "Share")
    with seen.page.expect_download() as download:
        shared.get_by_role("button", name=button).click()
    content = Path(download.value.path()).read_bytes()
    shared.get_by_role("button", name="Close").click()
    shared.wait_for(state="detached")
    seen.settle()
    return content


def give(seen: Visit, file: Path) -> None:
    """Open a bundle in the dialog; it closes where the bundle is sound."""
    dialog(seen, "Share").locator("input[type=file]").set_input_files(file)


def upload(seen: Visit, folder: Path) -> None:
    """A photo of one's own: stripes with noise, so that the maps have something to find."""
    rows = np.arange(150, dtype=np.uint8)[:, None, None]
    noise = np.random.default_rng(0).integers(0, 90, (150, 220, 3), dtype=np.uint8)
    Image.fromarray(rows + noise).save(folder / "Sommer am Meer.png")
    seen.page.get_by_role("button", name="Your photo").click()
    seen.page.locator("input[type=file]").set_input_files(folder / "Sommer am Meer.png")
    seen.page.wait_for_url(re.compile("photo=upload"))
    seen.settle()
    seen.page.keyboard.press("Escape")


class TestBundles:
    def test_it_brings_an_uploaded_photo_and_the_whole_view_back_bit_for_bit(
        self, compare: Open, tmp_path: Path
    ) -> None:
        first = compare("?panels=contrast,quality,quality~2&layer=layer3")
        upload(first, tmp_path)
        slide(first.page.get_by_label("Opacity"), 55)
        first.page.get_by_label("Colours").select_option("lagoon")
        slide(panel(first.page, 2).locator(".contrast input"), 0.3)
        first.page.locator(".bars button[aria-pressed=false]").nth(2).click()
        first.page.wait_for_url(re.compile("foil="))
        first.settle()
        first.page.wait_for_function("location.hash.includes('q.quality~2:0.3')")
        content, shown, address = saved(first), drawn(first.page), first.page.url
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert {"manifest.json", "image.png", "report.html", "maps/quality~2.npz"} < set(archive.namelist())
        (tmp_path / "view.zip").write_bytes(content)

        second = compare()
        give(second, tmp_path / "view.zip")
        second.page.wait_for_url(re.compile("photo=upload"))
        second.page.get_by_text("the same, bit for bit").wait_for()
        second.settle()
        next_frame(second.page)
        assert second.page.get_by_text("Sommer am Meer.png").count()
        assert second.page.url == address
        assert question(second.page, 2).endswith("rather than 0.3?")
        assert drawn(second.page) == shown
        assert saved(second) == content

    def test_it_opens_on_the_page_that_it_was_saved_from(self, compare: Open, tmp_path: Path) -> None:
        seen = compare()
        seen.page.get_by_role("link", name="Image quality").click()
        seen.choose(seen.page.locator(".st-key-quality_stride").get_by_role("combobox"), "32 pixels")
        seen.page.wait_for_url(re.compile("stride=32"))
        panel(seen.page, 7).wait_for(timeout=120_000)
        seen.settle()
        content = saved(seen)
        (tmp_path / "view.zip").write_bytes(content)
        again = compare()
        give(again, tmp_path / "view.zip")
        again.page.wait_for_url(re.compile("image_quality.*stride="))
        panel(again.page, 7).wait_for(timeout=120_000)
        again.settle()
        assert saved(again) == content
        found = bundle.read(content)
        assert found.photos["reference"].digest != found.photos["image"].digest, "the lab's undistorted photo"

    def test_a_damaged_one_is_told_and_the_view_stays(self, compare: Open, tmp_path: Path) -> None:
        seen = compare("?foil=3")
        (tmp_path / "view.zip").write_bytes(saved(seen)[:-2000])
        give(seen, tmp_path / "view.zip")
        seen.page.get_by_role("alert").filter(has_text="view.zip is damaged").wait_for()
        seen.page.keyboard.press("Escape")
        seen.settle()
        assert "foil=3" in seen.page.url

    @pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (800, "dark")])
    def test_its_report_opens_without_the_app(
        self, compare: Open, browser: Browser, tmp_path: Path, width: int, theme: Any
    ) -> None:
        seen = compare("?panels=gradcam,contrast,quality#view=q.quality:0.25")
        (tmp_path / "report.html").write_bytes(saved(seen, "Report (HTML)"))
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=True)
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        assert page.get_by_role("heading", level=1).inner_text().startswith("Why cat, rather than")
        assert "rather than 0.25?" in page.locator("figure").nth(3).inner_text()
        assert page.locator("figure img:not(.bar)").evaluate_all("all => all.every(each => each.naturalWidth > 100)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", "its style may act"
        page.screenshot(path=seen.screenshot("compare-shared").with_name(f"report-{width}-{theme}.png"), full_page=True)
        assert told == []
        context.close()


class TestLinks:
    def test_the_dialog_shows_the_address_with_the_view_in_it(self, compare: Open) -> None:
        seen = compare("?foil=4#view=opacity:40;look:cells")
        shared = dialog(seen, "Share")
        link = shared.get_by_test_id("stCode").inner_text().strip()
        assert link == seen.page.url and link.endswith("#view=opacity:40;look:cells")
        seen.screenshot("share-1440")
        again = compare(link.partition("/?")[2].join(("?", "")))
        assert drawn(again.page) == drawn(seen.page)


class TestPanels:
    def test_each_keeps_its_q_when_one_beside_it_goes(self, compare: Open) -> None:
        seen = compare("?panels=gradcam,quality,quality~2#view=q.quality:0.25;q.quality~2:0.5")
        page = seen.page
        panel(page, 1).get_by_role("button", name="Remove this panel").click()
        page.wait_for_url(re.compile(r"panels=gradcam(,|%2C)quality~2"))
        seen.settle()
        assert question(page, 1).endswith("rather than 0.5?")
        panel(page, 0).get_by_role("button", name="Remove this panel").click()
        page.wait_for_url(re.compile(r"panels=quality~2"))
        seen.settle()
        assert question(page, 0).endswith("rather than 0.5?")
        assert panel(page, 0).get_by_role("button", name="Remove this panel").is_hidden(), "the last one stays"

    def test_a_switch_of_the_method_keeps_the_focus(self, compare: Open) -> None:
        seen = compare("?panels=gradcam,features")
        select = panel(seen.page, 0).get_by_label("Method of this panel")
        select.focus()
        select.select_option("contrast")
        seen.page.wait_for_url(re.compile("panels=contrast"))
        seen.settle()
        assert select.evaluate("select => select.getRootNode().activeElement === select")


class TestHistory:
    def looked_at_three(self, compare: Open, **how: Any) -> Visit:
        seen = compare("?panels=gradcam,contrast", **how)
        for place in (1, 2):
            seen.page.locator(".bars button[aria-pressed=false]").nth(place).click()
            seen.settle()
        return seen

    def test_a_click_goes_back(self, compare: Open) -> None:
        seen = self.looked_at_three(compare)
        page, last = seen.page, question(seen.page, 1)
        shown = dialog(seen, "History")
        looks = shown.locator("button.look")
        assert looks.count() == 3 and last in looks.first.inner_text()
        first = looks.nth(2).locator(".heading").inner_text()
        looks.nth(2).click()
        shown.wait_for(state="detached")
        seen.settle()
        assert question(page, 1) == first != last
        assert dialog(seen, "History").locator("button.look").count() == 3, "known, so not there twice"

    @pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (800, "light"), (800, "dark")])
    def test_two_are_pinned_and_lie_under_one_divider(self, compare: Open, width: int, theme: Any) -> None:
        seen = self.looked_at_three(compare, width=width, theme=theme)
        page = seen.page
        shown = dialog(seen, "History")
        for place in (0, 2):
            shown.locator("button.pin").nth(place).click()
            seen.settle()
        assert shown.locator("button.pin[aria-pressed=true]").count() == 2
        shown.get_by_label("Map on the left").select_option(label="Contrast")
        shown.get_by_label("Map on the right").select_option(label="Contrast")
        divider = shown.get_by_role("slider", name="Divider between the two maps")
        divider.focus()
        page.keyboard.press("Home")
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert divider.get_attribute("aria-valuenow") == "20"
        assert "Contrast over the photo Cat" in (divider.get_attribute("aria-valuetext") or "")
        page.keyboard.press("End")
        assert divider.get_attribute("aria-valuenow") == "100"
        stage = shown.locator(".swipe-stage")
        box = stage.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40, steps=5)
        page.mouse.up()
        assert abs(int(divider.get_attribute("aria-valuenow") or 0) - 40) <= 1
        left, right = (pixels(stage.locator("canvas").nth(side)).astype(int) for side in (0, 1))
        assert left.shape == right.shape and np.abs(left - right).max() > 60, "two foils, two maps"
        clips = stage.locator("canvas").evaluate_all("all => all.map(each => each.style.clipPath)")
        assert clips == ["inset(0px 60% 0px 0px)", "inset(0px 0px 0px 40%)"]
        next_frame(page)
        path = seen.screenshot(f"history-{width}-{theme}")
        assert path.stat().st_size > 50_000
        page.keyboard.press("Escape")
        shown.wait_for(state="detached")

    def test_another_foil_costs_no_message_more_for_it(self, compare: Open) -> None:
        seen = compare("?panels=gradcam,contrast")
        bars = seen.page.locator(".bars button[aria-pressed=false]")

        def cost(place: int) -> int:
            before = len(seen.received)
            bars.nth(place).click()
            seen.settle()
            return sum(seen.received[before:])

        costs = [cost(place) for place in (1, 2, 3, 1, 2, 3)]
        assert max(costs) < 40_000
        assert costs[-1] < 1.1 * costs[1], "what was looked at before is not sent along"


class TestPresenter:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1920, 1440, 800])
    def test_the_question_and_the_maps_alone_in_large_type(self, compare: Open, width: int, theme: str) -> None:
        seen = compare(width=width, theme=theme)
        page = seen.page
        size = panel(page, 0).locator(".sentence").evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
        page.get_by_role("button", name="Present", exact=True).click()
        page.locator("html[data-presenting]").wait_for(state="attached")
        next_frame(page)
        larger = panel(page, 0).locator(".sentence").evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
        assert larger > 1.1 * size
        for gone in (".bars", ".tools", "[role=radiogroup][aria-label=Layer]", "text=Options of", "text=Your photo"):
            assert page.locator(gone).first.is_hidden(), gone
        assert page.locator(".st-key-question").is_visible() and panel(page, 2).is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.screenshot(f"present-{width}-{theme}").stat().st_size > 50_000

    def test_keys_work_without_the_focus(self, compare: Open) -> None:
        seen = compare("?panels=gradcam,contrast#view=present:on")
        page = seen.page
        page.locator("html[data-presenting]").wait_for(state="attached")
        before = question(page, 1)
        page.keyboard.press("ArrowRight")
        page.wait_for_url(re.compile("foil="))
        seen.settle()
        after = question(page, 1)
        assert after != before
        page.keyboard.press("ArrowLeft")
        seen.settle()
        assert question(page, 1) == before, "one step for one key"
        page.keyboard.press("ArrowUp")
        page.wait_for_url(re.compile("layer=layer"))
        seen.settle()
        page.keyboard.press("6")
        page.wait_for_url(re.compile(r"panels=confidence(,|%2C)contrast"))
        seen.settle()
        panel(page, 1).locator("canvas.map").focus()
        page.keyboard.press("2")
        page.wait_for_url(re.compile(r"panels=confidence(,|%2C)gradcam"))

    def test_space_hides_the_maps_for_a_guess(self, compare: Open) -> None:
        page = compare("#view=present:on").page
        canvas = panel(page, 0).locator("canvas.map")
        assert canvas.evaluate("each => each.style.opacity") == "0.75"
        page.keyboard.press("Space")
        next_frame(page)
        assert canvas.evaluate("each => each.style.opacity") == "0"
        page.keyboard.press("Space")
        next_frame(page)
        assert canvas.evaluate("each => each.style.opacity") == "0.75"

    def test_the_keys_are_told_and_escape_leaves_one_thing_at_a_time(self, compare: Open) -> None:
        seen = compare("#view=present:on")
        page = seen.page
        page.keyboard.press("?")
        told = page.get_by_role("dialog", name="Presenter mode")
        assert "Guided backprop" in told.inner_text()
        seen.screenshot("present-keys")
        page.keyboard.press("ArrowRight")
        seen.settle()
        assert "foil" not in page.url, "behind the keys nothing moves"
        page.keyboard.press("Escape")
        told.wait_for(state="hidden")
        assert page.locator("html[data-presenting]").count() == 1
        page.keyboard.press("Escape")
        page.locator("html:not([data-presenting])").wait_for(state="attached")
        page.wait_for_function("!location.hash.includes('present')")
        button = page.get_by_role("button", name="Present", exact=True)
        assert button.evaluate("each => each.getRootNode().activeElement === each")

    def test_keys_are_left_to_whoever_types(self, compare: Open) -> None:
        seen = compare("?panels=gradcam,quality#view=present:on")
        page = seen.page
        page.get_by_role("combobox", name="Fact P").click()
        page.keyboard.type("dog 1 ?")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
        slider = panel(page, 1).locator(".contrast input")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        seen.settle()
        assert "foil=" not in page.url and "panels=gradcam%2Cquality" in page.url.replace(",", "%2C")
        assert slider.input_value() == "0.74"
        assert page.locator("html[data-presenting]").count() == 1
