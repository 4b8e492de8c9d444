"""Two people on one server: nothing of one person's photo, maps, clicks or choices reaches another."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pytest
from PIL import Image

from engine.images import decode
from pages.widgets.map_panel import PanelPhoto
from tests.browser.conftest import Visit
from tests.browser.test_human_saliency import look, stage
from tests.load.witness import PATIENCE, WHERE, read
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
Open = Callable[..., Visit]
FILE = "geheim-7f3a9c.png"
PERSON = "Ada-7f3a9c"
SECRET = "eva-51c0de"
STUMBLING = """
import sys
import engine
from engine import images
from streamlit.web import cli

read = images.decode

def decode(*given, **named):
    if named.get("name", "").startswith("stumble"):
        raise RuntimeError("stumbled over " + named["name"])
    return read(*given, **named)

images.decode = decode
sys.exit(cli.main(sys.argv[1:], prog_name="streamlit"))
"""
"""The app, which has an error of its own where a photo's name begins with these letters."""


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A photo that nobody else has."""
    noise = np.random.default_rng(20_263).integers(0, 256, (12, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def traces(photo: bytes) -> list[bytes]:
    """What would give the photo away in a message: parts of its file and of its JPEG, plain and as base64."""
    jpeg = PanelPhoto.of(decode(photo).pil()).parcel.message
    parts = [content[at : at + 48] for content in (photo, jpeg) for at in (len(content) // 3, len(content) // 2)]
    coded = [base64.b64encode(part[shift:])[:40] for part in parts for shift in range(3)]
    return parts + coded


def found(messages: Iterable[bytes], wanted: Iterable[bytes]) -> bool:
    return any(part in message for message in messages for part in wanted)


def ready(seen: Visit) -> Visit:
    seen.page.locator("article.panel").nth(2).wait_for(timeout=120_000)
    seen.settle()
    return seen


def upload(seen: Visit, photo: bytes) -> None:
    page = seen.page
    page.get_by_role("button", name="Your photo").click()
    file: Any = {"name": FILE, "mimeType": "image/png", "buffer": photo}
    page.locator("input[type=file]").first.set_input_files(file)
    page.wait_for_url("**photo=upload**")
    page.keyboard.press("Escape")
    seen.settle()


def words(page: Page) -> str:
    return page.get_by_test_id("stMain").inner_text()


def test_a_photo_reaches_nobody_else(app_server: Callable[..., str], visit: Open, photo: bytes) -> None:
    url = app_server("app.py")
    ada, ben = ready(visit(url, frames=True)), ready(visit(url, frames=True))
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    before = words(ben.page)
    upload(ada, photo)
    ada.page.locator(".bars button[aria-pressed=false]").nth(1).click()
    ada.page.wait_for_url("**foil=**")
    ada.settle()
    assert ada.frames is not None and ben.frames is not None
    secret = traces(photo)
    assert found(ada.frames, secret), "what is looked for is what travels"
    assert FILE in words(ada.page)

    # Ben's page did not even move; then he does something, opens Ada's address, and comes anew.
    assert words(ben.page) == before and "upload" not in ben.page.url and "foil" not in ben.page.url
    ben.page.get_by_text("Coffee", exact=True).click()
    ben.page.wait_for_url("**photo=coffee**")
    ben.settle()
    eve = ready(visit(ada.page.url, frames=True))
    assert eve.page.get_by_text("which a link cannot carry").is_visible()
    assert eve.frames is not None
    for other in (ben, eve):
        assert other.frames is not None
        assert not found(other.frames, secret) and not found(other.frames, [FILE.encode()])
        assert FILE not in words(other.page)

    # No address of Ada's own pictures exists that anyone could open.
    media = [address for address in asked if "/media/" in address]
    assert media == []


def test_maps_and_history_reach_nobody_else(app_server: Callable[..., str], visit: Open, photo: bytes) -> None:
    url = app_server("app.py")
    ada, ben = ready(visit(url, frames=True)), ready(visit(url, frames=True))
    upload(ada, photo)
    with np.load(take_home(ada).path()) as maps:
        wanted = [maps[name].astype("<f4").tobytes()[64:160] for name in maps.files if maps[name].std() > 0]
    shown = ada.page.get_by_role("dialog")
    shown.get_by_role("button", name="Close").click()
    shown.wait_for(state="detached")
    assert len(wanted) >= 3
    assert len(history(ada)) == 2, "the sample that she began with, and her photo"
    assert len(history(ben)) == 1
    assert ada.frames is not None and ben.frames is not None
    assert all(found(ada.frames, [each]) for each in wanted), "what is looked for is what travels"
    assert not found(ben.frames, [*wanted, *traces(photo), FILE.encode()])


def history(seen: Visit) -> list[str]:
    """The headings of what was looked at."""
    seen.page.get_by_role("button", name="History", exact=True).click()
    looks = seen.page.get_by_role("dialog").locator("button.look")
    looks.first.wait_for()
    seen.settle()
    return looks.all_inner_texts()


def test_the_same_photo_under_two_names(app_server: Callable[..., str], visit: Open, photo: bytes) -> None:
    """What is kept by content must not carry the first person's file name to the second."""
    url = app_server("app.py")
    ada, ben = ready(visit(url)), ready(visit(url, frames=True))
    upload(ada, photo)
    page = ben.page
    page.get_by_role("button", name="Your photo").click()
    file: Any = {"name": "other.png", "mimeType": "image/png", "buffer": photo}
    page.locator("input[type=file]").first.set_input_files(file)
    page.wait_for_url("**photo=upload**")
    ben.settle()
    assert ben.frames is not None
    assert found(ben.frames, traces(photo)) and found(ben.frames, [b"other.png"])
    assert not found(ben.frames, [FILE.encode()])


