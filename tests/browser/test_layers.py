"""The page Layers in a real browser: cells open, the slider travels and foils are pointed at without a message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
VIEWS = {"layers": "table .thumb", "foils": ".strip .thumb", "surprisal": ".bars button"}


@pytest.fixture
def layers(app_server: Callable[..., str], visit: Open) -> Open:
    def open_page(query: str = "", **how: object) -> Visit:
        view = re.search(r"view=(\w+)", query)
        seen = visit(app_server("tests/browser/apps/layers.py") + query, **how)
        seen.page.locator(VIEWS[view[1] if view else "layers"]).first.wait_for(timeout=120_000)
        seen.page.locator("article.panel").wait_for(timeout=60_000)
        seen.settle()
        return seen

    return open_page


def full(page: Page) -> str:
    """What stands at the map in full."""
    return page.locator("article.panel").inner_text()


def drawn(page: Page) -> str:
    """What the map in full shows."""
    shown: str = page.locator("article.panel canvas.map").evaluate("canvas => canvas.toDataURL()")
    return shown


def thumbs(page: Page) -> Locator:
    return page.locator("table .thumb")


def opened(page: Page) -> str:
    """The open cell's words for those who do not see it."""
    return page.locator("table .thumb[aria-pressed=true]").get_attribute("aria-label") or ""


@contextmanager
def no_message(seen: Visit) -> Iterator[None]:
    """Nothing is sent to the app inside, nor for a while after it."""
    before = len(seen.sent)
    yield
    seen.page.wait_for_timeout(600)
    assert len(seen.sent) == before


def travel(page: Page, row: int) -> None:
    page.locator("input[type=range][aria-label^='Layer']").evaluate(
        "(input, row) => { input.value = row; input.dispatchEvent(new Event('input')); }", row
    )


def fragment(page: Page) -> str:
    text: str = page.evaluate("decodeURIComponent(location.hash)")
    return text


# --- layers -------------------------------------------------------------------------------------------------


def test_the_first_paint_shows_the_grid_and_a_map_in_full(layers: Open) -> None:
    page = layers().page
    assert thumbs(page).count() == 25
    assert "rather than" in full(page) and "at layer4" in full(page)
    painted = thumbs(page).evaluate_all(
        "all => all.map(thumb => thumb.querySelector('canvas')).map(canvas => canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0))"
    )
    labels = thumbs(page).evaluate_all("all => all.map(thumb => thumb.getAttribute('aria-label'))")
    positive = [not re.search(r"highest (0|−\S+) at", label) for label in labels]
    assert painted == positive and any(painted), "a map is painted where it has positive evidence"
    assert re.search(
        r"^layer4: Contrast, 5 by 5 cells: highest .+ at row \d, column \d \(.+\), lowest .+", opened(page)
    )


def test_a_click_opens_the_cell_in_full_and_the_address_follows(layers: Open) -> None:
    seen = layers()
    page, before = seen.page, drawn(seen.page)
    with no_message(seen):
        thumbs(page).nth(5).click()
        page.wait_for_function("document.location.hash.includes('layer1')")
    assert "Grad-CAM" in full(page) and "at layer1" in full(page) and "40 × 40 map" in full(page)
    assert drawn(page) != before
    assert fragment(page) == "#cell=layer1/gradcam"
    assert "layer1: Grad-CAM" in opened(page)


def test_the_slider_travels_without_a_message(layers: Open) -> None:
    seen = layers()
    page, before = seen.page, drawn(seen.page)
    shown = {before}
    with no_message(seen):
        for row in range(4):
            travel(page, row)
            page.wait_for_timeout(150)
            shown.add(drawn(page))
            assert page.locator("tr.here").count() == 1
            assert opened(page).startswith(page.locator("tr.here .name").inner_text())
        travel(page, 4)
        page.wait_for_timeout(150)
    assert len(shown) == 5, "every layer has a map of its own"
    assert drawn(page) == before


