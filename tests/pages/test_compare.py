"""The Compare page without a browser: what a person chooses, and what comes of wrong files and wrong links."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine import Engine
from engine.errors import ModelError
from engine.images import plain_name
from pages.widgets import map_panel, session
from pages.widgets.map_panel import Panel, PanelPhoto
from pages.widgets.session import Choice
from tests.hostile.corpus import HOSTILE_NAMES

APP = str(Path(__file__).parents[2] / "app.py")
NAMES = [name for name in HOSTILE_NAMES if "\ud800" not in name]
"""Those that a message to the app can carry."""
MARKS = (
    "<script", "<img", "[link](", "**bold**", ":red[", "$x^2$", "`code`", "\x1b[31m", "a\0b", "line\nbreak",
    "\u202eleft", "\u200bwidth", "..\\..", "../",
)  # fmt: skip
"""Parts of them that would be more than text."""


def start(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=240)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="upload_file").set_value((name, content, "image/jpeg")).run()
    assert not app.exception
    return app


def picture(colour: tuple[int, int, int] = (200, 90, 30), kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120), colour).save(buffer, kind)
    return buffer.getvalue()


def chosen(app: AppTest) -> Choice:
    choice: Choice = app.session_state["choice"]
    return choice


def said(app: AppTest) -> str:
    return " ".join(block.value for block in (*app.markdown, *app.caption))


def marks_in(app: AppTest) -> list[str]:
    """MARKS that came to the page, wherever on it."""
    sent = b"\n".join(node.proto.SerializeToString() for node in app.main if getattr(node, "proto", None))
    return [mark for mark in MARKS if mark.encode() in sent]


def test_the_first_paint_needs_nothing_to_be_pressed() -> None:
    app = start()
    assert not app.error and not app.warning
    assert "says" in said(app) and "sure" in said(app)
    fact, foil = app.selectbox(key="fact").value, app.selectbox(key="foil").value
    assert fact != foil


def test_a_foil_that_is_chosen_stays_and_stands_in_the_address() -> None:
    app = start()
    fact = app.selectbox(key="fact").value
    other = 3 if fact != 3 else 4
    app.selectbox(key="foil").select(other).run()
    assert chosen(app).foil == other and app.query_params["foil"] == str(other)
    app.selectbox(key="layer").select("layer3").run()
    assert chosen(app) == Choice(foil=other, layer="layer3")
    assert "10 × 10" in said(app) or app.selectbox(key="layer").value == "layer3"


def test_another_photo_is_asked_about_afresh() -> None:
    app = start(foil="3", layer="layer2")
    app.segmented_control(key="photo").set_value("coffee").run()
    assert not app.exception
    assert chosen(app) == Choice(photo="coffee", layer="layer2")


def test_a_link_restores_the_whole_view() -> None:
    choice = Choice("rocket", "resnet18", "random", 128, "layer3", 7, 9, ("contrast", "features"), (("vectors", "4"),))
    app = start(**session.to_address(choice))
    assert chosen(app) == choice
    assert (app.selectbox(key="fact").value, app.selectbox(key="foil").value) == (7, 9)
    assert app.selectbox(key="network_size").value == 128
    assert "random weights" in said(app)


@pytest.mark.parametrize(
    "parameters",
    [
        {"photo": "nothing"},
        {"photo": "upload"},
        {"model": "no-such-network"},
        {"foil": "999999", "fact": "-3"},
        {"layer": "layer99"},
        {"size": "7"},
        {"panels": "gradcam,no-such-method"},
        {"options": "vectors:-1,conflict:none"},
        {"photo": "<script>alert(1)</script>", "panels": ",,,"},
    ],
)
def test_a_wrong_link_is_told_and_the_page_goes_on(parameters: dict[str, str]) -> None:
    app = start(**parameters)
    assert "says" in said(app)


def test_a_network_that_is_not_here_is_offered_and_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPECTANCY_WEIGHTS", str(tmp_path))
    app = start(model="resnet34")
    assert [button.label for button in app.button] == [
        "Download 83 MB", "Use random weights", "Back to the embedded network",
    ]  # fmt: skip
    assert "not on this computer" in said(app)
    app.button[1].click().run()
    assert not app.exception and "untrained" in said(app)
    assert list(tmp_path.iterdir()) == []


def test_an_uploaded_photo_is_explained_and_kept_out_of_the_address() -> None:
    app = upload(start(), "holiday.jpg", picture())
    assert chosen(app).photo == "upload"
    assert app.session_state["upload"].name == "holiday.jpg"
    assert dict(app.query_params).get("photo") == ["upload"] or app.query_params["photo"] == "upload"


def test_the_other_maps_do_not_wait_for_the_quality_of_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    draw, judge = map_panel.map_panel, Engine.quality

    def drawing(photo: PanelPhoto, panels: Sequence[Panel], **how: Any) -> Any:
        done.append([panel.method for panel in panels if panel.values is not None])
        return draw(photo, panels, **how)

    def judging(self: Engine, *of: Any, **how: Any) -> Any:
        done.append("judged")
        return judge(self, *of, **how)

    app = start(panels="gradcam,quality")
    monkeypatch.setattr(map_panel, "map_panel", drawing)
    monkeypatch.setattr(Engine, "quality", judging)
    upload(app, "new.png", picture((11, 222, 133), "PNG"))
    assert done == [["gradcam"], "judged", "judged", ["gradcam", "quality"]]


def test_a_quality_that_cannot_be_judged_is_told_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*of: Any, **how: Any) -> Any:
        tried.append(1)
        raise ModelError("No quality today.")

    tried: list[int] = []
    app = start(panels="gradcam,quality")
    monkeypatch.setattr(Engine, "quality", refusing)
    upload(app, "another.png", picture((211, 22, 33), "PNG"))
    assert len(tried) == 2, "behind the page, and for the panel that says why"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.png", b"I am a text"),
        ("half.jpg", picture()[:300]),
        ("dot.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40),
    ],
)
def test_a_bad_file_gets_a_sentence_and_nothing_is_lost(name: str, content: bytes) -> None:
    app = upload(start(foil="3"), name, content)
    assert len(app.error) == 1
    assert app.error[0].value.endswith(".")
    assert chosen(app) == Choice(foil=3)
    assert upload(app, "good.png", picture(kind="PNG")).error == []


def test_a_hostile_name_is_only_a_name() -> None:
    """On the page, and in every message to it: what could be markup or steer a terminal is gone, or is escaped."""
    app = start(panels="gradcam")
    for name in NAMES:
        upload(app, name, picture())
        label = app.segmented_control(key="photo").options[-1]
        assert re.sub(r"\\(\W|_)", r"\1", label) == (plain_name(name) or "your photo")
        assert not re.search(r"[\[\]<>:`$*_~#]", re.sub(r"\\.", "", label)), "Markdown reads it as text"
        assert marks_in(app) == []


def test_the_choice_survives_its_way_through_an_address() -> None:
    choice = Choice(
        "coffee", "vgg16", "random", 288, "features.29", 1, 2, ("quality", "contrast"), (("foils", "deviation"),)
    )
    assert session.from_address(session.to_address(choice)) == choice
    assert session.to_address(Choice()) == {}