def test_clicks_files_and_bundles_reach_nobody_else(app_server: Callable[..., str], visit: Open) -> None:
    """One's own clicks, a file of fixations, a map, and a bundle of it all; both look at the same sample."""
    url = app_server("app.py")
    ada, ben = at_human_saliency(visit, url), at_human_saliency(visit, url)
    assert ada.frames is not None and ben.frames is not None
    page = ada.page
    page.get_by_label("Who looks").fill(PERSON)
    look(ada)
    assert page.get_by_text("3 fixations of 1 person").is_visible()
    page.get_by_text("A file", exact=True).click()
    page.wait_for_url("**source=file**")
    ada.settle()
    rng = np.random.default_rng(20_264)
    across, down = np.round(rng.random((2, 12)) * [[450], [299]], 3)
    rows = (f"{SECRET},{x},{y}" for x, y in zip(across, down, strict=True))
    give(ada, "Fixations on this photo", f"{SECRET}.csv", "\n".join(["subject,x,y", *rows]).encode())
    page.get_by_text("12 fixations of 1 person").wait_for()
    ada.settle()
    page.get_by_role("button", name="More", exact=True).click()
    content = io.BytesIO()
    np.save(content, rng.random((150, 225), np.float32))
    give(ada, "A map of another model", f"{SECRET}.npy", content.getvalue())
    page.wait_for_url("**maps=**own**")
    page.keyboard.press("Escape")
    ada.settle()
    mine, others = (arrays(take_home(seen)) for seen in (ada, ben))
    drawn = [part for part in mine if part not in others]
    assert len(drawn) == 2, "where people looked, and the map that was brought"
    wanted = [PERSON.encode(), (across / 451).astype("<f4").tobytes()[8:40], *drawn]

    dialog = page.get_by_role("dialog")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Bundle (ZIP)").click()
    give(ada, "A bundle that was saved", f"{SECRET}.zip", download.value.path().read_bytes())
    page.get_by_text("The bundle is open").wait_for(timeout=60_000)
    ada.settle()
    assert all(found(ada.frames, [each]) for each in wanted), "what is looked for is what travels"

    page = ben.page
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_text("Coffee", exact=True).click()
    ben.settle()
    page.get_by_text("Cat", exact=True).click()
    ben.settle()
    assert page.get_by_text("nobody has looked").is_visible()
    address = download.value.url.removeprefix(url)
    assert not found(ben.frames, [*wanted, SECRET.encode(), address.encode()])


