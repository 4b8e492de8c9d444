"""The page “Benchmark” in a real browser: a run is started, followed, stopped and gone on with, and shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_human_saliency import pair
from tests.pages.test_benchmark import blurred

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with one small data set, and without a network."""
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}  # the discard port
    data, caches = pair(tmp_path_factory.mktemp("data")).parent, tmp_path_factory.mktemp("caches")
    return {"EXPECTANCY_DATA": str(data), "XDG_CACHE_HOME": str(caches), **nowhere}


@pytest.fixture
def benchmark(app_server: Callable[..., str], visit: Open, offline: dict[str, str]) -> Open:
    def open_page(**how: object) -> Visit:
        seen = visit(app_server("app.py", offline), **how)
        seen.page.get_by_role("link", name="Benchmark").first.click()
        seen.page.get_by_text("Where the data sets are").wait_for(timeout=60_000)
        seen.settle()
        return seen

    return open_page


def choose(seen: Visit, label: str, option: str) -> None:
    seen.page.get_by_role("combobox", name=label).click()
    seen.page.get_by_role("option", name=option).click()
    seen.settle()


def test_a_run_is_followed_stopped_and_gone_on_with(benchmark: Open, tmp_path: Path) -> None:
    seen = benchmark()
    page = seen.page
    for wanted in ("15 px", "50 px"):
        choose(seen, "Blur the photos by", wanted)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Stop").click(timeout=30_000)
    page.get_by_text("The same choice goes on from there").wait_for(timeout=30_000)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Done: the results are shown above").wait_for(timeout=240_000)
    page.get_by_text("the run of this session, 2 photos of pair").wait_for()
    page.get_by_text("What blur takes away").wait_for()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Results (JSON)").click()
    fetched.value.save_as(tmp_path / "results.json")
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["blur"] for row in rows if row["model"]} == {0, 15, 50}


def test_without_a_network_a_sentence_says_where_to_get_the_data_set(benchmark: Open) -> None:
    seen = benchmark()
    choose(seen, "Data set", "Toronto (to be fetched)")
    seen.page.get_by_text("Toronto is first fetched from www-sop.inria.fr").wait_for()
    seen.page.get_by_role("button", name="Start").click()
    seen.page.get_by_role("alert").filter(
        has_text=re.compile("Toronto could not be fetched from www-sop.inria.fr; get it from .* lay it out as Original")
    ).wait_for(timeout=120_000)


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(benchmark: Open, width: int, theme: str, tmp_path: Path) -> None:
    seen = benchmark(width=width, theme=theme)
    page = seen.page
    (tmp_path / "blur.json").write_bytes(blurred())
    page.get_by_text("Open results").click()
    page.get_by_test_id("stFileUploader").locator("input").set_input_files(tmp_path / "blur.json")
    page.get_by_text("blur.json, 2 photos of Two").wait_for(timeout=30_000)
    page.keyboard.press("Escape")
    seen.settle()
    page.get_by_text("Where the data sets are").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"benchmark-{width}-{theme}").stat().st_size > 50_000
