"""Back and forward: every step of a visit can be gone back to, and past its beginning out of the app."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser
LIMIT = 120_000


@pytest.fixture
def seen(app_server: Callable[..., str], visit: Callable[..., Visit]) -> Visit:
    """The page Compare after two foils were chosen on it."""
    found = visit(app_server("app.py") + "/?panels=contrast")
    found.page.locator("article.panel canvas.map").first.wait_for(timeout=LIMIT)
    found.settle()
    return found


def choose(seen: Visit, at: int) -> tuple[str, str]:
    """Click a class, and tell what is then looked at."""
    before = seen.page.url
    seen.page.locator(".bars button[aria-pressed=false]").nth(at).click()
    seen.page.wait_for_function("before => location.href !== before", arg=before, timeout=LIMIT)
    seen.settle()
    return view(seen)


def view(seen: Visit) -> tuple[str, str]:
    """The address, and the foil that the page shows."""
    return seen.page.url, " ".join(seen.page.locator(".bars button[aria-pressed=true]").all_inner_texts())


def test_every_foil_can_be_gone_back_to(seen: Visit) -> None:
    first = view(seen)
    second, third = choose(seen, 1), choose(seen, 2)
    assert len({first, second, third}) == 3
    for move, expected in (("back", second), ("back", first), ("forward", second), ("forward", third)):
        seen.page.evaluate(f"history.{move}()")
        seen.page.wait_for_url(expected[0], timeout=LIMIT)
        seen.settle()
        assert view(seen) == expected, move
    fourth = choose(seen, 1)
    assert fourth not in (first, third), "and what is chosen then counts"


def test_nobody_is_kept(seen: Visit) -> None:
    choose(seen, 1)
    seen.page.get_by_role("link", name="Layers").first.click()
    seen.page.wait_for_url("**/layers**foil=**", timeout=LIMIT)
    seen.settle()
    steps = 0
    while "/layers" in seen.page.url and steps < 4:
        seen.page.evaluate("history.back()")
        seen.page.wait_for_timeout(500)
        seen.settle()
        steps += 1
    assert "/layers" not in seen.page.url, "the page before is reached"
    while seen.page.url != "about:blank" and steps < 9:
        seen.page.evaluate("history.back()")
        seen.page.wait_for_timeout(500)
        if seen.page.url != "about:blank":
            seen.settle()
        steps += 1
    assert seen.page.url == "about:blank", "and where the visit began"