def at_human_saliency(visit: Open, url: str) -> Visit:
    seen = ready(visit(url, frames=True))
    seen.page.get_by_role("link", name="Human saliency").first.click()
    stage(seen.page).wait_for(timeout=120_000)
    seen.settle()
    return seen


def give(seen: Visit, where: str, name: str, content: bytes) -> None:
    """Choose a file in the uploader whose label begins with these words."""
    file: Any = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    seen.page.get_by_test_id("stFileUploader").filter(has_text=where).locator("input").set_input_files(file)


def arrays(taken: Any) -> list[bytes]:
    """A part of each map that was taken home: its highest place, and what comes before it."""
    with np.load(taken.path()) as maps:
        raw = [maps[name].astype("<f4").ravel() for name in maps.files if maps[name].std() > 0]
    return [values[max(0, values.argmax() - 24) : values.argmax() + 1].tobytes() for values in raw]


def test_a_file_to_take_home_is_its_owners(app_server: Callable[..., str], visit: Open, photo: bytes) -> None:
    """What is taken home comes to its owner alone, and no address lists such files or can be guessed."""
    url = app_server("app.py")
    ada, ben = ready(visit(url)), ready(visit(url, frames=True))
    upload(ada, photo)
    taken = take_home(ada)
    assert is_an_archive(taken.path()) and is_an_archive(take_home(ben).path())
    ben.settle()
    address = taken.url.removeprefix(url)
    assert ben.frames is not None and not found(ben.frames, [address.encode()])
    for guess in ("/media", "/media/", "/media/maps.npz", "/media/" + "0" * 56 + ".npz", "/_stcore/upload_file/"):
        assert not is_a_file(url + guess)


def take_home(seen: Visit) -> Any:
    """Download the maps."""
    seen.page.get_by_role("button", name="Share", exact=True).click()
    with seen.page.expect_download() as download:
        seen.page.get_by_role("dialog").get_by_role("button", name="Maps (NPZ)").click()
    return download.value


def is_an_archive(path: Path) -> bool:
    with np.load(path) as maps:
        return len(maps.files) > 0


def test_what_was_computed_goes_with_the_session(visit: Open, photo: bytes, tmp_path: Path) -> None:
    """The shared cache holds a person's photo while somebody looks at it, and nothing of it afterwards."""
    notes = tmp_path / "witness.jsonl"
    settings = {WHERE: str(notes), PATIENCE: "2"}
    server = Server(tmp_path / "log.txt", environment=settings, launcher=("-m", "tests.load.witness"))
    digest = decode(photo).digest

    def rests() -> bool:
        """Nobody is here, and nothing of anybody is kept for them to come back to."""
        last = read(notes)[-1]
        return not any(last[what] for what in ("open", "waiting", "uploads", "media"))

    def held() -> bool:
        seen = read(notes)
        return bool(seen) and digest in seen[-1]["photos"]

    def becomes(wanted: bool) -> bool:
        end = time.monotonic() + 90
        while held() != wanted and time.monotonic() < end:
            time.sleep(0.5)
        return held() == wanted

    try:
        ada, ben = ready(visit(server.url)), ready(visit(server.url))
        upload(ada, photo)
        assert becomes(True)
        upload(ben, photo)
        ada.page.context.close()
        time.sleep(3)
        assert held(), "Ben looks at it still"
        assert read(notes)[-1]["uploads"] > 0
        ben.page.context.close()
        assert becomes(False)
        end = time.monotonic() + 90
        while not rests() and time.monotonic() < end:
            time.sleep(0.5)
        assert rests(), read(notes)[-1]
        assert read(notes)[-1]["photos"], "the samples stay"
        said = server.log.read_text(errors="replace")
        assert not any(word in said for word in (FILE, digest, "photo=", "Traceback")), "the log names no content"
    finally:
        server.stop()


