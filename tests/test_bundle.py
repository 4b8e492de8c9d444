"""Bundles: nothing lost, equal views give equal bytes, and from any other file comes one sentence."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import archive
from engine.bundle import (
    IMAGE,
    REFERENCE,
    UPLOAD,
    Bundle,
    File,
    Place,
    RawMap,
    npz,
    read,
    write,
)
from engine.errors import BundleError
from engine.images import Photo, decode
from tests.hostile.case import sentence_problem

Files = dict[str, bytes]
Manifest = dict[str, Any]


def photo(seed: int, name: str = "", note: str = "") -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return replace(decode(Image.fromarray(pixels), name), note=note)


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    own = photo(1, "Ferien am Meer.jpg", "turned upright, reduced from 4000 x 3000")
    place = Place(
        "compare", {"photo": "upload", "foil": "3"}, {UPLOAD: own}, {"clicks": File("clicks.csv", b"x,y\n1,2\n")}
    )
    maps = {
        "gradcam": RawMap({"values": numbers(3)}, {"title": "Grad-CAM", "extent": [0.0, 0.0, 1.0, 1.0]}),
        "quality~2": RawMap({"values": numbers(4), "slope": numbers(5), "level": numbers(6)}, {"q": 0.25}),
    }
    facts = {"answer": [{"index": 0, "name": "Katze <b>", "probability": 0.61}]}
    return Bundle(
        place, "opacity:60;q.quality:0.25", {IMAGE: own, REFERENCE: photo(2)}, maps, facts, b"<!DOCTYPE html>"
    )


@pytest.fixture(scope="module")
def content(bundle: Bundle) -> bytes:
    return write(bundle)


def altered(content: bytes, change: Callable[[Manifest, Files], None]) -> bytes:
    """The bundle with its manifest and files changed by someone who knows how bundles are made."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        files = {name: found.read(name) for name in found.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest, files)
    manifest["contents"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    return archive.pack({**files, "manifest.json": json.dumps(manifest).encode()})


def refusal(content: bytes) -> str:
    with pytest.raises(BundleError) as told:
        read(content, "holiday.zip")
    assert sentence_problem(str(told.value)) is None
    return str(told.value)


def test_what_was_written_is_read(bundle: Bundle, content: bytes) -> None:
    found = read(content)
    assert (found.place.page, found.place.state, found.view) == ("compare", bundle.place.state, bundle.view)
    assert found.place.key == bundle.place.key
    assert found.place.files == bundle.place.files
    for role, mine in bundle.photos.items():
        np.testing.assert_array_equal(found.photos[role].pixels, mine.pixels)
        assert (found.photos[role].name, found.photos[role].note) == (mine.name, mine.note)
    assert found.same_maps(bundle.maps) and bundle.same_maps(found.maps)
    assert {name: one.facts for name, one in found.maps.items()} == {n: one.facts for n, one in bundle.maps.items()}
    assert (found.facts, found.report, found.versions) == (bundle.facts, bundle.report, bundle.versions)


def test_writing_what_was_read_gives_the_same_bytes(content: bytes) -> None:
    assert write(read(content)) == content


def test_the_same_view_gives_the_same_bytes_in_whatever_order_it_was_put_together(
    bundle: Bundle, content: bytes
) -> None:
    again = replace(
        bundle,
        place=replace(bundle.place, state=dict(reversed(bundle.place.state.items()))),
        maps=dict(reversed(bundle.maps.items())),
        photos=dict(reversed(bundle.photos.items())),
    )
    assert write(again) == content


def test_a_photo_is_kept_once_and_its_pixels_exactly(content: bytes, bundle: Bundle) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        assert set(found.namelist()) == {
            "image.png", "reference.png", "files/clicks", "maps/gradcam.npz", "maps/quality~2.npz", "report.html",
            "manifest.json",
        }  # fmt: skip
        np.testing.assert_array_equal(np.asarray(Image.open(found.open("image.png"))), bundle.photos[IMAGE].pixels)
        with np.load(io.BytesIO(found.read("maps/quality~2.npz"))) as arrays:
            assert set(arrays) == {"values", "slope", "level"}
            np.testing.assert_array_equal(arrays["slope"], bundle.maps["quality~2"].arrays["slope"])


def test_maps_are_the_same_only_bit_for_bit(bundle: Bundle) -> None:
    values = bundle.maps["gradcam"].arrays["values"]
    near = {**bundle.maps, "gradcam": RawMap({"values": np.nextafter(values, np.float32(9))}, {})}
    other = {**bundle.maps, "gradcam": RawMap({"values": values.reshape(7, 5)}, {})}
    assert not bundle.same_maps(near) and not bundle.same_maps(other)
    assert not bundle.same_maps({"gradcam": bundle.maps["gradcam"]})


def test_places_are_known_by_what_they_show(bundle: Bundle) -> None:
    place = bundle.place
    assert replace(place, photos={UPLOAD: photo(1)}).key == place.key, "a name shows nothing else"
    others = [
        replace(place, state={"photo": "upload"}), replace(place, page="image_quality"), replace(place, files={}),
        replace(place, photos={UPLOAD: photo(9)}), replace(place, files={"clicks": File("clicks.csv", b"x,y\n")}),
    ]  # fmt: skip
    assert len({place.key, *(other.key for other in others)}) == 6


# --- files that are no bundle, or are one no more ------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=300)
def test_from_damaged_bytes_comes_the_same_bundle_or_one_sentence(data: st.DataObject, content: bytes) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    way = data.draw(st.sampled_from(["cut", "flip", "drop", "insert", "swap"]))
    rubbish = data.draw(st.binary(min_size=1, max_size=8))
    damaged = {
        "cut": content[:at],
        "flip": content[:at] + bytes([content[at] ^ (rubbish[0] or 1)]) + content[at + 1 :],
        "drop": content[:at] + content[at + len(rubbish) :],
        "insert": content[:at] + rubbish + content[at:],
        "swap": content[:at] + rubbish + content[at + len(rubbish) :],
    }[way]
    try:
        found = read(damaged)
    except BundleError as error:
        assert sentence_problem(str(error)) is None
    else:
        assert write(found) == content


@given(st.binary(max_size=400))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    for content in (rubbish, b"PK\x03\x04" + rubbish):
        assert refusal(content)


def test_a_file_changed_inside_is_noticed(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        files = {name: found.read(name) for name in found.namelist()}
    for name in files:
        if name != "manifest.json":
            assert "altered" in refusal(archive.pack({**files, name: files[name] + b" "}))
            assert "altered" in refusal(archive.pack({n: data for n, data in files.items() if n != name}))


def zipped(entries: list[tuple[str, bytes]], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as made:
        for name, data in entries:
            made.writestr(zipfile.ZipInfo(name), data, way)
    return buffer.getvalue()


def bomb_of_one_file() -> bytes:
    return zipped([("manifest.json", b"{}"), ("image.png", bytes(150 * 2**20))])


def bomb_of_many_files() -> bytes:
    return zipped([(f"maps/m{k}.npz", b"") for k in range(5000)], zipfile.ZIP_STORED)


def lying_size() -> bytes:
    """A file that unpacks to more than its entry says."""
    packed = zipped([("manifest.json", bytes(3 * 2**20))])
    return packed.replace(struct.pack("<I", 3 * 2**20), struct.pack("<I", 1000))


def encrypted() -> bytes:
    packed = bytearray(zipped([("manifest.json", b"{}")]))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + flags] |= 1
    return bytes(packed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"", "not one that this app saved"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), "not one that this app saved"),
        (lambda: zipped([]), "not one that this app saved"),
        (lambda: zipped([("readme.txt", b"hello")]), "does not belong"),
        (lambda: zipped([("../manifest.json", b"{}")]), "does not belong"),
        (lambda: zipped([("/etc/passwd", b"{}")]), "does not belong"),
        (lambda: zipped([("maps/../../x.npz", b"{}")]), "does not belong"),
        (lambda: zipped([("maps\\x.npz", b"{}")]), "does not belong"),
        (lambda: zipped([("files/", b"")]), "does not belong"),
        (lambda: zipped([("manifest.json", b"{}"), ("manifest.json", b"{}")]), "two files of one name"),
        (lambda: zipped([("manifest.json", b"{}"), ("manifest.json\0.png", b"{}")]), "two files of one name"),
        (lambda: zipped([("manifest.json", b"{}")], zipfile.ZIP_LZMA), "packed in a way"),
        (lambda: zipped([("report.html", b"")]), "altered"),
        (lambda: zipped([("manifest.json", b"{" * 100_000)]), "altered"),
        (lambda: zipped([("manifest.json", b"[" * 100_000 + b"]" * 100_000)]), "altered"),
        (lambda: zipped([("manifest.json", b'{"format": ' + b"9" * 10_000 + b"}")]), "altered"),
        (lambda: zipped([("manifest.json", b'{"format": NaN}')]), "altered"),
        (lambda: zipped([("manifest.json", b"\xff\xfe")]), "altered"),
        (lambda: zipped([("manifest.json", bytes(2 * 2**20))]), "far more than it should"),
        (bomb_of_one_file, "far more than it should"),
        (bomb_of_many_files, "more than 64 files"),
        (lying_size, "damaged"),
        (encrypted, "encrypted"),
    ],
)
def test_a_zip_that_is_no_bundle_gets_its_sentence(make: Callable[[], bytes], words: str) -> None:
    assert words in refusal(make())


