"""Nothing foreign on the page: the proxy's content security policy, with which every page works, and people's text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import streamlit
from PIL import Image

from engine.fixation_files import plain_subject
from engine.images import plain_name
from pages.widgets.lesson_state import OWN_FOLDER
from tests.browser.conftest import Visit
from tests.browser.proxy import Proxy
from tests.server import ROOT

pytestmark = pytest.mark.browser
PAGES = {
    "Compare": "article.panel canvas.map",
    "Layers": "table .thumb",
    "Human saliency": "article.panel canvas.map",
    "Image quality": "[data-testid=stPlotlyChart] .plot-container",
    "Benchmark": "[data-testid=stPlotlyChart] .plot-container",
    "Lesson": "article.panel canvas.map",
}
"""Each page with something on it that scripts must draw."""
PHOTO = ROOT / "assets" / "screenshots" / "compare-1440-light.png"
LIMIT = 120_000


def headers() -> dict[str, str]:
    """What the proxy of compose.yaml adds to every answer."""
    block = re.search(r"\n +header {\n(.*?)\n +}\n", (ROOT / "compose.yaml").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return {name: value.strip('"') for name, value in re.findall(r"(?m)^ +([A-Z][\w-]+) (.+)$", block[1])}


def policy() -> str:
    return headers()["Content-Security-Policy"]


def test_the_policy_allows_no_foreign_place_and_no_text_as_a_script() -> None:
    rules = {words[0]: words[1:] for rule in policy().split(";") if (words := rule.split())}
    assert rules["default-src"] == rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    for name, allowed in rules.items():
        foreign = [word for word in allowed if word not in ("'none'", "'self'", "blob:", "data:", "'unsafe-inline'")]
        assert all(name == "script-src" and word.startswith("'sha256-") for word in foreign)
    assert not {"'unsafe-inline'", "'unsafe-eval'", "data:"} & set(rules["script-src"])


def test_the_one_script_within_streamlits_page_is_allowed_by_its_hash() -> None:
    locked = re.search(r"^streamlit==(\S+)", (ROOT / ".ci/requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert locked is not None
    if version("streamlit") != locked[1]:
        pytest.skip("the policy is for the locked version of Streamlit")
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    hashes = {f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts}
    assert hashes == set(re.findall(r"'sha256-[^']+'", policy()))


@pytest.fixture
def guarded(app_server: Callable[..., str], visit: Callable[..., Visit]) -> Iterator[Visit]:
    """The app as it comes through the proxy; `visit` wants a clean console and no other host asked."""
    proxy = Proxy(urlsplit(app_server("app.py")).port or 0, headers())
    seen = visit(proxy.url)
    yield seen
    seen.page.close()  # before the proxy: what the page still asks for would be refused
    proxy.close()


def test_every_page_works_under_the_policy(guarded: Visit) -> None:
    page = guarded.page
    for name, drawn in PAGES.items():
        page.get_by_role("link", name=name, exact=True).first.click()
        page.locator(drawn).first.wait_for(timeout=LIMIT)
        guarded.settle(limit=LIMIT / 1000)
        assert page.get_by_test_id("stException").count() == 0, name


def test_photos_foils_and_files_work_under_the_policy(guarded: Visit) -> None:
    page = guarded.page
    page.locator("article.panel canvas.map").nth(2).wait_for(timeout=LIMIT)
    page.locator(".bars button[aria-pressed=false]").first.click()
    page.wait_for_url("**foil=**")
    guarded.settle()
    page.get_by_role("button", name="Your photo").click()
    page.locator("input[type=file]").first.set_input_files(PHOTO)
    page.wait_for_url("**photo=upload**")
    page.keyboard.press("Escape")
    guarded.settle()
    page.get_by_role("button", name="Share", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("button", name="Maps (NPZ)").click()
    assert download.value.path().stat().st_size > 0


def test_what_the_policy_forbids_is_refused(guarded: Visit) -> None:
    """It is there at all: a script in the page's text and an address elsewhere come to nothing."""
    refused = guarded.page.evaluate(
        """async () => {
          const refused = [];
          addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "globalThis.ran = true";
          document.body.append(script);
          setTimeout(() => (0, eval)("globalThis.ran = true"));  // later: the debugger's own call may do so
          await fetch("https://elsewhere.example/").catch(() => {});
          for (let waits = 0; refused.length < 3 && waits < 200; waits++)
            await new Promise((done) => setTimeout(done, 50));
          return [...refused.sort(), String(globalThis.ran)];
        }"""
    )
    assert refused == ["connect-src", "script-src", "script-src-elem", "undefined"]
    expected = ("Content Security Policy", "Failed to fetch")
    guarded.errors[:] = [error for error in guarded.errors if not any(words in error for words in expected)]
    guarded.foreign.clear()


# --- text from people -----------------------------------------------------------------------------------------------

HTML = "<img src=x onerror=globalThis.ran=1>"
HOSTILE = f"{HTML} :red[x] **y** $z$"
STEP = f"""---
title: A step {HOSTILE}
page: compare
---
Markdown, *in* which <u class=hostile>HTML</u> is text.
"""


def test_text_from_people_becomes_no_element(
    app_server: Callable[..., str], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    """The name of a photo, the name of somebody who looked, a lesson: without the policy, which would hide a fault."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    (folder / "01-step.md").write_text(STEP, encoding="utf-8")
    seen = visit(app_server("app.py", {OWN_FOLDER: str(folder)}) + "/?panels=features")
    page, small = seen.page, BytesIO()
    Image.new("RGB", (64, 48), "teal").save(small, "PNG")

    def is_text(shown: str) -> None:
        page.get_by_text(shown).first.wait_for(timeout=LIMIT)
        seen.settle(limit=LIMIT / 1000)
        assert page.locator("img[src=x], .hostile, .stMarkdownColoredText, strong:text-is('y')").count() == 0
        assert page.evaluate("globalThis.ran") is None

    page.get_by_role("button", name="Your photo").click()
    photo: Any = {"name": f"{HOSTILE}.png", "mimeType": "image/png", "buffer": small.getvalue()}
    page.locator("input[type=file]").first.set_input_files(photo)
    page.wait_for_url("**photo=upload**", timeout=LIMIT)
    page.keyboard.press("Escape")
    is_text(plain_name(f"{HOSTILE}.png"))

    page.get_by_role("link", name="Human saliency").first.click()
    page.locator(".stage[data-phase]").wait_for(timeout=LIMIT)
    seen.settle(limit=LIMIT / 1000)
    page.get_by_role("button", name="A class").click()
    clicks: Any = {"name": "clicks.csv", "mimeType": "text/csv", "buffer": f"subject,x,y\n{HOSTILE},9,9".encode()}
    page.get_by_test_id("stFileUploader").filter(has_text="Add clicks").locator("input").set_input_files(clicks)
    page.get_by_text("1 new clicks were added").wait_for(timeout=LIMIT)
    seen.open_list(page.get_by_role("combobox", name="Take away the clicks of"))
    is_text(plain_subject(HOSTILE))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Lesson").first.click()
    seen.choose(page.get_by_role("combobox", name="Lesson"), "lessons")
    page.locator(".st-key-text h2").filter(has_text="A step").wait_for(timeout=LIMIT)
    is_text(f"A step {HOSTILE}")
    is_text("which <u class=hostile>HTML</u> is text")