def test_the_log_names_no_file_that_came_to_nothing(visit: Open, tmp_path: Path) -> None:
    """A photo and a bundle that are refused, and one that the app itself stumbles over, which is told in the log."""
    server = Server(tmp_path / "log.txt", launcher=("-c", STUMBLING))
    try:
        seen = ready(visit(server.url))
        page = seen.page
        page.get_by_role("button", name="Your photo").click()
        give(seen, "A photo", FILE, b"no picture")
        page.get_by_role("alert").filter(has_text="is not a picture").wait_for(timeout=60_000)
        give(seen, "A photo", f"stumble-{FILE}", b"no picture")
        page.get_by_test_id("stException").wait_for(timeout=60_000)
        page.reload()
        ready(seen)
        page.get_by_role("button", name="Share", exact=True).click()
        give(seen, "A bundle that was saved", f"{FILE}.zip", b"PK\x03\x04")
        page.get_by_role("dialog").get_by_role("alert").filter(has_text="bundle").wait_for(timeout=60_000)
        page.context.close()
    finally:
        server.stop()
    said = server.log.read_text(errors="replace")
    assert "Traceback" in said and "RuntimeError" in said, "what is looked for is what is written"
    assert FILE not in said and FILE.removesuffix(".png") not in said


# --- the server's own doors ----------------------------------------------------------------------------------------


def status(address: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None) -> int:
    request = Request(address, method=method, headers=headers or {}, data=body)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
            code: int = answer.status
            return code
    except HTTPError as error:
        return error.code


def is_a_file(address: str) -> bool:
    """Whether anything but the app's own empty page comes from an address."""
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=20) as answer:
            return "text/html" not in answer.headers.get("Content-Type", "")
    except HTTPError:
        return False


def test_an_upload_needs_the_sessions_token(app_server: Callable[..., str], visit: Open, photo: bytes) -> None:
    """XSRF protection is on: a foreign page cannot upload into a person's session, even where it knows its address."""
    url = app_server("app.py")
    ada = ready(visit(url))
    puts: list[Any] = []
    ada.page.on("request", lambda request: puts.append(request) if request.method == "PUT" else None)
    upload(ada, photo)
    (sent,) = puts
    headers = {"Content-Type": sent.headers["content-type"]}
    body = sent.post_data_buffer
    assert status(sent.url, "PUT", headers, body) == 403
    assert status(sent.url, "PUT", headers | {"X-Xsrftoken": "guess", "Cookie": "_streamlit_xsrf=other"}, body) == 403


@pytest.mark.parametrize("path", ["/_stcore/health", "/_stcore/host-config", "/_stcore/upload_file/a/b"])
def test_other_origins_get_no_leave(app_server: Callable[..., str], path: str) -> None:
    """CORS protection is on: no answer allows a page of another origin to read it."""
    request = Request(app_server("app.py") + path, headers={"Origin": "https://elsewhere.example"})
    try:
        answer = build_opener(ProxyHandler({})).open(request, timeout=20)
    except HTTPError as error:
        answer = error
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    answer.close()
    assert allowed not in ("*", "https://elsewhere.example")


def test_a_page_of_another_origin_opens_no_session(app_server: Callable[..., str], browser: Any) -> None:
    """Its websocket is refused, so that it cannot act in a visitor's name."""
    url = app_server("app.py")
    page = browser.new_page()
    page.route(
        "https://elsewhere.example/", lambda route: route.fulfill(body="<p>elsewhere</p>", content_type="text/html")
    )
    page.goto("https://elsewhere.example/")
    opened = page.evaluate(
        """(address) => new Promise((resolve) => {
          const socket = new WebSocket(address, ["streamlit"]);
          socket.onopen = () => resolve(true);
          socket.onerror = socket.onclose = () => resolve(false);
        })""",
        url.replace("http", "ws") + "/_stcore/stream",
    )
    page.close()
    assert opened is False