def test_more_than_is_read_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1000)
    assert "unpacks to more than" in refusal(content)
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    assert "larger than" in refusal(content)


def png_that_says(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def array_of(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values, allow_pickle=True)
    return archive.pack({"values.npy": buffer.getvalue()})


def set_in(*keys: str, to: object) -> Callable[[Manifest, Files], None]:
    def change(manifest: Manifest, files: Files) -> None:
        inner = manifest
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return change


def put(name: str, data: bytes) -> Callable[[Manifest, Files], None]:
    return lambda manifest, files: files.update({name: data})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_in("format", to=2), "newer version"),
        (set_in("format", to=0), "altered"),
        (set_in("format", to="1"), "altered"),
        (set_in("page", to=7), "altered"),
        (set_in("page", to="x" * 41), "altered"),
        (set_in("state", "foil", to=3), "altered"),
        (set_in("state", "foil", to="3" * 3000), "altered"),
        (set_in("state", to=[]), "altered"),
        (set_in("view", to="x" * 3000), "altered"),
        (set_in("pictures", to={}), "altered"),
        (set_in("pictures", "other", to={}), "altered"),
        (set_in("pictures", "image", "digest", to="0" * 64), "altered"),
        (set_in("pictures", "image", "width", to=33), "altered"),
        (set_in("pictures", "image", "file", to="manifest.json"), "altered"),
        (set_in("pictures", "image", "note", to="[click](http://example.org)"), "altered"),
        (set_in("pictures", "image", "name", to="../<b>.png"), "altered"),
        (set_in("maps", "nothing", to={}), "altered"),
        (set_in("files", "nothing", to="x"), "altered"),
        (set_in("files", "clicks", to=None), "altered"),
        (put("image.png", b"not a picture"), "altered"),
        (put("image.png", png_that_says(8, 100_000_000)), "altered"),
        (put("maps/gradcam.npz", b"not a zip"), "The map gradcam is damaged"),
        (put("maps/gradcam.npz", array_of(np.array([[{}]], object))), "altered"),
        (put("maps/gradcam.npz", array_of(np.zeros((2, 2), np.float64))), "altered"),
        (put("maps/gradcam.npz", array_of(np.zeros(4, np.float32))), "altered"),
        (put("maps/gradcam.npz", array_of(np.full((2, 2), np.nan, np.float32))), "altered"),
        (put("maps/gradcam.npz", npz({"values": numbers(1)})[:-30]), "The map gradcam is damaged"),
    ],
)
def test_what_was_crafted_gets_a_sentence(
    content: bytes, change: Callable[[Manifest, Files], None], words: str
) -> None:
    assert words in refusal(altered(content, change))


def test_pictures_together_are_bounded(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("engine.bundle.MAX_PIXELS", 24 * 32)
    assert "megapixels" in refusal(content)
