"""The page Image quality in a real browser: what people do on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pages.widgets.image_picker import SAMPLES
from tests.browser.conftest import Visit
from tests.browser.test_map_panel import next_frame, number, pixels, slide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
SCORES, WHY, ANY_Q, SALIENCY, AT_ONE = range(5)


@pytest.fixture(scope="session")
def address(app_server: Callable[..., str], browser: Browser) -> str:
    """The app's address, its networks loaded: on a busy machine that takes longer than a page may."""
    url = app_server("tests/browser/apps/quality.py")
    page = browser.new_page()
    page.goto(f"{url}/?stride=32&judge=without")
    panel(page, 7).wait_for(timeout=300_000)
    page.close()
    return url


@pytest.fixture
def quality(address: str, visit: Open) -> Open:
    def open_page(query: str = "", **how: object) -> Visit:
        seen = visit(f"{address}/{query}", **how)
        ready(seen)
        return seen

    return open_page


def ready(seen: Visit) -> None:
    panel(seen.page, 7).wait_for(timeout=120_000)
    seen.page.get_by_role("button", name="Keep the coarse map").wait_for(state="detached", timeout=120_000)
    seen.settle()


def panel(page: Page, place: int) -> Locator:
    return page.locator("article.panel").nth(place)


def canvas(page: Page, place: int) -> Locator:
    return panel(page, place).locator("canvas.map")


def heading(page: Page) -> str:
    return page.locator(".st-key-question h2").first.inner_text()


def draw(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Drag a rectangle on the lab's photo."""
    stage = page.locator("section[aria-label='Where it is distorted'] .stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=4)
    page.mouse.up()


def opacity(page: Page, place: int) -> np.ndarray:
    """How much of the map is seen, 0 to 255 (h, w)."""
    return pixels(canvas(page, place))[..., 3].astype(float)


def test_the_score_and_all_questions_are_there_without_a_click(quality: Open) -> None:
    page = quality().page
    score = re.search(r"Why (\d\.\d\d), rather than Q\?", heading(page))
    assert score is not None
    assert f"Score {score[1]} of 1" in (page.locator("figure svg").get_attribute("aria-label") or "")
    questions = [panel(page, at).locator(".question").inner_text() for at in range(8)]
    assert questions[WHY:SALIENCY] == [f"Why {score[1]}?", f"Why {score[1]}, rather than 0.75?"]
    assert questions[AT_ONE:] == [f"Why {score[1]}, rather than {q}?" for q in ("1", "0.75", "0.5", "0.25")]
    ends = {panel(page, at).locator(".ticks").inner_text() for at in (ANY_Q, *range(AT_ONE, 8))}
    assert len(ends) == 1, "one common scale"
    panel(page, SCORES).locator(".stage").hover()
    next_frame(page)
    assert all(panel(page, at).locator(".readout").inner_text() for at in range(8)), "one crosshair for all"


def test_q_acts_in_the_browser_alone(quality: Open) -> None:
    seen = quality("?stride=32")
    page = seen.page
    dial = page.locator("figure svg")
    before, sent, received = canvas(page, ANY_Q).evaluate("c => c.toDataURL()"), len(seen.sent), len(seen.received)
    slide(panel(page, ANY_Q).locator(".contrast input"), 0.3)
    next_frame(page)
    assert canvas(page, ANY_Q).evaluate("c => c.toDataURL()") != before
    assert panel(page, ANY_Q).locator(".question").inner_text().endswith("rather than 0.3?")
    assert "Q is 0.3" in (dial.get_attribute("aria-label") or "")
    panel(page, ANY_Q).get_by_role("button", name="0.25").click()
    next_frame(page)
    np.testing.assert_array_equal(pixels(canvas(page, ANY_Q)), pixels(canvas(page, 7)))
    page.wait_for_timeout(500)
    assert (len(seen.sent), len(seen.received)) == (sent, received)


def test_what_is_drawn_in_the_lab_is_damaged_and_found(quality: Open) -> None:
    seen = quality("?stride=16&steps=none")
    page = seen.page
    pristine = heading(page)
    page.get_by_role("button", name="Add a distortion").click()
    page.wait_for_url(re.compile("steps=jpeg"))
    ready(seen)
    page.locator(".st-key-quality_level").get_by_role("radio", name="5").click()
    page.wait_for_url(re.compile("jpeg%3A5|jpeg:5"))
    ready(seen)
    whole = heading(page)
    draw(page, 0.5, 0.1, 0.9, 0.6)
    page.wait_for_url(re.compile(r"jpeg(:|%3A)5(:|%3A)\d+-\d+-\d+-\d+"))
    ready(seen)
    box = [int(part) for part in re.search(r"(\d+)-(\d+)-(\d+)-(\d+)", page.url).groups()]  # type: ignore[union-attr]
    assert np.allclose(box, [500, 100, 900, 600], atol=12)
    assert whole < heading(page) < pristine, "a part of the damage costs a part of the score"
    seen_map = opacity(page, AT_ONE)
    h, w = seen_map.shape
    inside = np.zeros((h, w), bool)
    inside[round(0.1 * h) : round(0.6 * h), round(0.5 * w) : round(0.9 * w)] = True
    assert seen_map[inside].mean() > 2 * seen_map[~inside].mean()
    page.get_by_role("button", name="Whole photo", exact=True).click()
    page.wait_for_url(re.compile(r"jpeg(:|%3A)5$"))
    ready(seen)
    assert heading(page) == whole


def test_the_region_can_be_set_by_keys(quality: Open) -> None:
    seen = quality("?stride=32&judge=without&steps=contrast:3:300-300-500-500")
    page = seen.page
    stage = page.locator("section[aria-label='Where it is distorted'] .stage")
    stage.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile("340-300-540-520"))
    ready(seen)
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile(r"contrast(:|%3A)3$"))


