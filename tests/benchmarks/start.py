"""From starting the app's process to the first paint in Chromium, against bare Streamlit with torch imported.

Warm: each app has run before, so that its files are in the memory of the system. The browser is open already, and each
start gets a page of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.benchmarks.chromium import app, chromium, visits
from tests.benchmarks.harness import Row, at_most, paired

if TYPE_CHECKING:
    from playwright.sync_api import Browser

APP, BARE = "app.py", "tests/benchmarks/apps/bare_torch.py"
FIRST = "[data-testid=stMainBlockContainer] [data-testid=stElementContainer]"
MAPS = "article.panel canvas.map"
JUDGED = re.compile(r"Why \d\.\d\d, rather than")
"""What the panel of the photo's quality asks once it is judged, behind the others."""


def rows(rounds: int) -> Iterator[Row]:
    """To the first element of the page, and to all three maps of the Compare page."""
    turns = max(2, rounds // 2)
    with chromium() as browser:
        start(browser, APP, maps=True), start(browser, BARE)
        pairs = [(start(browser, APP, maps=True), start(browser, BARE)) for _ in range(turns)]
    against = "bare Streamlit with torch imported"
    first = paired([(ours[0], theirs[0]) for ours, theirs in pairs])
    yield at_most("start of the app to first paint, warm", against, first, 1.3)
    maps = paired([(ours[1], theirs[0]) for ours, theirs in pairs])
    yield at_most("start of the app to all three maps, warm", against, maps, 1.3)


def start(browser: Browser, script: str, maps: bool = False) -> tuple[float, float]:
    """Seconds until the page shows its first element, and until all maps of the Compare page are drawn."""
    begun = time.perf_counter()
    with app(script) as url, visits(browser) as open_page:
        page = open_page(url).page
        page.locator(FIRST).first.wait_for(timeout=120_000)
        first = time.perf_counter() - begun
        if maps:
            page.get_by_text(JUDGED).wait_for(timeout=120_000)
            page.locator(MAPS).nth(2).wait_for(timeout=120_000)
        return first, time.perf_counter() - begun