def test_the_statistics_are_those_of_the_open_column(layers: Open) -> None:
    page = layers().page
    shares = page.locator("td.number").all_inner_texts()
    assert len(shares) == 5 and all(re.fullmatch(r"\d+%", share) for share in shares)
    assert page.locator("thead .number").inner_text().split("\n") == ["Positive", "of contrast"]
    thumbs(page).first.click()
    assert page.locator("thead .number").inner_text().endswith("of grad-cam")
    assert page.locator("td.number").all_inner_texts() != shares
    assert page.locator("tbody th").first.inner_text().split("\n") == ["relu", "80 × 80", "stride 2, 64 ch."]


def test_the_keys_walk_through_the_grid_and_from_the_map_in_full(layers: Open) -> None:
    seen = layers()
    page = seen.page
    with no_message(seen):
        page.locator("table .thumb[aria-pressed=true]").focus()
        page.keyboard.press("ArrowUp")
        assert opened(page).startswith("layer3: Contrast")
        page.keyboard.press("ArrowLeft")
        assert opened(page).startswith("layer3: Grad-CAM")
        page.keyboard.press("ArrowLeft")
        assert opened(page).startswith("layer3: Grad-CAM"), "the ends hold"
        assert page.locator("table .thumb[tabindex='0']").count() == 1, "one stop for the tabulator"
        page.locator("article.panel canvas.map").focus()
        page.keyboard.press("ArrowUp")
        assert opened(page).startswith("layer2: Grad-CAM") and "at layer2" in full(page)
        page.keyboard.press("ArrowRight")
        assert opened(page).startswith("layer2: Contrast")


def test_the_journey_goes_from_edges_to_meaning_and_stops(layers: Open) -> None:
    seen = layers()
    page = seen.page
    with no_message(seen):
        page.get_by_role("button", name="Travel from edges to meaning").click()
        assert opened(page).startswith("relu")
        page.get_by_role("button", name="Stop").wait_for()
        page.get_by_role("button", name="Travel from edges to meaning").wait_for(timeout=20_000)
    assert opened(page).startswith("layer4")


def test_the_value_under_the_pointer_is_the_maps_own(layers: Open) -> None:
    seen = layers()
    page = seen.page
    with no_message(seen):
        cell = page.locator("table .thumb[aria-pressed=true]")
        highest = re.search(r"highest (\S+) at row (\d), column (\d)", opened(page))
        assert highest is not None
        box = cell.bounding_box()
        assert box is not None
        # Cells lie at shares of the photo that begin before its edge: half a cell, as measured for this network.
        left = -0.096875
        x = box["x"] + (left + (int(highest[3]) + 0.5) / 5) * box["width"]
        y = box["y"] + (left + (int(highest[2]) + 0.5) / 5) * box["height"]
        page.mouse.move(x, y)
        assert cell.locator(".value").inner_text() == highest[1]
        page.mouse.move(5, 5)
        assert cell.locator(".value").inner_text() == ""


def test_the_look_is_that_of_the_map_in_full(layers: Open) -> None:
    seen = layers()
    page = seen.page
    labels = thumbs(page).evaluate_all("all => all.map(thumb => thumb.getAttribute('aria-label'))")
    both = next(at for at, label in enumerate(labels) if re.search(r"highest 0\.\d.*lowest −", label))
    thumbs(page).nth(both).click()
    small = thumbs(page).nth(20).locator("canvas")
    before = small.evaluate("canvas => canvas.toDataURL()")
    with no_message(seen):
        page.locator(".choice select").nth(0).select_option("lagoon")
        page.locator(".choice select").nth(1).select_option("signed")
        page.get_by_label("Shared scale").check()
    assert small.evaluate("canvas => canvas.toDataURL()") != before
    low, _, high = page.locator("article.panel .ticks").inner_text().split("\n")
    assert numbers_of(low)[0] == -numbers_of(high)[0] < 0


