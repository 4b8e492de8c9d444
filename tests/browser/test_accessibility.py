"""axe-core on every page and every dialog, in both themes: no serious fault of ours."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import ROOT, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core is not installed (extra: test)")
pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
GRAVE = {"serious", "critical"}


def titles() -> list[str]:
    """The pages in the navigation, as app.py has them."""
    calls = [node for node in ast.walk(ast.parse((ROOT / "app.py").read_text())) if isinstance(node, ast.Call)]
    pages = [call for call in calls if ast.unparse(call.func) == "st.Page"]
    return [ast.literal_eval(word.value) for call in pages for word in call.keywords if word.arg == "title"]


def faults(page: Page) -> list[str]:
    """What axe finds that keeps people out, each with where it is."""
    page.evaluate(axe.AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)"
    )
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in GRAVE
    ]


@pytest.fixture
def app(app_server: Callable[..., str], visit: Open) -> Open:
    def open_page(query: str = "", **how: Any) -> Visit:
        seen = visit(app_server("app.py") + "/" + query, **how)
        seen.page.locator("article.panel").first.wait_for(timeout=120_000)
        seen.settle()
        return seen

    return open_page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("title", titles())
def test_every_page(app: Open, title: str, theme: str) -> None:
    seen = app(theme=theme)
    page = seen.page
    page.get_by_role("link", name=title, exact=True).click()
    page.wait_for_load_state()
    seen.settle(quiet=1.5, limit=150)
    assert faults(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("view", "awaited"), [("All foils", ".strip .thumb"), ("Surprisal", ".bars button .size")])
def test_the_other_views_of_layers(app: Open, view: str, awaited: str, theme: str) -> None:
    seen = app(theme=theme)
    page = seen.page
    page.get_by_role("link", name="Layers", exact=True).click()
    page.locator("table .thumb").first.wait_for()
    page.get_by_text(view, exact=True).click()
    page.locator(awaited).first.wait_for()
    seen.settle(quiet=1)
    assert faults(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_step_of_the_lesson(app: Open, theme: str) -> None:
    seen = app(theme=theme)
    page, found = seen.page, {}
    page.get_by_role("link", name="Lesson", exact=True).click()
    steps = page.locator(".st-key-steps label:has(input)")
    page.get_by_text("Step 1 of").wait_for()
    for at in range(steps.count()):
        steps.nth(at).click()
        page.get_by_text(f"Step {at + 1} of {steps.count()}").wait_for()
        seen.settle(quiet=1.5, limit=180)
        found[at + 1] = faults(page)
    assert len(found) >= 9 and not any(found.values()), found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("button", ["Share", "History"])
def test_dialogs(app: Open, button: str, theme: str) -> None:
    seen = app(theme=theme)
    page = seen.page
    page.get_by_role("button", name=button, exact=True).click()
    shown = page.get_by_role("dialog")
    shown.wait_for()
    seen.settle(quiet=1)
    if button == "History":
        shown.locator("button.pin").first.click()
        shown.get_by_role("slider").first.wait_for()
        seen.settle()
    assert faults(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_presenter_mode_and_its_keys(app: Open, theme: str) -> None:
    page = app("#view=present:on", theme=theme).page
    page.locator("html[data-presenting]").wait_for(state="attached")
    assert faults(page) == []
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Presenter mode").wait_for()
    assert faults(page) == []


def test_the_search_finds_faults_inside_our_widgets(app: Open) -> None:
    page = app().page
    page.locator("article.panel button.icon").first.evaluate(
        "button => { button.removeAttribute('aria-label'); button.removeAttribute('title'); }"
    )
    assert any(fault.startswith("button-name") for fault in faults(page))


def test_all_that_can_be_done_is_reached_by_keys(app: Open) -> None:
    """One way through the page with the tab key meets every control that can be seen."""
    page = app("?panels=gradcam,quality").page
    met: set[str] = set()
    for _ in range(140):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
                let at = document.activeElement;
                while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                return at?.getAttribute("aria-label") ?? at?.labels?.[0]?.innerText ?? at?.innerText ?? "";
            }"""
        )
        met.add(name.strip())
    for wanted in (
        "Share", "History", "Present", "Method of this panel", "Add a panel", "Q, the score it is contrasted with",
        "Find a class to make it the foil", "Zoom in",
    ):  # fmt: skip
        assert any(wanted in name for name in met), (wanted, sorted(met))
    assert any(name.startswith("Grad-CAM over the photo Cat") for name in met), "the maps themselves"
