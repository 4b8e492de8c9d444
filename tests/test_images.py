"""Reading pictures: sources, sizes, digests, names. Hostile files are in tests/hostile."""

import io
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.errors import ImageError
from engine.images import MAX_BYTES, MAX_NAME, MIN_SIDE, Photo, decode, encode_jpeg, measure, plain_name
from tests.hostile.corpus import HOSTILE_NAMES, encoded, scene, sentence_problem
from tests.hostile.sound import dark_ink_profile

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pytest lifts the filter of engine.images


def test_a_photo_cannot_be_changed() -> None:
    photo = decode(encoded(scene(), "PNG"), "a.png")
    with pytest.raises(ValueError):
        photo.pixels[0, 0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        photo.name = "b"  # type: ignore[misc]
    assert photo.size == (96, 64)
    assert np.array_equal(np.asarray(photo.pil()), scene())


def test_bytes_path_text_and_image_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    path.write_bytes(encoded(scene(), "PNG"))
    image = Image.fromarray(scene())
    photos = [
        decode(path),
        decode(str(path)),
        decode(path.read_bytes(), "scene.png"),
        decode(image, "scene.png"),
    ]
    assert len({(p.digest, p.name) for p in photos}) == 1
    with Image.open(path) as opened:
        assert decode(opened).digest == photos[0].digest


def test_the_caller_s_image_stays_as_it_is() -> None:
    exif = Image.Exif()
    exif[274] = 6
    image = Image.open(io.BytesIO(encoded(np.kron(scene(), np.ones((4, 4, 1), np.uint8)), "JPEG", exif=exif)))
    before = image.size, image.mode
    photo = decode(image, max_side=64)
    assert photo.size == (43, 64)
    assert (image.size, image.mode, image.getexif()[274]) == (*before, 6)


def test_the_digest_is_of_content_not_of_the_file() -> None:
    png, bmp = (decode(encoded(scene(), codec)) for codec in ("PNG", "BMP"))
    assert png.digest == bmp.digest
    other = scene().copy()
    other[5, 5, 1] ^= 1
    assert decode(encoded(other, "PNG")).digest != png.digest
    flat = [decode(Image.new("RGB", size, "teal")).digest for size in ((16, 32), (32, 16))]
    assert flat[0] != flat[1]


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turned", [False, True])
def test_large_pictures_are_reduced_and_say_so(codec: str, turned: bool) -> None:
    pixels = np.kron(scene(), np.ones((10, 10, 1), np.uint8))  # 960 x 640
    exif = Image.Exif()
    exif[274] = 6 if turned else 1
    photo = decode(encoded(pixels, codec, exif=exif), max_side=240)
    assert photo.size == ((160, 240) if turned else (240, 160))
    size = "640 x 960" if turned else "960 x 640"
    assert photo.note == ("turned upright, " if turned else "") + f"reduced from {size}"
    expected = np.asarray(Image.fromarray(pixels).resize((240, 160), Image.Resampling.BOX)).astype(float)
    expected = np.rot90(expected, -1) if turned else expected
    assert np.abs(photo.pixels - expected).mean() < 4
    assert measure(encoded(pixels, codec, exif=exif)) == ((640, 960) if turned else (960, 640))


def test_pictures_within_the_limit_are_not_resampled() -> None:
    assert decode(encoded(scene(), "PNG"), max_side=96).note == ""


@pytest.mark.parametrize(
    ("mode", "note"),
    [("RGBA", "transparency on white"), ("CMYK", "CMYK converted to RGB"), ("I;16", "scaled to 8 bits")],
)
def test_the_note_tells_what_was_changed(mode: str, note: str) -> None:
    assert decode(Image.new(mode, (20, 20))).note == note


def test_cmyk_uses_its_profile() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    plain = decode(encoded(cyan, "TIFF"))
    managed = decode(encoded(cyan, "TIFF", icc_profile=dark_ink_profile()))
    assert plain.pixels[0, 0].tolist() == [0, 255, 255]
    assert np.ptp(managed.pixels[0, 0].astype(int)) <= 2
    assert managed.note == "CMYK converted to sRGB by its profile"


def test_files_that_are_no_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    wrong: dict[str | Path, str] = {
        tmp_path: "is a folder",
        tmp_path / "missing.png": "does not exist",
        pipe: "not a regular file",
        "\0.png": "cannot be opened",
        "a" * 5000: "cannot be opened",
    }
    for path, words in wrong.items():
        with pytest.raises(ImageError, match=words) as caught:
            decode(path)
        assert sentence_problem(str(caught.value)) is None


def test_files_above_the_byte_limit_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.write(encoded(scene(), "PNG"))
        file.truncate(MAX_BYTES + 10)  # sparse
    with pytest.raises(ImageError, match="larger than 200 MB"):
        decode(path)


@pytest.mark.parametrize("content", [b"", b"text", encoded(Image.new("RGB", (5, 5)), "PNG")])
def test_measuring_refuses_as_decoding_does(content: bytes) -> None:
    with pytest.raises(ImageError) as decoding:
        decode(content, "a.png")
    with pytest.raises(ImageError) as measuring:
        measure(content, "a.png")
    assert str(decoding.value) == str(measuring.value)


def test_an_opened_file_of_another_format_is_refused() -> None:
    image = Image.open(io.BytesIO(encoded(scene(), "PPM")))
    with pytest.raises(ImageError, match="format PPM"):
        decode(image)


def test_sides_below_the_least_are_refused_after_reduction_too() -> None:
    assert decode(Image.new("RGB", (MIN_SIDE, MIN_SIDE))).size == (MIN_SIDE, MIN_SIDE)
    with pytest.raises(ImageError, match="too narrow"):
        decode(Image.new("RGB", (400, 10)), max_side=200)


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
)
@settings(max_examples=300)
def test_any_bytes_give_a_photo_or_a_sentence(content: bytes, magic: bytes) -> None:
    try:
        assert isinstance(decode(magic + content), Photo)
    except ImageError as error:
        assert sentence_problem(str(error)) is None


@given(st.text(max_size=300) | st.sampled_from(HOSTILE_NAMES))
def test_names_are_plain(name: str) -> None:
    plain = plain_name(name)
    assert len(plain) <= MAX_NAME
    assert not set(plain) & set('/\\<>:"|?*[]`$')
    assert all(unicodedata.category(c)[0] != "C" for c in plain)
    assert not plain.startswith(".")
    assert plain_name(plain) == plain


def test_names_keep_what_is_harmless() -> None:
    assert plain_name("/home/me/My cat & dog (1).JPG") == "My cat & dog (1).JPG"
    assert plain_name("C:\\photos\\été.png") == "été.png"
    long = plain_name("x" * 300 + ".jpeg")
    assert len(long) == MAX_NAME
    assert long.endswith("….jpeg")


def test_eight_threads_give_what_one_gives() -> None:
    files = [encoded(scene(64 + i, 96), codec) for i in range(6) for codec in ("PNG", "JPEG", "GIF", "TIFF")]
    expected = [decode(file).digest for file in files]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            assert [photo.digest for photo in pool.map(decode, files)] == expected


def test_jpeg_for_the_browser() -> None:
    pixels = np.kron(scene(), np.ones((4, 4, 1), np.uint8))
    small = decode(encode_jpeg(pixels, max_side=96, quality=90))
    assert small.size == (96, 64)
    assert np.abs(small.pixels.astype(float) - scene()).mean() < 4
    assert decode(encode_jpeg(pixels)).size == (384, 256)
    assert len(encode_jpeg(pixels, quality=40)) < len(encode_jpeg(pixels, quality=95))
