"""The page “Benchmark” in a real browser: a run is started, followed, stopped and gone on with, and shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_human_saliency import app, data_set

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there
PHOTOS = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this file's app keeps everything."""
    where = tmp_path_factory.mktemp("benchmark")
    (where / "temporary").mkdir()
    data_set(where / "data" / "few", PHOTOS)
    return where


@pytest.fixture(scope="module")
def address(browser: object, place: Path) -> Iterator[str]:
    """Of the app with one data set and no network; only where there is a browser."""
    offline = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "127.0.0.1"}
    with app(place, TMPDIR=str(place / "temporary"), EXPECTANCY_ALLOW_PATHS="1", **offline) as url:
        yield url


@pytest.fixture  # not named "benchmark": that is the name of a plugin's, which ends the whole session over it
def come(address: str, visit: Open) -> Open:
    def open_page(**how: object) -> Visit:
        seen = visit(address, **how)
        seen.page.get_by_role("link", name="Benchmark").first.click()
        seen.page.get_by_text("Where the data sets are").wait_for(timeout=60_000)
        seen.settle()
        return seen

    return open_page


def choose(seen: Visit, label: str, option: str) -> None:
    seen.choose(seen.page.get_by_role("combobox", name=label), option)
    seen.settle()


def test_a_run_is_followed_stopped_and_gone_on_with(come: Open, place: Path, tmp_path: Path) -> None:
    seen = come()
    page = seen.page
    before = set(place.rglob("*.jsonl"))
    choose(seen, "Blur the photos by", "15 px")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start").click()
    page.get_by_text(re.compile(rf"\d+ of {PHOTOS} photos, .* a second, .* left")).wait_for(timeout=120_000)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text(re.compile(rf"Stopped at \d+ of {PHOTOS} photos. The same choice goes on from there")).wait_for()
    (journal,) = set(place.rglob("*.jsonl")) - before
    done = journal.read_bytes()
    assert 2 <= done.count(b"\n") <= PHOTOS, "settings and at least one photo, but not all"
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Done: the results are shown above").wait_for(timeout=240_000)
    assert journal.read_bytes().startswith(done), "what was done is not done again"
    page.get_by_text(f"the run of this session, {PHOTOS} photos of few").wait_for()
    page.get_by_text("What blur takes away").wait_for()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Results (JSON)").click()
    fetched.value.save_as(tmp_path / "results.json")
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["blur"] for row in rows if row["model"]} == {0, 15}


def test_results_are_opened_from_a_file_and_a_wrong_file_is_told(come: Open, tmp_path: Path) -> None:
    page = come().page
    (tmp_path / "wrong.json").write_text("[1, 2]")
    (tmp_path / "right.json").write_text(json.dumps(results()))
    page.get_by_role("button", name="Open results").click()
    chooser = page.get_by_test_id("stFileUploader").locator("input")
    chooser.set_input_files(tmp_path / "wrong.json")
    page.get_by_role("alert").filter(has_text="wrong.json holds no results; choose a file written by").wait_for()
    chooser.set_input_files(tmp_path / "right.json")
    page.get_by_text("right.json, 3 photos of Mine").wait_for()
    page.get_by_text("What blur takes away").wait_for()
    assert not page.get_by_role("alert").filter(has_text="wrong.json").count()


def results() -> dict[str, object]:
    """A small file of results as the command writes it: one map, on photos as they are and blurred."""
    score = {"mean": 1.0, "low": 0.9, "high": 1.1, "n": 3}
    ids = ("nss", "cc", "auc_judd", "auc_shuffled", "sim", "kl", "information_gain")
    rows = [
        {"model": "embedded", "method": "gradcam", "layer": "layer4", "smooth": 0.0, "blur": blur,
         "scores": dict.fromkeys(ids, score), "drop": {}, "drop_percent": {}}
        for blur in (0.0, 15.0)
    ]  # fmt: skip
    return {"schema": 1, "data": {"title": "Mine", "photos": 3, "notes": []}, "errors": {}, "rows": rows}


def test_a_wrong_folder_is_told_and_a_right_one_is_measured(come: Open, place: Path, tmp_path: Path) -> None:
    seen = come()
    page = seen.page
    field = page.get_by_label("Folder of a data set")
    for folder, sentence in (
        (tmp_path / "nothing", "There is no folder"),
        (tmp_path, "holds no known data set; lay it out as plain"),
    ):
        field.fill(str(folder))
        field.press("Enter")
        page.get_by_role("alert").filter(has_text=sentence).wait_for(timeout=30_000)
    data_set(tmp_path / "typed", 2)
    field.fill(str(tmp_path / "typed"))
    field.press("Enter")
    page.get_by_role("alert").wait_for(state="detached")
    field.press("Tab")  # the click that leaves a text field opens no list
    seen.settle()
    choose(seen, "Data set", "typed")
    page.get_by_text("The same from the command line").click()
    page.get_by_text("--data typed").wait_for()


def test_without_a_network_a_sentence_says_where_to_get_the_data_set(come: Open) -> None:
    seen = come()
    choose(seen, "Data set", "Toronto (to be fetched)")
    seen.page.get_by_text("Toronto is first fetched from www-sop.inria.fr").wait_for()
    seen.page.get_by_role("button", name="Start").click()
    seen.page.get_by_role("alert").filter(
        has_text=re.compile("Toronto could not be fetched from www-sop.inria.fr; get it from .* lay it out as Original")
    ).wait_for(timeout=120_000)


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(come: Open, width: int, theme: str) -> None:
    seen = come(width=width, theme=theme)
    page = seen.page
    page.get_by_text("Where the data sets are").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"benchmark-{width}-{theme}").stat().st_size > 50_000
