"""Apps and a browser for the rows that are seen in Chromium, built on what the browser tests use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.benchmarks.harness import AbsentError
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.conftest import Visit

Open = Callable[[str], "Visit"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window. Raises AbsentError where there is none."""
    try:
        from playwright.sync_api import sync_playwright

        from tests.browser.conftest import CHROMIUM_FLAGS
    except ImportError as error:
        raise AbsentError(f"{error.name} is not installed (extra: bench)") from None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        path = shutil.which("chromium") or shutil.which("chromium-browser") or (str(own) if own.exists() else None)
        if path is None:
            raise AbsentError("there is no Chromium on this machine (apt-get install chromium)")
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def app(script: str) -> Iterator[str]:
    """A running Streamlit app (a path from the project's root); gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "log.txt", script)
        try:
            yield server.url
        finally:
            server.stop()


@contextmanager
def visits(browser: Browser) -> Iterator[Open]:
    """Opens addresses, each in a context of its own, and counts their messages."""
    from tests.browser.conftest import Visit, _listen

    with ExitStack() as stack:

        def open_page(url: str) -> Visit:
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
            stack.callback(context.close)
            seen = Visit(context.new_page())
            _listen(seen, urlsplit(url).netloc)
            seen.page.goto(url)
            return seen

        yield open_page
