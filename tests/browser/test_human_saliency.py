"""The page “Human saliency” in a real browser: a person looks, clicks, and sees the maps judged by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from engine.fixation_files import read_csv
from tests.browser.conftest import Visit
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
PLACES = ((0.3, 0.4), (0.55, 0.35), (0.45, 0.7))


def data_set(folder: Path, photos: int) -> None:
    """A data set in the plain layout: small photos of noise, 30 fixations each."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["image,subject,x,y"]
    for name in (f"{letter}.png" for letter in "abcdefghijkl"[:photos]):
        Image.fromarray(rng.integers(0, 255, (150, 200, 3), np.uint8)).save(folder / name)
        rows += [f"{name},p,{x:.1f},{y:.1f}" for x, y in rng.random((30, 2)) * (199, 149)]
    (folder / "fixations.csv").write_text("\n".join(rows))


@contextmanager
def app(where: Path, **environment: str) -> Iterator[str]:
    """The app for the tests of one file: it ends with them, and its memory is free for the next file's.

    It finds the data sets in `where` / "data", and none that were fetched before on this computer.
    """
    told = {"EXPECTANCY_DATA": str(where / "data"), "XDG_CACHE_HOME": str(where / "caches"), **environment}
    server = Server(where / "log.txt", environment=told)
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="module")
def address(browser: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the app with a data set of two photos; only where there is a browser."""
    where = tmp_path_factory.mktemp("human")
    data_set(where / "data" / "pair", 2)
    with app(where) as url:
        yield url


@pytest.fixture
def human(address: str, visit: Open) -> Open:
    """Come to the page as people do, by the navigation: from any other address Streamlit asks in vain first."""

    def open_page(**how: object) -> Visit:
        seen = visit(address, **how)
        seen.page.get_by_role("link", name="Human saliency").first.click()
        stage(seen.page).wait_for(timeout=120_000)
        panels(seen.page).nth(3).wait_for(timeout=120_000)
        seen.settle()
        return seen

    return open_page


def stage(page: Page) -> Locator:
    return page.locator(".stage[data-phase]")


def panels(page: Page) -> Locator:
    return page.locator("article.panel")


def look(seen: Visit, places: tuple[tuple[float, float], ...] = PLACES) -> None:
    """What a person does: press, look for one second, click where the eyes went, done."""
    page = seen.page
    page.get_by_label("Seconds that the photo is shown").select_option("1")
    page.locator("button.begin").click()
    page.locator(".stage[data-phase=click]").wait_for(timeout=15_000)
    box = stage(page).bounding_box()
    assert box is not None
    for across, down in places:
        page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
    page.get_by_role("button", name=f"Done: {len(places)} click").click()
    page.get_by_test_id("stDataFrame").first.wait_for(timeout=60_000)
    seen.settle()


def test_own_clicks_come_back_in_one_message_and_every_map_is_scored(human: Open, tmp_path: Path) -> None:
    seen = human()
    page = seen.page
    assert page.get_by_text("nobody has looked").is_visible()
    page.get_by_label("Who looks").fill("Ada")
    page.locator("button.begin").click()
    assert stage(page).get_attribute("data-phase") != "idle"
    page.keyboard.press("Escape")
    assert stage(page).get_attribute("data-phase") == "idle"
    before = len(seen.sent)
    look(seen)
    assert len(seen.sent) == before + 1, "nothing is told while a person looks and clicks"
    assert page.get_by_text("3 fixations of 1 person, clicked from memory").is_visible()
    assert "NSS" in panels(page).nth(1).inner_text() and "3 fixations" in panels(page).nth(0).inner_text()
    page.get_by_role("button", name="A class").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save 3 clicks (CSV)").click()
    table = read_csv(Path(download.value.path()).read_bytes())
    assert table.subject.tolist() == ["Ada"] * 3 and table.images == ("Cat",)
    wanted = np.array(PLACES) * (451, 300)
    np.testing.assert_allclose(np.stack([table.x, table.y], 1), wanted, atol=1.0)


def test_marks_can_be_set_by_keyboard_and_taken_back(human: Open) -> None:
    seen = human()
    page = seen.page
    page.get_by_label("Seconds that the photo is shown").select_option("1")
    page.locator("button.begin").click()
    page.locator(".stage[data-phase=click]").wait_for(timeout=15_000)
    for key in ("Space", "Shift+ArrowRight", "Enter", "ArrowDown", "Space", "Backspace"):
        page.keyboard.press(key)
    done = page.get_by_role("button", name=re.compile("Done"))
    assert done.inner_text() == "Done: 2 clicks"
    page.get_by_role("button", name="Undo").click()
    assert done.inner_text() == "Done: 1 click"
    page.get_by_role("button", name="Cancel").click()
    assert page.get_by_text("nobody has looked").is_visible()


def test_the_maps_are_hidden_while_a_person_looks(human: Open) -> None:
    page = human().page
    page.locator("button.begin").click()
    page.locator(".stage[data-phase=look]").wait_for(timeout=5_000)
    covered = page.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap((e) => e.shadowRoot ? [e.shadowRoot] : [])
        .some((root) => { const box = root.querySelector("dialog[open]")?.getBoundingClientRect();
          return box && box.left <= 0 && box.top <= 0 && box.right >= innerWidth && box.bottom >= innerHeight; })"""
    )
    assert covered
    page.keyboard.press("Escape")