def card(page: Page) -> Locator:
    """The magnifier's card."""
    return page.locator("section[aria-label='Magnifier'] .card")


def patch_in(page: Page, place: int) -> np.ndarray:
    """The patch in a canvas of the magnifier, uint8 (32, 32, 3): every pixel is four wide, with eight around."""
    return pixels(card(page).locator("canvas").nth(place))[34:160:4, 34:160:4, :3]


def test_the_patch_under_the_crosshair_is_enlarged_beside_its_reference(quality: Open) -> None:
    x0, y0, x1, y1 = SAMPLES["coffee"][2]
    photo = data.coffee()[y0:y1, x0:x1]
    seen = quality("?stride=16&steps=jpeg:5:520-480-880-880")
    page = seen.page
    assert not card(page).is_visible()
    sent = len(seen.sent)
    panel(page, AT_ONE).locator(".stage").hover(position={"x": 20, "y": 20})
    card(page).wait_for()
    np.testing.assert_array_equal(patch_in(page, 0), patch_in(page, 1))  # nothing was done here
    box = panel(page, AT_ONE).locator(".stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"])
    said = re.compile(r"Patch score (-?\d\.\d\d) x (\d+) to (\d+), y (\d+) to (\d+)")
    next_frame(page)
    found = said.search(card(page).inner_text())
    assert found is not None
    left, right, top, bottom = (int(number) for number in found.groups()[1:])
    assert (right - left, bottom - top) == (31, 31) and left % 16 == top % 16 == 0
    height, width = photo.shape[:2]
    assert left <= 0.7 * width <= right and top <= 0.7 * height <= bottom
    np.testing.assert_array_equal(patch_in(page, 1), photo[top : top + 32, left : left + 32])
    assert (patch_in(page, 0) != patch_in(page, 1)).mean() > 0.5
    assert len(seen.sent) == sent, "without a round trip"
    page.mouse.move(2, 2)
    card(page).wait_for(state="hidden")
    canvas(page, WHY).focus()
    page.keyboard.press("Shift+ArrowRight")
    card(page).wait_for()
    page.keyboard.press("Escape")
    card(page).wait_for(state="hidden")
    page.get_by_label("Enlarge the patch under the cursor").uncheck()
    canvas(page, WHY).focus()
    page.keyboard.press("Shift+ArrowRight")
    next_frame(page)
    assert panel(page, WHY).locator(".readout").inner_text() and not card(page).is_visible()


