"""The server crashes and comes back while browsers are open: each comes back to its own state, from its address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Visit
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
Come = Callable[[str], Visit]
ADDRESSES = ("/?photo=coffee&foil=3&layer=layer3&panels=contrast,gradcam", "/?photo=rocket&size=128&panels=features")
CONNECTED = "[data-test-connection-state='CONNECTED']"
BACK = 90
"""Seconds that browsers have to find the server again: they ask ever more seldom."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "log.txt")
    yield started
    started.stop()


@pytest.fixture
def come(browser: Browser, server: Server) -> Iterator[Come]:
    """Open an address of the app. Unlike `visit`, the console may tell of the lost connection."""
    contexts = []

    def open_page(address: str) -> Visit:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        seen = Visit(contexts[-1].new_page())
        hears = ("framereceived", lambda frame: seen.received.append(len(frame)))
        seen.page.on("websocket", lambda socket: socket.on(*hears))
        seen.page.goto(server.url + address)
        seen.page.locator("article.panel canvas.map").first.wait_for(timeout=1000 * BACK)
        seen.settle()
        return seen

    yield open_page
    for context in contexts:
        context.close()


def hears_again(seen: Visit, before: int) -> None:
    """Wait until the page is connected and the app has drawn it anew, after its first `before` messages."""
    end = time.monotonic() + BACK
    while len(seen.received) <= before:
        assert time.monotonic() < end, "the browser did not find the server again"
        seen.page.wait_for_timeout(100)
    seen.page.locator(CONNECTED).wait_for(timeout=1000 * BACK)
    seen.settle()
    assert seen.page.get_by_text("Connection error").count() == 0


def view(seen: Visit) -> dict[str, Any]:
    """What stands on the page, without what differs from time to time: milliseconds, and "from the cache"."""
    page = seen.page
    maps = page.locator("article.panel canvas.map")
    return {
        "address": page.url,
        "maps": [maps.nth(at).evaluate("canvas => canvas.toDataURL()") for at in range(maps.count())],
        "says": page.get_by_text("sure.").first.inner_text(),
        "chosen": page.locator(".bars button[aria-pressed=true]").all_inner_texts(),
    }


def test_browsers_come_back_to_their_state(come: Come, server: Server) -> None:
    visits = [come(address) for address in ADDRESSES]
    views, heard = [view(seen) for seen in visits], [len(seen.received) for seen in visits]
    assert views[0] != views[1] and len(views[0]["maps"]) == 2
    server.kill()
    for seen in visits:  # what a person sees meanwhile
        seen.page.locator(CONNECTED).wait_for(state="detached", timeout=1000 * BACK)
        seen.page.get_by_text("Connection error").wait_for(timeout=1000 * BACK)
    server.start()
    for seen, before, count in zip(visits, views, heard, strict=True):
        hears_again(seen, count)
        assert view(seen) == before
        # and they are of use: another sample, another answer
        seen.page.get_by_text("Astronaut", exact=True).click()
        seen.page.wait_for_url("**photo=astronaut**", timeout=1000 * BACK)
        seen.settle()
        assert view(seen)["maps"] != before["maps"]
    assert "Traceback" not in server.log.read_text(errors="replace")


def test_an_uploaded_photo_is_gone_and_that_is_said(come: Come, server: Server, tmp_path: Path) -> None:
    seen = come("/")
    page = seen.page
    photo = tmp_path / "holiday.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)).save(photo)
    page.get_by_role("button", name="Your photo").click()
    page.locator("input[type=file]").first.set_input_files(photo)
    page.wait_for_url("**photo=upload**")
    seen.settle()
    told = page.get_by_text("which a link cannot carry")
    assert told.count() == 0
    heard = len(seen.received)
    server.kill()
    server.start()
    hears_again(seen, heard)
    assert told.is_visible()
    assert "photo=upload" in page.url, "the address says still what was looked at"
    assert page.locator("article.panel canvas.map").count() == 3, "a sample stands in its place"
    assert "Traceback" not in server.log.read_text(errors="replace")
