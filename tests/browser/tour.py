"""The README's pictures: a short animated tour and two stills, taken from the running app (`make screenshots`)."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from tests.browser.conftest import Visit, launch
from tests.browser.maps import slide
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SIZE = {"width": 1280, "height": 800}
SHOWN = 960
"""Pixels of the tour's width."""
CAPTION = 44
SECONDS = 2.6
MOST_BYTES = 3 * 2**20
Step = tuple[str, Callable[[Visit], None]]


def steps() -> Iterator[Step]:
    """What each frame of the tour says, and what is done before it is taken."""
    yield "One photo, three questions: why this answer, why not another, why this quality", lambda seen: None
    yield "One crosshair over all maps, with the raw value of every cell", _point
    yield "A click on another answer: why P, rather than Q?", _another_foil
    yield "Another layer, for all maps at once", _another_layer
    yield "Why this score, rather than Q? The slider acts in the browser", _another_q
    yield "Layers: every layer down, foils across", lambda seen: _open(seen, "Layers", "table .thumb", 24)
    yield "Human saliency: does it look where people look?", lambda seen: _open(seen, "Human saliency")
    yield "Image quality: a score for every place, and a lab that distorts where you draw", _quality
    yield "Everything that was looked at, and a divider between any two maps", _history
    yield "A lesson: texts, live maps, questions, and links into the real pages", _lesson
    yield "A link, a bundle that brings the view back bit for bit, a report to read anywhere", _share
    yield "Presenter mode: the question and the maps, all by keys", _present


def main() -> None:
    """Write tour.webp, compare-1440-light.png and compare-1440-dark.png into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as logs, sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            sys.exit("There is no Chromium on this machine; install it (apt-get install chromium).")
        server = Server(Path(logs) / "log.txt")
        try:
            frames = list(_tour(browser, server.url))
            for theme in ("light", "dark"):
                seen = _visit(browser, server.url, {"width": 1440, "height": 1000}, theme)
                folder.joinpath(f"compare-1440-{theme}.png").write_bytes(seen.screenshot(f"tour-{theme}").read_bytes())
        finally:
            browser.close()
            server.stop()
    buffer = BytesIO()
    first, *others = frames
    first.save(buffer, "WEBP", save_all=True, append_images=others, duration=round(1000 * SECONDS), quality=72, loop=0)
    if len(buffer.getvalue()) > MOST_BYTES:
        sys.exit(f"The tour has {len(buffer.getvalue())} bytes, more than {MOST_BYTES}.")
    folder.joinpath("tour.webp").write_bytes(buffer.getvalue())
    print(f"{len(frames)} frames, {len(buffer.getvalue()) // 1024} kB, are in {folder / 'tour.webp'}")


def _tour(browser: Browser, url: str) -> Iterator[Image.Image]:
    seen = _visit(browser, f"{url}/?panels=gradcam,contrast,quality", SIZE, "light")
    for words, act in steps():
        act(seen)
        seen.page.wait_for_timeout(400)
        yield _frame(Image.open(BytesIO(seen.page.screenshot())), words)


def _visit(browser: Browser, url: str, size: dict[str, int], theme: str) -> Visit:
    page = browser.new_context(viewport=size, color_scheme=theme).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(120_000)
    page.goto(url)
    _maps(page).nth(2).wait_for()
    seen = Visit(page)
    _still(seen)
    return seen


def _still(seen: Visit) -> None:
    """Wait until the script has run to its end: this visit hears no messages."""
    seen.page.wait_for_timeout(600)
    seen.page.locator("[data-test-script-state='running']").wait_for(state="detached")
    seen.page.wait_for_timeout(400)


def _down(seen: Visit, pixels: int) -> None:
    """Scroll the page: what is told of stands below the first screen."""
    seen.page.get_by_test_id("stMain").evaluate("(main, pixels) => main.scrollBy(0, pixels)", pixels)


def _maps(page: Page) -> Locator:
    return page.locator("article.panel")


def _frame(picture: Image.Image, words: str) -> Image.Image:
    """The screen, smaller, over a line that says what it shows."""
    height = round(picture.height * SHOWN / picture.width)
    frame = Image.new("RGB", (SHOWN, height + CAPTION), "#16242b")
    frame.paste(picture.convert("RGB").resize((SHOWN, height), Image.Resampling.LANCZOS))
    place = (SHOWN / 2, height + CAPTION / 2)
    ImageDraw.Draw(frame).text(place, words, "white", ImageFont.load_default(20), anchor="mm")
    return frame


def _open(seen: Visit, title: str, awaited: str = "article.panel", last: int = 2) -> None:
    """Go to a page, and wait for as many of its parts as it has."""
    seen.page.get_by_role("link", name=title, exact=True).click()
    seen.page.locator(awaited).nth(last).wait_for()
    _still(seen)


def _point(seen: Visit) -> None:
    stage = seen.page.locator("article.panel .stage").nth(1)
    box = stage.bounding_box()
    if box is not None:
        stage.hover(position={"x": 0.62 * box["width"], "y": 0.3 * box["height"]})


def _another_foil(seen: Visit) -> None:
    seen.page.locator(".bars button[aria-pressed=false]").nth(3).click()
    seen.page.wait_for_url(re.compile("foil="))
    _still(seen)


def _another_layer(seen: Visit) -> None:
    seen.page.get_by_role("radio", name=re.compile("^layer3")).click()
    seen.page.wait_for_url(re.compile("layer=layer3"))
    seen.page.mouse.wheel(0, -5000)
    _still(seen)


def _another_q(seen: Visit) -> None:
    slide(seen.page.locator("article.panel .contrast input").nth(2), 1)
    seen.page.locator("article.panel .contrast").nth(2).hover()


def _quality(seen: Visit) -> None:
    _open(seen, "Image quality")
    keep = seen.page.get_by_role("button", name="Keep the coarse map")
    keep.wait_for(state="detached")
    _still(seen)
    _down(seen, 330)


def _history(seen: Visit) -> None:
    _open(seen, "Compare")
    seen.page.get_by_role("button", name="History", exact=True).click()
    shown = seen.page.get_by_role("dialog")
    looks = shown.locator("button.look").filter(has_text="Why cat")
    for place in (0, 1):
        looks.nth(place).locator("xpath=following-sibling::button").click()
        _still(seen)
    for side in ("left", "right"):
        shown.get_by_label(f"Map on the {side}").select_option(label="Contrast")
    shown.get_by_role("slider").first.focus()
    for _ in range(4):
        seen.page.keyboard.press("ArrowRight")


def _lesson(seen: Visit) -> None:
    seen.page.get_by_role("button", name="Close", exact=True).click()
    _still(seen)
    _open(seen, "Lesson", "article.panel", 1)
    seen.page.locator(".st-key-steps label").filter(has_text="From a gradient to a map").click()
    seen.page.locator(".st-key-text h2").filter(has_text="From a gradient to a map").wait_for()
    _still(seen)
    _down(seen, 520)


def _share(seen: Visit) -> None:
    _open(seen, "Compare")
    seen.page.get_by_role("button", name="Share", exact=True).click()
    seen.page.get_by_role("dialog").get_by_role("button", name="Bundle (ZIP)").wait_for()
    _still(seen)


def _present(seen: Visit) -> None:
    seen.page.get_by_role("button", name="Close", exact=True).click()
    _still(seen)
    seen.page.get_by_role("button", name="Present", exact=True).click()


if __name__ == "__main__":
    main()