def test_a_large_photo_says_its_size_and_its_refining_can_be_stopped(quality: Open, tmp_path: Path) -> None:
    seen = quality("?stride=32&steps=none&judge=without")
    page = seen.page
    Image.fromarray(data.coffee()).resize((2400, 1600)).save(tmp_path / "large.jpg", quality=60)
    page.get_by_role("button", name="Your photo").click()
    page.locator("input[type=file]").nth(0).set_input_files(tmp_path / "large.jpg")
    page.get_by_text("Judged at 2400 × 1600 pixels, 3,750 patches").wait_for(timeout=60_000)
    seen.settle()
    page.keyboard.press("Escape")
    panel(page, SCORES).locator(".stage").hover()
    card(page).get_by_text("Shown at 1024 × 683 of the 2400 × 1600 pixels that were judged").wait_for()
    assert panel(page, SCORES).get_by_text("300 × 200 map, enlarged").is_visible()
    seen.choose(page.locator(".st-key-quality_stride").get_by_role("combobox"), "usual")
    keep = page.get_by_role("button", name="Keep the coarse map")
    keep.click(timeout=60_000)
    page.wait_for_url(re.compile("stride=32"))
    keep.wait_for(state="detached")
    seen.settle()
    assert page.get_by_text("3,750 patches of 32 × 32, one every 32").is_visible()


def test_a_pair_that_does_not_fit_is_told_and_can_be_cropped(quality: Open, tmp_path: Path) -> None:
    seen = quality("?stride=32&steps=none")
    page = seen.page
    for name, rows in (("photo", 200), ("reference", 180)):
        Image.fromarray(data.coffee()[100 : 100 + rows, 150:410]).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.png").write_text("not a picture")
    page.get_by_role("button", name="Your photo").click()
    choosers = page.locator("input[type=file]")
    choosers.nth(0).set_input_files(tmp_path / "photo.png")
    page.wait_for_url(re.compile("photo=upload"))
    ready(seen)
    choosers.nth(1).set_input_files(tmp_path / "notes.png")
    page.get_by_role("alert").filter(has_text="notes.png").wait_for()
    choosers.nth(1).set_input_files(tmp_path / "reference.png")
    page.get_by_text("260 x 200 pixels and its reference 260 x 180").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Crop both to the common size").click()
    page.get_by_text("the middle 260 x 180 pixels of both").wait_for()
    ready(seen)
    assert page.get_by_text("Its reference, 260 × 180").is_visible()


def test_a_link_opens_the_same_view(quality: Open) -> None:
    query = "?photo=cat&judge=without&stride=16&steps=gaussian-blur:5:100-200-400-700,mean-shift:3#view=q.any-q:0.4"
    seen = quality(query)
    page = seen.page
    assert panel(page, ANY_Q).locator(".question").inner_text().endswith("rather than 0.4?")
    first = [canvas(page, at).evaluate("c => c.toDataURL()") for at in (SCORES, ANY_Q, AT_ONE)]
    again = quality("?" + page.url.partition("?")[2]).page
    assert [canvas(again, at).evaluate("c => c.toDataURL()") for at in (SCORES, ANY_Q, AT_ONE)] == first
    assert number(panel(page, SCORES).locator(".ticks span").first.inner_text()) == 0


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(quality: Open, width: int, theme: str) -> None:
    seen = quality(width=width, theme=theme)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"image-quality-{width}-{theme}").stat().st_size > 50_000
