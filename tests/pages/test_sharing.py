"""Sharing, history and places without a browser: bundles bring every page back, and wrong ones get a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import bundle
from engine.bundle import Bundle, Place
from pages.widgets import desk, history, share
from pages.widgets.frontend import Widget
from pages.widgets.history import Look
from pages.widgets.map_panel import Panel, PanelEvent, PanelPhoto
from pages.widgets.panels import changed_row
from pages.widgets.session import from_address
from pages.widgets.share import Shown

APP = str(Path(__file__).parents[2] / "app.py")
VIEW = "opacity:60;q.quality:0.25"
Seen = list[tuple[Place, Shown | None]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What the page hands to its desk in every run."""
    found: Seen = []
    real = desk.desk

    def told(room: Any, place: Place, shown: Shown | None, *rest: Any) -> bool:
        found.append((place, shown))
        return real(room, place, shown, *rest)

    monkeypatch.setattr(desk, "desk", told)  # pages import it anew in every run
    return found


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Choose what the desk's widget says that a person pressed, until something else is chosen."""
    real = Widget.mount
    pressed: list[str | None] = [None]

    def mount(self: Widget, *args: Any, **named: Any) -> Any:
        answer = real(self, *args, **named)
        if self is desk._widget and pressed[0]:
            return desk.Pressed(pressed[0], VIEW, "http://localhost/?foil=3")
        return answer

    monkeypatch.setattr(Widget, "mount", mount)

    def choose(kind: str | None) -> None:
        pressed[0] = kind

    return choose


