"""What the widgets send: headers, bytes, digests, and what they refuse."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pages.widgets.frontend import Blob, Parcel, pack
from pages.widgets.map_panel import MOST_PANELS, Panel, PanelPhoto, map_panel


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
        map_panel(a_photo(), panels, key="panels")
