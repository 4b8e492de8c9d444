"""Long work is ended by a button, wherever it is begun: what was being done is not finished, and the page is of use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Open = Callable[..., Any]
WHERE = "EXPECTANCY_WEIGHTS"
LIMIT = 120_000


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[str]:
    """The address of an app in which long work takes long on any machine, and no weights lie."""
    log: Path = tmp_path_factory.mktemp("slow") / "log.txt"
    server = Server(log, environment={WHERE: str(weights)}, launcher=("-m", "tests.browser.slowly"))
    yield server.url
    server.stop()


@pytest.fixture
def busy(slow: str, visit: Open) -> Iterator[Open]:
    """An address of it, while the page is at work."""
    visits = []

    def open_page(address: str) -> Page:
        visits.append(visit(slow))
        page: Page = visits[-1].page
        page.goto(slow + address)
        return page

    yield open_page
    for seen in visits:  # Streamlit looks for its server below a page's own address first
        seen.errors[:] = [error for error in seen.errors if "404 (Not Found)" not in error]


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop").click(timeout=LIMIT)


def rests(page: Page) -> None:
    """Wait until the app is not at work."""
    page.locator("[data-test-script-state='running']").wait_for(state="detached", timeout=LIMIT)
    assert page.get_by_role("button", name="Stop").count() == 0


@pytest.mark.parametrize(
    ("view", "drawn"), [("layers", "table .thumb"), ("foils", ".strip .thumb"), ("surprisal", ".bars button")]
)
def test_looking_at_layers_and_foils(busy: Open, view: str, drawn: str) -> None:
    page = busy(f"/layers?view={view}")
    stop(page)
    page.get_by_text("Stopped.").wait_for()
    rests(page)
    assert page.locator(drawn).count() == 0
    page.get_by_role("button", name="Go on").click()
    page.locator(drawn).first.wait_for(timeout=LIMIT)
    rests(page)


def test_another_question_is_asked_without_going_on(busy: Open) -> None:
    page = busy("/layers?view=foils")
    stop(page)
    page.get_by_text("Stopped.").wait_for()
    page.get_by_text("Coffee", exact=True).click()
    page.locator(".strip .thumb").first.wait_for(timeout=LIMIT)
    assert page.get_by_text("Stopped.").count() == 0


def test_travelling(busy: Open) -> None:
    page = busy("/lesson?step=manifold")
    page.get_by_role("button", name="Set off").click(timeout=LIMIT)
    stop(page)
    page.get_by_role("button", name="Stop").wait_for(state="detached")
    rests(page)
    assert page.get_by_test_id("stAlert").count() == 0, "it has not arrived"
    assert page.get_by_role("button", name="Set off").is_enabled()


def test_downloading(busy: Open, weights: Path) -> None:
    page = busy("/?model=resnet34")
    offer = page.get_by_role("button", name="Download 83 MB")
    offer.click(timeout=LIMIT)
    stop(page)
    page.get_by_role("button", name="Stop").wait_for(state="detached")
    rests(page)
    assert offer.is_enabled()
    end = time.monotonic() + 10
    while (lock := next(weights.glob(".*.lock"), None)) and time.monotonic() < end:
        time.sleep(0.1)  # the run that downloads ends where it next tells how far it is: in half a second here
    assert lock is None, "it goes on downloading"
    (kept,) = weights.glob("*")
    assert kept.suffix == ".part" and kept.stat().st_size < 1 << 20, "what came is there to go on from"


def test_another_photo_while_one_is_judged(busy: Open) -> None:
    page = busy("/?photo=motorbike")
    awaited, photos = page.get_by_text("quality is being judged"), page.get_by_test_id("stMain")
    page.get_by_text("Judging the photo, ").wait_for(timeout=LIMIT)
    assert awaited.count() == 1 and page.get_by_text("What did it not expect?").is_visible(), "maps do not wait"
    photos.get_by_text("Coffee", exact=True).click()
    page.wait_for_url("**photo=coffee*", timeout=LIMIT)
    photos.get_by_text("Motorbike", exact=True).click()
    page.wait_for_url("**photo=motorbike*", timeout=LIMIT)
    awaited.wait_for(timeout=LIMIT)
    assert awaited.count() == 1, "it had not been finished behind the other photo"
    page.get_by_text(re.compile(r"Why 0\.\d\d, rather than")).wait_for(timeout=LIMIT)
    assert awaited.count() == 0


def test_another_foil_while_a_photo_is_judged(busy: Open) -> None:
    page = busy("/?photo=astronaut")
    awaited = page.get_by_text("quality is being judged")
    page.get_by_text("Judging the photo, ").wait_for(timeout=LIMIT)
    page.locator(".bars button[aria-pressed=false]").last.click()
    page.wait_for_url("**foil=*", timeout=LIMIT)
    page.get_by_text("Judging the photo, ").wait_for(timeout=LIMIT)
    assert awaited.count() == 1, "the foil did not wait for the quality"
    page.get_by_text(re.compile(r"Why 0\.\d\d, rather than")).wait_for(timeout=LIMIT)
    page.locator(".bars button[aria-pressed=false]").first.click()
    rests(page)
    assert awaited.count() == 0 and page.locator("article.panel canvas.map").count() == 3


def test_refining(busy: Open) -> None:
    page = busy("/image_quality")
    page.get_by_role("button", name="Keep the coarse map").click(timeout=LIMIT)
    page.get_by_role("button", name="Keep the coarse map").wait_for(state="detached")
    rests(page)
    assert "stride=" in page.url and "stride=4" not in page.url
    assert page.locator("article.panel canvas.map").count() > 0
