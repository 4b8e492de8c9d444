"""The page Lesson in a real browser: the walk, the travel, the study by keys, and links into the real pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.lessons import Known, lessons
from engine.study import ROUNDS
from pages.widgets.lesson_live import PIECES
from pages.widgets.lesson_presets import DESTINATIONS
from pages.widgets.lesson_state import FOLDER
from tests.browser.conftest import Visit, _listen

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
STEPS = lessons(FOLDER, Known({name: there.panels for name, there in DESTINATIONS.items()}, tuple(PIECES)))[0].steps
PANELS = {"expecting": 2, "map": 2, "saliency": 4, "coarse": 8, "contrast": 3, "takeaways": 3}


@pytest.fixture
def lesson(app_server: Callable[..., str], visit: Open) -> Open:
    def open_page(query: str = "?step=tables", **how: object) -> Visit:
        seen = visit(app_server("tests/browser/apps/lesson.py") + "/" + query, **how)
        seen.page.locator(".st-key-move").wait_for(timeout=120_000)
        seen.settle(limit=180)
        return seen

    return open_page


@pytest.fixture
def within_the_app(app_server: Callable[..., str], visit: Open) -> Open:
    """The lesson as a person comes to it: from another page, which has a state of its own in this session."""

    def open_page(step: str) -> Visit:
        seen = visit(app_server("app.py") + "/?photo=coffee&panels=features")
        seen.page.locator("article.panel").first.wait_for(timeout=120_000)
        seen.page.get_by_role("link", name="Lesson").first.click()
        seen.page.locator(".st-key-move").wait_for(timeout=120_000)
        seen.page.locator(".st-key-steps label").filter(has_text=step).click()
        seen.page.locator(".st-key-text h2").filter(has_text=step).wait_for(timeout=120_000)
        seen.settle(limit=180)
        return seen

    return open_page


def title(page: Page) -> str:
    return page.locator(".st-key-text h2").inner_text()


def test_a_walk_through_all_steps(lesson: Open) -> None:
    seen = lesson("?step=" + STEPS[0].id)
    page = seen.page
    for at, step in enumerate(STEPS):
        page.get_by_text(f"Step {at + 1} of {len(STEPS)}").wait_for(timeout=120_000)
        seen.settle(limit=180)
        assert title(page) == step.title
        assert page.locator(".katex").count() or "$" not in step.text
        assert page.locator(".katex-error").count() == 0
        assert page.locator("article.panel").count() == PANELS.get(step.id, 0)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert page.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0, (
            "a step is read from its beginning"
        )
        if at + 1 < len(STEPS):
            page.locator(".st-key-move-next button").click()
            page.wait_for_url(re.compile(f"step={STEPS[at + 1].id}"))
    assert page.locator(".st-key-move-next button").is_disabled()


def test_a_question_is_answered(lesson: Open) -> None:
    seen = lesson()
    page, asked = seen.page, next(step.question for step in STEPS if step.id == "tables")
    assert asked is not None
    ask = page.locator(".st-key-ask")
    wrong = next(at for at, choice in enumerate(asked.choices) if not choice.right)
    ask.get_by_role("radio").nth(wrong).check(force=True)
    page.get_by_text("Not this one.").wait_for()
    ask.get_by_role("radio").nth(asked.right).check(force=True)
    page.get_by_text("Right.", exact=True).wait_for()
    marked = [label for label in page.locator(".st-key-steps label").all() if "check_circle" in label.inner_html()]
    assert len(marked) == 1 and "Reading the tables" in marked[0].inner_text()


def test_the_travel_is_played(lesson: Open) -> None:
    seen = lesson("?step=manifold")
    page = seen.page
    assert page.locator(".st-key-live img").count() == 0
    page.get_by_role("button", name="Set off").click()
    page.get_by_text(re.compile(r"After \d+ steps the answer is")).wait_for(timeout=120_000)
    seen.settle()
    assert page.locator(".st-key-live img").count() == 7
    page.locator(".st-key-live .js-plotly-plot").wait_for()
    captions = page.locator(".st-key-live [data-testid=stImageCaption]")
    first, last = (captions.nth(at).inner_text() for at in (0, 5))
    (p, q), (p_end, q_end) = ([float(number) for number in re.findall(r"0\.\d\d", text)] for text in (first, last))
    assert p > q and p_end < q_end
    with page.expect_download() as download:
        page.get_by_role("button", name="The last picture (PNG)").click()
    assert download.value.suggested_filename == "travelled.png"


def test_the_study_is_done_with_keys(lesson: Open) -> None:
    seen = lesson("?step=study&pairs=3")
    page = seen.page
    page.locator(".st-key-text h2").click()
    for at in range(ROUNDS):
        page.get_by_text(f"Round {at + 1} of {ROUNDS}").wait_for(timeout=120_000)
        assert page.locator(".st-key-live img").count() == 3
        page.keyboard.press("1" if at % 3 else "2")
    page.get_by_text(re.compile(r"You and the network agree in \d+ of 10 rounds")).wait_for(timeout=120_000)
    seen.settle()
    page.get_by_role("button", name="Start again").click()
    page.get_by_text(f"Round 1 of {ROUNDS}").wait_for()
    assert "pairs=3" in page.url


def test_a_link_opens_the_real_page_in_the_steps_state(within_the_app: Open) -> None:
    """Also in a session that already holds another state of that page: the link opens one of its own."""
    page = within_the_app("From a gradient to a map").page
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open this on the page").click()
    other = Visit(opened.value)
    _listen(other, urlsplit(page.url).netloc)
    other.page.locator("article.panel").nth(1).wait_for(timeout=120_000)
    other.settle()
    panels = other.page.locator("article.panel").all_inner_texts()
    assert len(panels) == 2 and "Why cat?" in panels[0] and "Why cat, rather than dog" in panels[1]
    assert "coffee" not in other.page.url and re.search(r"foil=\d+", other.page.url)
    assert other.errors == [] and other.foreign == []


@pytest.mark.parametrize("page", ["layers", "human_saliency", "image_quality", "benchmark"])
def test_links_to_the_other_pages_keep_the_state(within_the_app: Open, page: str) -> None:
    chosen = next(step for step in STEPS if step.page == page)
    lesson = within_the_app(chosen.title).page
    with lesson.expect_popup() as opened:
        lesson.get_by_role("link", name="Open this on the page").click()
    other = Visit(opened.value)
    _listen(other, urlsplit(lesson.url).netloc)
    other.page.locator("h2").first.wait_for(timeout=180_000)
    other.settle(limit=180)
    parts = urlsplit(other.page.url)
    assert parts.path == f"/{page}"
    usual = {"coffee"} if page == "image_quality" else set()  # what is usual on a page is not repeated in its address
    assert set(dict(chosen.query).values()) <= {*dict(parse_qsl(parts.query)).values(), *usual}
    assert other.foreign == []


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screenshots(lesson: Open, width: int, theme: str) -> None:
    seen = lesson("?step=map", width=width, theme=theme)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    assert seen.screenshot(f"lesson-{width}-{theme}").stat().st_size > 50_000