def test_a_data_set_has_every_score_and_another_panel_another_map(human: Open) -> None:
    seen = human()
    page = seen.page
    page.get_by_text("A data set", exact=True).click()
    page.wait_for_url(re.compile("source=data"))
    page.get_by_text("30 fixations of 1 person").wait_for(timeout=60_000)
    seen.settle()
    assert not page.get_by_text("Shuffled AUC needs").count()
    panels(page).nth(3).get_by_role("combobox").select_option("guided-backprop-smooth")
    page.wait_for_url(re.compile("maps="))
    seen.settle()
    assert "smoothed by 1°" in panels(page).nth(3).inner_text()


def test_robustness_can_be_stopped_and_goes_on(human: Open) -> None:
    seen = human()
    page = seen.page
    look(seen)
    page.get_by_text("Robustness", exact=True).click()
    page.get_by_role("button", name="Measure").click()
    page.get_by_role("button", name="Stop").click(timeout=60_000)
    stopped = page.get_by_text(re.compile(r"Stopped after \d of 8 levels"))
    stopped.wait_for(timeout=60_000)
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("r = 50:", exact=False).first.wait_for(timeout=240_000)
    seen.settle()
    assert page.get_by_test_id("stPlotlyChart").count() == 1 and page.get_by_test_id("stImage").count() >= 8


def test_wrong_files_are_told_in_a_sentence(human: Open, tmp_path: Path) -> None:
    seen = human()
    page = seen.page
    page.get_by_text("A file", exact=True).click()
    page.wait_for_url(re.compile("source=file"))
    seen.settle()
    chooser = page.get_by_test_id("stFileUploader").filter(has_text="Fixations on this photo").locator("input")
    for name, content, sentence in (
        ("empty.csv", "", "is empty"),
        ("columns.csv", "a,b\n1,2", "columns x and y"),
        ("outside.csv", "x,y\n9000,1", "outside the photo"),
    ):
        file = tmp_path / name
        file.write_text(content)
        chooser.set_input_files(file)
        page.get_by_role("alert").filter(has_text=sentence).wait_for(timeout=30_000)
    good = tmp_path / "good.csv"
    good.write_text("x,y\n100,100\n200,120\n")
    chooser.set_input_files(good)
    page.get_by_text("2 fixations", exact=True).first.wait_for(timeout=30_000)
    page.get_by_test_id("stDataFrame").first.wait_for(timeout=60_000)


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(human: Open, width: int, theme: str) -> None:
    seen = human(width=width, theme=theme)
    page = seen.page
    look(seen)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"human-saliency-{width}-{theme}").stat().st_size > 50_000
