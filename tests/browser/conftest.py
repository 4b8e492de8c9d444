"""A real Chromium on a real app: what the browser tests share.

Nothing here needs the internet: apps listen on a free loopback port, and a test fails where its page asks
another host for anything or writes an error to the console.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

from tests.server import ROOT, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Playwright

SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
)
AT_ONCE = ("test_people.py", "test_policy.py")
"""Tests that must pass when they are first tried."""
PATIENCE = 240
"""Seconds for a page to come to rest: a server imports torch and loads networks when its first visitor comes."""
WAIT = 120_000
"""Milliseconds for one thing on a page to come, where a test does not say otherwise."""
BUSY = "[data-test-script-state='running'], [data-test-script-state='initial']"
LOCAL_SCHEMES = ("blob", "data", "about", "chrome")

Theme = Literal["light", "dark"]


@dataclass
class Visit:
    """A page in the browser, with what it did on the side."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """Console errors and uncaught exceptions."""
    foreign: list[str] = field(default_factory=list)
    """Addresses on other hosts that the page asked for."""
    sent: list[int] = field(default_factory=list)
    """Bytes of every message that the page sent to the app."""
    received: list[int] = field(default_factory=list)
    """Bytes of every message that the app sent to the page."""
    frames: list[bytes] | None = None
    """Those messages themselves, where a test asks for them."""

    def settle(self, quiet: float = 0.4, limit: float = PATIENCE) -> None:
        """Wait until the app has finished its script and no message came for `quiet` seconds."""
        end = time.monotonic() + limit
        seen, since = (-1, -1), time.monotonic()
        while time.monotonic() < end:
            now = (len(self.sent), len(self.received))
            running = self.page.locator(BUSY).count() > 0
            if now != seen or running:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= quiet:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"The app was still busy after {limit} s.")

    def open_list(self, field: Locator) -> None:
        """Open the list of a field, when the page is at rest: what scrolls or draws under an open list closes it."""
        self.settle()
        field.scroll_into_view_if_needed()
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        field.click()

    def choose(self, field: Locator, option: str) -> None:
        """Choose the one option of a list whose label holds these words."""
        self.open_list(field)
        self.page.get_by_role("option", name=option).click()

    def screenshot(self, name: str) -> Path:
        """Save a picture of the whole page under build/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size or {"width": 1440, "height": 900}
        main = self.page.get_by_test_id("stMain")
        self.page.set_viewport_size({**size, "height": main.evaluate("main => main.scrollHeight")})
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)
        return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser on a busy machine is late now and then: what fails is tried once more, and must pass then.

    Not where something of a person could reach another, or a foreign host: what leaks now and then is a leak.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents and item.path.name not in AT_ONCE:
            item.add_marker(pytest.mark.flaky(reruns=1))


def launch(playwright: Playwright) -> Browser | None:
    """Chromium, the system's or playwright's own; None where there is neither."""
    own = Path(playwright.chromium.executable_path)
    path = shutil.which("chromium") or shutil.which("chromium-browser") or (str(own) if own.exists() else None)
    return None if path is None else playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once; skips where playwright or a browser is absent."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: test)")
    with sync_api.sync_playwright() as playwright:
        chromium = launch(playwright)
        if chromium is None:
            pytest.skip("no Chromium on this machine (apt-get install chromium)")
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start a Streamlit script (relative to the project's root) once in each environment; gives its address."""
    running: dict[object, Server] = {}

    def start(script: str | Path, environment: dict[str, str] | None = None) -> str:
        key = str(script), tuple(sorted((environment or {}).items()))
        if key not in running:
            log = tmp_path_factory.mktemp("app") / "log.txt"
            running[key] = Server(log, script=str(script), environment=environment or {})
        return running[key].url

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open an address at a width and in a theme; afterwards the console must be clean and no host asked."""
    visits: list[Visit] = []
    contexts: list[Any] = []

    def open_page(
        url: str, width: int = 1440, theme: Theme = "light", height: int = 1000, frames: bool = False
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, accept_downloads=True
        )
        context.set_default_timeout(WAIT)
        contexts.append(context)
        seen = Visit(context.new_page(), frames=[] if frames else None)
        visits.append(seen)
        _listen(seen, urlsplit(url).netloc)
        seen.page.goto(url)
        seen.page.get_by_test_id("stMain").wait_for()
        seen.settle()
        return seen

    yield open_page
    for context in contexts:
        context.close()
    assert [error for each in visits for error in each.errors] == []
    assert [address for each in visits for address in each.foreign] == []


def _listen(visit: Visit, home: str) -> None:
    def requested(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL_SCHEMES and parts.netloc != home:
            visit.foreign.append(url)

    def received(frame: str | bytes) -> None:
        visit.received.append(len(frame))
        if visit.frames is not None:
            visit.frames.append(frame.encode() if isinstance(frame, str) else frame)

    def connected(socket: Any) -> None:
        requested(socket.url)
        socket.on("framesent", lambda frame: visit.sent.append(len(frame)))
        socket.on("framereceived", received)

    page = visit.page
    page.on("request", lambda request: requested(request.url))
    page.on("websocket", connected)
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