def test_a_link_opens_the_same_view(layers: Open) -> None:
    first = layers("/?photo=coffee&foils=3,4&cells=gradcam&beside=features")
    thumbs(first.page).nth(11).click()
    first.page.wait_for_function("document.location.hash.includes('gradcam-4')")
    second = layers("/?" + first.page.url.partition("?")[2]).page
    assert opened(second) == opened(first.page) and opened(second).startswith("layer2: Grad-CAM")
    assert drawn(second) == drawn(first.page)
    assert thumbs(second).count() == 20


def test_nonsense_in_the_fragment_is_ignored(layers: Open) -> None:
    for fragment in ("#cell=layer9/none", "#cell=%E0%A4%A", "#cell="):
        assert opened(layers(f"/{fragment}").page).startswith("layer4: Contrast")


def test_what_is_open_stays_open_when_the_question_changes(layers: Open) -> None:
    seen = layers()
    page = seen.page
    thumbs(page).nth(10).click()
    page.wait_for_function("document.location.hash.includes('layer2')")
    page.get_by_text("Coffee", exact=True).click()
    page.wait_for_url(re.compile("photo=coffee"))
    seen.settle()
    assert opened(page).startswith("layer2: Grad-CAM") and fragment(page) == "#cell=layer2/gradcam"


def test_every_layer_in_one_grid(layers: Open) -> None:
    seen = layers()
    page = seen.page
    page.get_by_text(re.compile(r"^\d+ layers$")).click()
    page.wait_for_url(re.compile("rows=every"))
    page.locator("tbody tr").nth(30).wait_for(timeout=120_000)
    seen.settle()
    rows = page.locator("tbody tr").count()
    assert rows > 40 and thumbs(page).count() == 5 * rows
    with no_message(seen):
        travel(page, 0)
        page.wait_for_timeout(150)
        assert opened(page).startswith("conv1")
        visible = page.locator("tr.here").evaluate(
            "line => { const frame = line.closest('.scroll').getBoundingClientRect();"
            " const box = line.getBoundingClientRect();"
            " return box.top >= frame.top && box.bottom <= frame.bottom + 1; }"
        )
        assert visible, "the row of the slider is in sight"


# --- all foils ----------------------------------------------------------------------------------------------


def test_pointing_at_a_foil_shows_its_map_at_once_without_a_message(layers: Open) -> None:
    seen = layers("/?view=foils")
    page = seen.page
    cards = page.locator(".strip .thumb")
    kept = drawn(page)
    assert cards.count() == 23
    shown = set()
    with no_message(seen):
        for at in (0, 1, 5, 9):
            cards.nth(at).hover()
            page.wait_for_timeout(150)
            shown.add(drawn(page))
        name = cards.nth(9).locator(".title").inner_text()
        assert f"rather than {name}?" in full(page)
        page.mouse.move(5, 5)
        page.wait_for_timeout(150)
        assert drawn(page) == kept, "without pointing, Q's map"
        cards.nth(4).focus()
        page.wait_for_timeout(150)
        assert cards.nth(4).locator(".title").inner_text() in full(page)
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(150)
        assert cards.nth(5).locator(".title").inner_text() in full(page)
    assert len(shown) == 4 and kept not in shown


def test_a_click_on_a_foil_makes_it_q(layers: Open) -> None:
    seen = layers("/?view=foils")
    page = seen.page
    card = page.locator(".strip .thumb").nth(7)
    name = card.locator(".title").inner_text()
    card.click()
    page.wait_for_url(re.compile("foil=[0-9]+"))
    seen.settle()
    page.mouse.move(5, 5)
    page.wait_for_timeout(150)
    assert page.locator(".strip .thumb[aria-pressed=true] .title").inner_text() == name
    assert f"rather than {name}?" in full(page)


