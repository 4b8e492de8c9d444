"""How maps look in a real browser, on a page with nothing behind them (apps/panels.py)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.browser.maps import SIDE, Open, gradcam, hover_cell, next_frame, number, opener, panel, pixels, slide

pytestmark = pytest.mark.browser


@pytest.fixture
def open_app(app_server: Callable[..., str], visit: Open) -> Open:
    return opener(app_server, visit)


class TestLook:
    """What acts in the browser alone."""

    def test_no_control_of_the_view_sends_a_message(self, open_app: Open) -> None:
        seen = open_app()
        page, before = seen.page, len(seen.sent)
        for slider in page.locator(".tools input[type=range]").all():
            for value in (0, 30, 60):
                slide(slider, value)
        for select in page.locator(".tools select").all():
            for option in select.locator("option").all():
                select.select_option(option.get_attribute("value"))
        for check in page.locator(".tools input[type=checkbox]").all():
            check.click()
        for q in (0.1, 0.68, 0.9):
            slide(panel(page, 2).locator(".contrast input"), q)
        panel(page, 2).get_by_role("button", name="0.5").click()
        for row in range(4):
            hover_cell(page, row % 3, row, row)
        page.get_by_role("button", name="Zoom in").click()
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.keyboard.up("Control")
        page.get_by_role("button", name="Show the whole photo").click()
        page.get_by_role("button", name="Back to the default view").click()
        page.wait_for_timeout(600)
        assert len(seen.sent) == before

    @pytest.mark.parametrize(("row", "column"), [(0, 0), (5, 6), (13, 13), (3, 11)])
    def test_hover_shows_the_raw_value_of_the_cell_in_every_panel(self, open_app: Open, row: int, column: int) -> None:
        page = open_app().page
        hover_cell(page, 0, row, column)
        text = panel(page, 0).locator(".readout").inner_text()
        assert text.endswith(f"at row {row}, column {column}")
        assert number(text) == pytest.approx(gradcam()[row, column], rel=5e-3)
        assert panel(page, 1).locator(".readout").inner_text().endswith(f"at row {row}, column {column}")
        assert "row" in panel(page, 2).locator(".readout").inner_text()
        page.get_by_label("Find a class to make it the foil").hover()
        next_frame(page)
        assert panel(page, 0).locator(".readout").inner_text() == ""

    def test_cells_lie_where_the_grid_says(self, open_app: Open) -> None:
        page = open_app("/#view=look:cells;fade:off").page
        image = pixels(panel(page, 0).locator("canvas.map"))
        line = image[round(image.shape[0] * 5.5 / SIDE), :, :3].astype(int)
        steps = np.flatnonzero(np.abs(np.diff(line, axis=0)).sum(axis=1)) + 1
        edges = np.arange(1, SIDE) * image.shape[1] / SIDE
        nearest = np.abs(steps[:, None] - edges[None]).min(axis=1)
        assert len(steps) >= SIDE - 3  # cells at and below zero share a colour
        assert nearest.max() <= 1

    def test_smooth_equals_cells_at_the_centres_of_cells(self, open_app: Open) -> None:
        page = open_app("/#view=fade:off").page
        canvas = panel(page, 0).locator("canvas.map")
        smooth = pixels(canvas).astype(int)
        page.get_by_label("Show cells").check()
        next_frame(page)
        cells = pixels(canvas).astype(int)
        h, w = cells.shape[:2]
        centres = (np.arange(SIDE) + 0.5) / SIDE
        at = np.ix_((centres * h).astype(int), (centres * w).astype(int))
        assert np.abs(smooth[at] - cells[at]).max() <= 12  # a pixel lies up to half of one off the centre
        assert np.abs(smooth - cells).max() > 40

    def test_threshold_hides_what_is_below_that_share_of_the_maximum(self, open_app: Open) -> None:
        page = open_app("/#view=hide:50;look:cells;fade:off").page
        image = pixels(panel(page, 0).locator("canvas.map"))
        h, w = image.shape[:2]
        centres = (np.arange(SIDE) + 0.5) / SIDE
        shown = image[np.ix_((centres * h).astype(int), (centres * w).astype(int))][..., 3] > 0
        values = gradcam()
        clear = np.abs(values / values.max() - 0.5) > 0.01
        np.testing.assert_array_equal(shown[clear], (values >= 0.5 * values.max())[clear])

    @pytest.mark.parametrize("colours", ["ember", "lagoon", "dusk"])
    def test_colour_scales_grow_evenly_in_lightness(self, open_app: Open, colours: str) -> None:
        page = open_app(f"/#view=fade:off;colours:{colours}").page
        strip = pixels(panel(page, 0).locator("canvas.strip"))[6, 4:, :3] / 255
        linear = np.where(strip <= 0.04045, strip / 12.92, ((strip + 0.055) / 1.055) ** 2.4)
        lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])  # L* but for a factor and an offset
        steps = np.diff(lightness[::16])
        assert (steps > 0).all()
        assert steps.max() < 2.5 * np.median(steps)

    def test_signed_maps_tell_the_sign_by_hatching_too(self, open_app: Open) -> None:
        page = open_app("/#view=fade:off").page
        strip = pixels(panel(page, 2).locator("canvas.strip")).astype(int)
        spread = np.abs(strip[..., :3] - strip[:1, :, :3]).max(axis=(0, 2))
        assert spread[10:100].min() > 20
        assert spread[140:].max() == 0
        words = panel(page, 2).locator(".meaning span").all_inner_texts()
        assert words == ["− holds it below 1", "+ keeps it above 1"]

    def test_q_acts_on_map_and_words_on_one_common_scale(self, open_app: Open) -> None:
        page = open_app().page
        quality = panel(page, 2)
        canvas, ends = quality.locator("canvas.map"), quality.locator(".ticks span")
        assert quality.locator(".question").inner_text() == "Why 0.68, rather than 1?"
        at_one, scale = pixels(canvas).astype(int), ends.all_inner_texts()
        quality.get_by_role("button", name="0.25").click()
        next_frame(page)
        assert quality.locator(".question").inner_text() == "Why 0.68, rather than 0.25?"
        at_quarter = pixels(canvas).astype(int)
        assert ends.all_inner_texts() == scale
        blue = (at_one[..., 2] - at_one[..., 0])[at_one[..., 3] > 200].mean()
        red = (at_quarter[..., 0] - at_quarter[..., 2])[at_quarter[..., 3] > 200].mean()
        assert blue > 30
        assert red > 30
        slide(quality.locator(".contrast input"), 0.68)
        next_frame(page)
        assert "Q equals the score" in quality.locator(".notes").inner_text()

    def test_hover_value_of_a_quality_map_follows_q(self, open_app: Open) -> None:
        page = open_app().page
        stage = panel(page, 2).locator(".stage")
        stage.hover()
        next_frame(page)
        readout = panel(page, 2).locator(".readout")
        at_one = number(readout.inner_text())
        slide(panel(page, 2).locator(".contrast input"), 0.5)
        next_frame(page)
        at_half = number(readout.inner_text())
        slide(panel(page, 2).locator(".contrast input"), 0)
        next_frame(page)
        at_zero = number(readout.inner_text())
        assert at_half == pytest.approx((at_one + at_zero) / 2, rel=0.02)

    @pytest.mark.parametrize("q", [1.0, 0.6, 0.25])
    def test_with_a_level_only_evidence_against_q_is_shown_by_side(self, open_app: Open, q: float) -> None:
        page = open_app("/?level=1").page
        slide(panel(page, 2).locator(".contrast input"), q)
        column, row = (np.arange(28) + 0.5) / 28, (np.arange(24)[:, None] + 0.5) / 24
        scores = 0.8 - 0.5 * np.exp(-((column - 0.3) ** 2 + (row - 0.7) ** 2) / 0.3**2)
        cam = -0.4 + np.exp(-((column - 0.6) ** 2 + (row - 0.3) ** 2) / 0.5**2)
        expected = np.maximum(0, 2 * (scores - q) * cam) * np.sign(scores - q)
        stage = panel(page, 2).locator(".stage")
        box = stage.bounding_box()
        assert box is not None
        for at in ((6, 16), (20, 3), (17, 8), (0, 27)):
            stage.hover(position={"x": box["width"] * (at[1] + 0.5) / 28, "y": box["height"] * (at[0] + 0.5) / 24})
            next_frame(page)
            assert number(panel(page, 2).locator(".readout").inner_text()) == pytest.approx(expected[at], rel=1e-2)
        assert panel(page, 2).locator(".ticks span").all_inner_texts() == ["≤ −1", "0", "≥ 1"]

    def test_shared_scale_joins_the_panels_of_one_group(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        page.get_by_label("Add a panel").select_option("contrast")
        panel(page, 3).wait_for()
        seen.settle()
        top = [panel(page, k).locator(".ticks span").nth(2) for k in range(4)]
        own = [number(tick.inner_text().lstrip("≥ ")) for tick in top]
        page.get_by_label("Shared scale").check()
        next_frame(page)
        shared = [number(tick.inner_text().lstrip("≥ ")) for tick in top]
        assert shared[0] == shared[3] == max(own[0], own[3])
        assert shared[1] == own[1]

    def test_zoom_is_linked_and_keeps_the_place_under_the_pointer(self, open_app: Open) -> None:
        page = open_app().page
        hover_cell(page, 0, 3, 4)
        before = panel(page, 0).locator(".readout").inner_text()
        page.keyboard.down("Control")
        for _ in range(4):
            page.mouse.wheel(0, -120)
        page.keyboard.up("Control")
        next_frame(page)
        page.mouse.move(0, 0)
        hover_at = panel(page, 1).locator(".stage").bounding_box()
        assert hover_at is not None
        page.mouse.move(hover_at["x"] + hover_at["width"] * 4.5 / SIDE, hover_at["y"] + hover_at["height"] * 3.5 / SIDE)
        next_frame(page)
        assert panel(page, 0).locator(".readout").inner_text() == before
        assert float(page.locator(".factor").inner_text().split()[0]) > 3


class TestView:
    """Where the state of the view is kept."""

    def test_it_survives_a_rerun_a_reload_and_a_link(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        slide(page.get_by_label("Opacity"), 40)
        page.get_by_label("Colours").select_option("dusk")
        page.get_by_label("Grey photo").check()
        panel(page, 2).get_by_role("button", name="0.75").click()
        page.get_by_role("button", name="tiger cat").click()
        seen.settle()
        link = page.url
        page.reload()
        seen.settle()
        for tab in (page, open_app("/#" + link.split("#")[1]).page):
            assert tab.get_by_label("Opacity").input_value() == "40"
            assert tab.get_by_label("Colours").input_value() == "dusk"
            assert tab.get_by_label("Grey photo").is_checked()
            assert tab.locator(".contrast:visible .value").inner_text().startswith("0.75")

    def test_streamlit_may_rewrite_the_address(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        page.get_by_label("Show cells").check()
        page.wait_for_function("location.hash.includes('look:cells')")
        page.get_by_text("coffee").click()  # the page writes the photo's name to its query
        page.wait_for_function("location.search.includes('photo=coffee')")
        seen.settle()
        assert page.evaluate("location.hash") == "#view=look:cells"

    def test_a_broken_link_is_the_default_view(self, open_app: Open) -> None:
        page = open_app("/#view=opacity:9999;colours:<b>;hide:x;q.c:7;zoom:a,b;%E0;nonsense").page
        assert page.get_by_label("Opacity").input_value() == "75"
        assert page.get_by_label("Colours").input_value() == "ember"
        assert page.locator(".factor").inner_text() == "1.0 ×"


class TestWords:
    def test_a_map_without_evidence_and_a_method_that_cannot_be_used_say_so(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        for count, method in ((4, "empty"), (5, "none")):
            page.get_by_label("Add a panel").select_option(method)
            panel(page, count - 1).wait_for()
            seen.settle()
        assert panel(page, 3).locator(".notes").inner_text() == "no positive evidence"
        assert pixels(panel(page, 3).locator("canvas.map"))[..., 3].max() == 0
        broken = panel(page, 4)
        assert "guided backprop would be wrong" in broken.locator(".sentence").inner_text()
        assert broken.locator(".legend").is_hidden()
        assert pixels(broken.locator("canvas.map"))[..., 3].max() == 0
        assert pixels(broken.locator("canvas.photo"))[..., 3].min() == 255

    def test_alt_text_is_made_from_the_numbers(self, open_app: Open) -> None:
        page = open_app().page
        label = page.locator("canvas.map").first.get_attribute("aria-label") or ""
        assert "Grad-CAM over the photo chelsea, 14 by 14 cells" in label
        assert "highest 2.49 at row 5, column 6 (middle)" in label
        assert "(lower right)" in label

    def test_a_panel_is_saved_as_a_picture(self, open_app: Open) -> None:
        page = open_app().page
        with page.expect_download() as saved:
            panel(page, 0).get_by_role("button", name="Save as PNG").click()
        assert saved.value.suggested_filename == "chelsea-grad-cam.png"
        picture = np.asarray(Image.open(BytesIO(saved.value.path().read_bytes())).convert("RGB"))
        assert picture.shape[1] == 960
        assert picture[:20].min() == 255
        assert picture[200:600].std() > 20


class TestScreen:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize(("width", "columns"), [(1440, 3), (800, 2), (420, 1)])
    def test_the_row_fits_the_window(self, open_app: Open, width: int, columns: int, theme: str) -> None:
        seen = open_app(width=width, theme=theme)
        page = seen.page
        lefts = page.locator("article.panel").evaluate_all("all => all.map(each => each.offsetLeft)")
        assert len(set(lefts)) == columns
        overflow = page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth")
        assert overflow <= 0
        seen.screenshot(f"panels-{width}-{theme}")

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_text_has_the_contrast_of_aa(self, open_app: Open, theme: str) -> None:
        page = open_app(theme=theme).page
        weak = page.evaluate(
            """() => {
                const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
                const rgb = (colour) => {
                    canvas.clearRect(0, 0, 1, 1);
                    canvas.fillStyle = colour;
                    canvas.fillRect(0, 0, 1, 1);
                    return [...canvas.getImageData(0, 0, 1, 1).data];
                };
                const light = ([r, g, b]) => [r, g, b].map((x) => x / 255)
                    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
                    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
                const back = (node) => {
                    for (; node; node = node.parentElement ?? node.getRootNode().host) {
                        const colour = rgb(getComputedStyle(node).backgroundColor);
                        if (colour[3] === 255) return colour;
                    }
                    return [255, 255, 255];
                };
                const weak = [];
                for (const host of document.querySelectorAll("[data-testid=stBidiComponentIsolated]")) {
                    for (const node of host.shadowRoot.querySelectorAll("*:not(style):not(option)")) {
                        const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
                        if (!own || node.disabled || !node.checkVisibility()) continue;
                        const [a, b] = [light(rgb(getComputedStyle(node).color)), light(back(node))];
                        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                        if (ratio < 4.5) weak.push([node.textContent, ratio]);
                    }
                }
                return weak;
            }"""
        )
        assert weak == []

    def test_a_change_of_the_theme_keeps_every_widget_as_it_is(self, open_app: Open) -> None:
        seen = open_app()
        page = seen.page
        slide(page.get_by_label("Opacity"), 20)
        background = page.locator(".tools").evaluate("tools => getComputedStyle(tools).backgroundColor")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
        page.get_by_role("button", name="tiger cat").click()
        page.get_by_text("foil 282").wait_for()
        seen.settle()
        assert page.locator(".tools").evaluate("tools => getComputedStyle(tools).backgroundColor") != background
        assert page.locator("section.row").count() == 1
        assert page.get_by_label("Opacity").input_value() == "20"