def start(page: str = "", **parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    if page:
        app.switch_page(f"pages/{page}.py")
    app.run()
    assert not app.exception
    return app


def jpeg(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((300, 200)).save(buffer, "JPEG")
    return buffer.getvalue()


def saved(seen: Seen) -> bytes:
    place, shown = seen[-1]
    assert shown is not None and not shown.unfinished
    return bundle.write(share.bundle_of(place, shown, VIEW))


def opened(content: bytes, press: Callable[[str | None], None], page: str = "") -> AppTest:
    """A new session that opens the bundle. Here all of the page runs again, in a browser the dialog alone."""
    app = start(page)
    press("share")
    app.run()
    app.file_uploader(key="bundle_file").set_value(("view.zip", content, "application/zip")).run()
    assert not app.exception
    press(None)
    return app


def said(app: AppTest) -> str:
    return " ".join(block.value for block in (*app.markdown, *app.caption, *app.toast))


# --- bundles ------------------------------------------------------------------------------------------------


def test_a_bundle_of_an_uploaded_photo_comes_back_bit_for_bit(seen: Seen, press: Callable[[str | None], None]) -> None:
    app = start(foil="3", layer="layer3", panels="gradcam,quality,quality~2")
    app.file_uploader(key="upload_file").set_value(("Ferien.jpg", jpeg(), "image/jpeg")).run()
    app.selectbox(key="foil").select(5).run()
    content = saved(seen)
    again = opened(content, press)
    assert again.session_state["choice"] == app.session_state["choice"]
    assert again.session_state["upload"].name == "Ferien.jpg"
    assert again.session_state["view_brought"]["text"] == VIEW
    assert "bit for bit" in said(again)
    assert saved(seen) == content


def test_a_bundle_says_where_its_maps_come_out_differently(seen: Seen, press: Callable[[str | None], None]) -> None:
    start(panels="gradcam")
    found = bundle.read(saved(seen))
    values = found.maps["gradcam"].arrays["values"] + np.float32(1)
    other = Bundle(found.place, "", found.photos, {"gradcam": bundle.RawMap({"values": values}, {})}, {}, found.report)
    assert "differently here" in said(opened(bundle.write(other), press))


def test_a_bundle_opens_on_whatever_page_it_belongs_to(seen: Seen, press: Callable[[str | None], None]) -> None:
    start("image_quality", photo="cat", judge="without", stride="32", steps="jpeg:3:100-100-600-700")
    content = saved(seen)
    again = opened(content, press)
    assert again.session_state["quality_choice"].steps[0].box == (100, 100, 600, 700)
    assert seen[-1][0].page == "image_quality"
    assert saved(seen) == content


def test_a_file_that_is_no_bundle_gets_a_sentence_and_nothing_changes(press: Callable[[str | None], None]) -> None:
    app = start(foil="3")
    press("share")
    app.run()
    app.file_uploader(key="bundle_file").set_value(("view.zip", b"PK\x03\x04 nothing", "application/zip")).run()
    assert not app.exception and len(app.error) == 1 and "view.zip is damaged" in app.error[0].value
    assert app.session_state["choice"].foil == 3


def test_a_bundle_of_a_page_that_is_not_here_is_told(seen: Seen, press: Callable[[str | None], None]) -> None:
    start(panels="gradcam")
    found = bundle.read(saved(seen))
    future = Bundle(Place("holography", {}), "", found.photos, {}, {}, b"")
    app = start()
    press("share")
    app.run()
    app.file_uploader(key="bundle_file").set_value(("view.zip", bundle.write(future), "application/zip")).run()
    assert "does not have; update the app" in app.error[0].value


# --- panels, reports ----------------------------------------------------------------------------------------


def a_panel(place: str = "quality", **changes: Any) -> Panel:
    grid = np.array([[0.5, -0.5]], np.float32)
    usual: dict[str, Any] = {
        "id": place, "title": "Contrastive quality", "question": "Why 0.6, rather than {Q}?", "sentence": "Of {Q}.",
        "values": grid, "slope": grid, "level": np.array([[0.9, 0.1]], np.float32), "q": 0.75, "signed": True,
        "meaning": ("above {Q}", "below {Q}"), "speed": "4 ms", "notes": ("1 × 2 map",),
    }  # fmt: skip
    return Panel(**usual | changes)


def a_photo(name: str = "Cat") -> PanelPhoto:
    return PanelPhoto.of(Image.new("RGB", (30, 20), "teal"), name)


@pytest.mark.parametrize(
    ("view", "q"),
    [("", "0.75"), ("opacity:60;q.quality:0.25", "0.25"), ("q.quality:7", "0.75"), ("q.quality:x;q", "0.75"),
     ("q.quality~2:0.5", "0.75")],
)  # fmt: skip
def test_the_report_shows_the_q_that_was_looked_at(view: str, q: str) -> None:
    figure = share._figure(a_panel(), view)
    assert (figure.question, figure.sentence) == (f"Why 0.6, rather than {q}?", f"Of {q}.")
    assert figure.meaning == (f"above {q}", f"below {q}")
    assert "4 ms" not in figure.notes, "what it cost this time is no part of a view"


def test_a_row_keeps_its_places_whatever_goes_beside_them() -> None:
    row = ("gradcam", "quality", "quality~2")
    assert changed_row(row, PanelEvent("remove", "gradcam")) == ("quality", "quality~2")
    assert changed_row(row, PanelEvent("remove", "quality")) == ("gradcam", "quality~2")
    assert changed_row(row, PanelEvent("add", method="quality")) == (*row, "quality~3")
    assert changed_row(row, PanelEvent("method", "gradcam", "contrast")) == ("contrast", "quality", "quality~2")
    assert changed_row(row, PanelEvent("method", "quality~2", "quality")) == row
    assert changed_row(row, PanelEvent("method", "gone", "contrast")) == row
    assert changed_row(("gradcam",), PanelEvent("remove", "gradcam")) == ("gradcam",)
    full = ("a", "b", "c", "d", "e")
    assert changed_row(full, PanelEvent("add", method="f")) == full


def test_places_of_a_link_are_checked() -> None:
    assert from_address({"panels": "gradcam,quality,quality~2,<b>,../x,gradcam"}).panels == (
        "gradcam", "quality", "quality~2",
    )  # fmt: skip
    assert from_address({"panels": ",,,"}).panels == from_address({}).panels


# --- history ------------------------------------------------------------------------------------------------


def test_what_was_looked_at_is_remembered_once_newest_first_and_gone_back_to(
    seen: Seen, press: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start(panels="gradcam")
    app.selectbox(key="foil").select(5).run()
    app.segmented_control(key="photo").set_value("coffee").run()
    looks = list(app.session_state["looks"].values())
    assert [look.place.state.get("photo") for look in looks] == [None, None, "coffee"]
    first = looks[0].place
    app.segmented_control(key="photo").set_value("cat").run()
    assert len(app.session_state["looks"]) == 3, "the cat's usual view is there already"
    assert next(reversed(app.session_state["looks"])) == first.key

    real = Widget.mount

    def mount(self: Widget, *args: Any, **named: Any) -> Any:
        answer = real(self, *args, **named)
        coffee = next(key for key, look in app.session_state["looks"].items() if look.place.state.get("photo"))
        return history.Chosen("back", coffee[:12]) if self is history._widget else answer

    monkeypatch.setattr(Widget, "mount", mount)
    press("history")
    monkeypatch.setattr(history.places, "go", lambda place, here: went.append((place.state, here)))
    went: list[Any] = []
    app.run()
    assert not app.exception
    assert went and went[0][0]["photo"] == "coffee" and went[0][1] == "compare"


@pytest.fixture
def session_of_one(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    state: dict[str, Any] = {}
    monkeypatch.setattr(history.st, "session_state", state)
    return state


def test_the_history_is_bounded_by_number_and_by_bytes(
    session_of_one: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for foil in range(40):
        history.record(Look(Place("compare", {"foil": str(foil)}), "Why?", a_photo(), (a_panel(),)))
    assert [look.place.state["foil"] for look in history.looks()] == [str(foil) for foil in range(39, 15, -1)]
    monkeypatch.setattr(history, "MOST_BYTES", 3 * 400_000)
    for foil in range(50, 60):
        large = a_panel(values=np.zeros((300, 300), np.float32), slope=None, level=None)
        history.record(Look(Place("compare", {"foil": str(foil)}), "Why?", a_photo(), (large,)))
    assert len(history.looks()) == 3


def test_a_third_pin_takes_the_place_of_the_first(session_of_one: dict[str, Any]) -> None:
    session_of_one["looks_pinned"] = []
    for look in ("a", "b", "c"):
        history._pin(history.Chosen("pin", look))
    assert session_of_one["looks_pinned"] == ["b", "c"]
    history._pin(history.Chosen("pin", "b"))
    assert session_of_one["looks_pinned"] == ["c"]


def test_thumbnails_are_small_whatever_the_map() -> None:
    blob = history.Blob()
    fine = a_panel(values=np.ones((160, 220), np.float32), slope=None, level=None)
    told = history._thumbnail("a", Look(Place("compare", {}), "Why?", a_photo(), (fine,)), blob)
    assert (told["panel"]["values"]["h"], told["panel"]["values"]["w"]) == (48, 48)
    assert len(blob.bytes()) == 48 * 48 * 4