def test_sorted_by_difference(layers: Open) -> None:
    seen = layers("/?view=foils")
    page = seen.page

    def differences() -> list[float]:
        texts = page.locator(".strip .thumb:not(.over) .differs").all_text_contents()
        return [float(text) for text in texts]

    before = differences()
    page.get_by_text("Difference from Grad-CAM").click()
    page.wait_for_url(re.compile("sort=difference"))
    seen.settle()
    assert differences() == sorted(before, reverse=True) != before
    assert page.locator(".strip .title").all_inner_texts()[:2] == ["Mean", "Variance"]


def test_a_thousand_classes_are_searched(layers: Open) -> None:
    seen = layers("/?view=foils&model=resnet18&weights=random&size=64")
    page = seen.page
    assert page.locator(".strip .thumb").count() == 2 + 19 + 3
    field = page.get_by_label("Also show")
    field.fill("lemon")
    page.get_by_role("option", name="lemon").first.click()
    page.wait_for_url(re.compile("also=951"))
    seen.settle()
    assert "lemon" in page.locator(".strip .title").all_inner_texts()


# --- surprisal ----------------------------------------------------------------------------------------------


def numbers_of(text: str) -> list[float]:
    return [float(part.replace("−", "-").replace(" ", "")) for part in re.findall(r"[+−]? ?\d+\.\d+", text)]


def test_the_written_sum_is_the_map_at_every_cell(layers: Open) -> None:
    seen = layers("/?view=surprisal")
    page = seen.page
    terms = page.locator(".terms")
    said = set()
    with no_message(seen):
        terms.focus()
        for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"):
            page.keyboard.press(key)
            equation = page.locator(".equation").inner_text()
            left, right = equation.split(" = ")
            places = len(right.partition(".")[2])
            parts = numbers_of(left)
            assert len(parts) == 6
            assert round(sum(parts), places) == numbers_of(right)[0]
            said.add(equation)
    assert len(said) > 3
    box = page.locator(".term").nth(2).locator(".stage").bounding_box()
    assert box is not None
    with no_message(seen):
        page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.05 * box["height"])
        assert page.locator(".sum .at").inner_text() == "At row 0, column 4:"


def test_a_bar_makes_its_class_q_and_the_arithmetic_follows(layers: Open) -> None:
    seen = layers("/?view=surprisal")
    page = seen.page
    bars = page.locator(".bars button")
    assert bars.count() == 22
    before, equation = drawn(page), page.locator(".equation").inner_text()
    name = bars.nth(6).locator(".label").inner_text()
    bars.nth(6).click()
    page.wait_for_url(re.compile("foil=[0-9]+"))
    seen.settle()
    assert page.locator(".bars .foil .label").inner_text() == name
    assert f"rather than {name}?" in full(page)
    assert drawn(page) != before and page.locator(".equation").inner_text() != equation


# --- the whole page -----------------------------------------------------------------------------------------


def test_the_page_is_reached_as_people_do_and_left_again(app_server: Callable[..., str], visit: Open) -> None:
    seen = visit(app_server("app.py") + "/?foil=5")
    page = seen.page
    page.locator("article.panel").nth(2).wait_for(timeout=120_000)
    page.get_by_role("link", name="Layers").first.click()
    thumbs(page).nth(24).wait_for(timeout=120_000)
    page.locator("article.panel").wait_for(timeout=60_000)
    seen.settle()
    foil = page.locator("thead th").nth(3).inner_text()
    page.get_by_text("All foils", exact=True).click()
    page.locator(".strip .thumb[aria-pressed=true]").wait_for(timeout=60_000)
    assert page.locator(".strip .thumb[aria-pressed=true] .title").inner_text() in foil, "Compare's Q is Q here too"
    page.get_by_role("link", name="Compare").first.click()
    page.locator("article.panel").nth(2).wait_for(timeout=120_000)
    seen.settle()


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_screenshots(layers: Open, view: str, width: int, theme: str) -> None:
    seen = layers(f"/?view={view}", width=width, theme=theme)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"layers-{view}-{width}-{theme}").stat().st_size > 50_000
