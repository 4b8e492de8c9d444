"""What the widgets send: headers, bytes, digests, and what they refuse."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pages.widgets import click_board, desk, history, layer_strip, map_panel, quality_region
from pages.widgets.frontend import Blob, Parcel, Widget, heard, pack, read_class
from pages.widgets.map_panel import MOST_PANELS, Panel, PanelEvent, PanelPhoto


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def a_panel(**changes: Any) -> Panel:
    return Panel(
        **{"id": "a", "title": "", "question": "", "sentence": "", "values": np.zeros((2, 3), np.float32)} | changes
    )


def a_photo() -> PanelPhoto:
    return PanelPhoto.of(Image.new("RGB", (30, 20), "teal"))


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "ä", "\u2028</script>"])
def test_numbers_begin_at_a_multiple_of_four(name: str) -> None:
    message = pack({"name": name}, b"rest")
    header, rest = unpacked(message)
    assert header == {"name": name}
    assert rest == b"rest"
    assert (len(message) - len(rest)) % 4 == 0


def test_arrays_come_back_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size).astype(np.float32) for size in ((2, 3), (7, 7), (1, 5))]
    views = [arrays[0], np.asfortranarray(arrays[1]), arrays[2].astype(np.float64)]
    blob = Blob()
    places = [blob.add(view) for view in views]
    assert blob.add(None) is None
    numbers = np.frombuffer(blob.bytes(), "<f4")
    for array, place in zip(arrays, places, strict=True):
        assert place is not None
        size = place["h"] * place["w"]
        found = numbers[place["at"] : place["at"] + size].reshape(place["h"], place["w"])
        np.testing.assert_array_equal(found, array)


def test_a_map_has_two_axes() -> None:
    with pytest.raises(ValueError, match=r"\(1, 7, 7\)"):
        Blob().add(np.zeros((1, 7, 7), np.float32))


def test_a_parcel_is_known_by_its_content() -> None:
    one, same, other = Parcel.of({"a": 1}, b"x"), Parcel.of({"a": 1}, b"x"), Parcel.of({"a": 1}, b"y")
    assert one == same
    assert one.digest != other.digest
    assert unpacked(one.message)[0]["digest"] == one.digest


def test_a_photo_travels_small_and_keeps_its_shape() -> None:
    photo = PanelPhoto.of(Image.new("RGB", (4000, 1000)))
    assert (photo.width, photo.height) == (640, 160)
    decoded = Image.open(BytesIO(unpacked(photo.parcel.message)[1]))
    assert (decoded.format, decoded.size) == ("JPEG", (640, 160))
    assert (PanelPhoto.of(Image.new("L", (5, 9))).width, PanelPhoto.of(Image.new("RGB", (9000, 1))).height) == (5, 1)


@pytest.mark.parametrize(
    "panels",
    [
        [a_panel(), a_panel()],
        [a_panel(id=str(k)) for k in range(MOST_PANELS + 1)],
        [a_panel(slope=np.zeros((3, 2), np.float32))],
        [a_panel(values=None, slope=np.zeros((2, 3), np.float32))],
        [a_panel(level=np.zeros((2, 3), np.float32))],
        [a_panel(values=np.zeros(6, np.float32))],
    ],
    ids=["same id", "too many", "slope of another shape", "slope alone", "level alone", "one axis"],
)
def test_panels_that_cannot_be_drawn_are_refused(panels: list[Panel]) -> None:
    with pytest.raises(ValueError, match=r"[Pp]anel|axes"):
        map_panel.map_panel(a_photo(), panels, key="panels")


METHODS = [("gradcam", "Grad-CAM"), ("contrast", "Contrast")]
EVENTS = (
    (read_class, {"foil": 3}, 3),
    (layer_strip._read, {"layer": "layer3"}, "layer3"),
    (click_board._read, {"person": "Ada", "places": [[0.5, 1]], "seconds": 3},
     click_board.Looked("Ada", ((0.5, 1.0),), 3.0)),
    (quality_region._read, {"box": [0, 10.5, 2000, 500]}, ((0, 10, 1000, 500),)),
    (quality_region._read, {"box": None}, (None,)),
    (quality_region._read, {"box": [10, 10, 10, 20]}, (None,)),
    (desk._read, {"kind": "share", "view": "opacity:0.5", "address": "http://x"},
     desk.Pressed("share", "opacity:0.5", "http://x")),
    (history._read, {"kind": "pin", "look": "abc"}, history.Chosen("pin", "abc")),
    (partial(map_panel._read, METHODS), {"kind": "add", "method": "contrast"}, PanelEvent("add", method="contrast")),
    (partial(map_panel._read, METHODS), {"kind": "remove", "panel": "quality~2"}, PanelEvent("remove", "quality~2")),
    (partial(map_panel._read, METHODS), {"kind": "foil", "step": -1}, PanelEvent("foil", step=-1)),
)  # fmt: skip
"""What each widget's script says, and what it means."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["add", "share"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@pytest.mark.parametrize(("read", "event", "meaning"), EVENTS)
def test_what_a_widget_says_is_understood(read: Any, event: dict[str, Any], meaning: Any) -> None:
    assert heard(event, read) == meaning
    assert heard(None, read) is None


@pytest.mark.parametrize(("read", "event"), [row[:2] for row in EVENTS])
@given(data=st.data())
def test_what_no_widget_says_is_not_heard(read: Any, event: dict[str, Any], data: st.DataObject) -> None:
    """Anything may come over the wire: nothing raises, and what lacks a part or has a part of another kind is None."""
    heard(data.draw(JSON), read)
    name = data.draw(st.sampled_from(sorted(event)))
    heard(event | {name: data.draw(JSON)}, read)
    assert heard({key: value for key, value in event.items() if key != name}, read) is None
    assert heard(event | {name: [[[]]]}, read) is None


@pytest.mark.parametrize(
    ("read", "event"),
    [
        (read_class, {"foil": -1}),
        (read_class, {"foil": 10**12}),
        (partial(map_panel._read, METHODS), {"kind": "add", "method": "nothing"}),
        (partial(map_panel._read, METHODS), {"kind": "layer", "step": 5}),
        (quality_region._read, {"box": [float("nan"), 0, 1, 1]}),
        (click_board._read, {"person": "Ada", "places": [[0.5, 0.5]] * 201, "seconds": 3}),
        (desk._read, {"kind": "leave", "view": "", "address": ""}),
    ],
)
def test_values_that_no_widget_offers_are_not_heard(read: Any, event: dict[str, Any]) -> None:
    assert heard(event, read) is None


def test_a_click_on_what_has_left_the_page_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser shows a component until the run that does without it has ended: its click may come after that."""
    callbacks, heard_of = [], []
    widget = Widget("test_left", scripts=(), styles=())

    def stub(**given: Any) -> Any:
        callbacks.append(given["on_event_change"])
        return SimpleNamespace(event=None)

    monkeypatch.setattr(widget, "_stub", stub)
    state: dict[str, Any] = {}
    monkeypatch.setattr(streamlit, "session_state", state)
    widget.mount(pack({}), key="here", parcels=[], read=read_class, on_event=heard_of.append)
    callbacks[0]()
    state["here"] = {"event": {"foil": 3}}
    callbacks[0]()
    assert heard_of == [3]
